"""The sandbox's metric math and its alarms' verdicts, as CloudWatch's documentation has them."""

from typing import Any

import pytest

from sandbox.alarm_judgement import Judged, judge
from sandbox.metric_math import MetricMath, MetricMathError, Series, Value

ERRORS: Series = {0: 1.0, 60: 0.0, 120: 6.0}
CALLS: Series = {0: 10.0, 60: 0.0, 120: 8.0, 180: 4.0}
GRID = [0, 60, 120, 180]


def band(_query_id: str, width: float) -> list[Series]:
    return [dict.fromkeys(GRID, 5 - width), dict.fromkeys(GRID, 5 + width)]


def value(expression: str) -> Value:
    return MetricMath({"errors": ERRORS, "calls": CALLS, "none": {}}, GRID, band).value(expression)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("errors", ERRORS),
        ("2 * errors - 1", {0: 1, 60: -1, 120: 11}),
        ("-errors", {0: -1, 60: 0, 120: -6}),
        ("errors / calls", {0: 0.1, 120: 0.75}),  # nothing by zero, nothing where one is missing
        ("IF(calls >= 5, 100 * errors / calls, 0)", {0: 10, 60: 0, 120: 75, 180: 0}),
        ("IF(calls > 5, errors)", {0: 1, 120: 6}),
        ("IF(calls > 5 AND errors > 5, 1, 0)", {0: 0, 60: 0, 120: 1}),
        ("IF(errors > 5 || calls == 0, 1, 0)", {0: 0, 60: 1, 120: 1}),
        ("SUM([errors, calls])", {0: 11, 60: 0, 120: 14, 180: 4}),
        ("MAX(calls)", 10),
        ("AVG(errors)", pytest.approx(7 / 3)),
        ("FILL(errors, 0)", {0: 1, 60: 0, 120: 6, 180: 0}),
        ("FILL(errors, REPEAT)", {0: 1, 60: 0, 120: 6, 180: 6}),
        ("FILL(none, 0)", {}),  # a metric that nobody ever put stays empty
        ("ANOMALY_DETECTION_BAND(errors, 3)", [dict.fromkeys(GRID, 2), dict.fromkeys(GRID, 8)]),
    ],
)
def test_an_expression_comes_to_what_cloudwatch_says(expression: str, expected: Any) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    "expression",
    ["other", "errors +", "__import__('os').getcwd()", "errors.clear()", "RATE(errors)", "IF(errors)", "'a'"],
)
def test_what_the_sandbox_does_not_have_is_refused(expression: str) -> None:
    with pytest.raises(MetricMathError):
        value(expression)


def alarm(**changes: Any) -> dict[str, Any]:
    return {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 5, "EvaluationPeriods": 3, **changes}


@pytest.mark.parametrize("treatment", ["missing", "breaching", "notBreaching", "ignore"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # The newest first; X breaches, 0 does not, - is missing. By treatment: missing, breaching, not, ignore.
        ("XXX", ("ALARM",) * 4),
        ("000", ("OK",) * 4),
        ("X0X", ("OK",) * 4),
        ("---", ("INSUFFICIENT_DATA", "ALARM", "OK", None)),
        ("X--", ("ALARM", "ALARM", "OK", None)),
        ("0--", ("OK", "OK", "OK", "OK")),
        ("XX-", ("ALARM", "ALARM", "OK", None)),
    ],
)
def test_three_of_three_periods(values: str, treatment: str, expected: tuple[str | None, ...]) -> None:
    known = {"X": 9.0, "0": 1.0, "-": None}
    periods = [Judged(-60.0 * place, known[sign], 5, 5) for place, sign in enumerate(values)]
    found = judge(alarm(TreatMissingData=treatment), periods, 0.0)
    wanted = expected[["missing", "breaching", "notBreaching", "ignore"].index(treatment)]
    assert (found.state if found else None) == wanted


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", {8}),
        ("GreaterThanOrEqualToThreshold", {7, 8}),
        ("LessThanThreshold", {2}),
        ("LessThanOrEqualToThreshold", {2, 3}),
        ("LessThanLowerOrGreaterThanUpperThreshold", {2, 8}),
        ("GreaterThanUpperThreshold", {8}),
        ("LessThanLowerThreshold", {2}),
    ],
)
def test_each_comparison_has_its_side(comparison: str, breaching: set[int]) -> None:
    found = {number for number in (2, 3, 5, 7, 8) if Judged(0.0, number, 3, 7).breaching(comparison)}
    assert found == breaching
