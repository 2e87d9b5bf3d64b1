"""The verdict of a window, in the order in which conditions are looked at."""

import pickle

import pytest

from tests.analysis.capture_samples import baseline_of, capture_line, profile_lines, state_of_columns
from watchkeeper.analysis.capture_profile import CaptureProfile, MalformedLines
from watchkeeper.analysis.capture_records import CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline, Dialect
from watchkeeper.analysis.finding import Check, Finding, Outcome, Severity, Verdict, worst_first
from watchkeeper.analysis.judgement import JudgementRules, judge, judge_state
from watchkeeper.analysis.violation_report import decode_violations, encode_violations

NAMES = ("p", "a", "b")
SCHEMA = CaptureSchema(columns=NAMES)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return baseline_of(state_of_columns(p=[f"0.{i:04}" for i in range(1000)], a=range(1000), b=["x", "y"] * 500))


def lines(count: int, *, start: int = 0) -> list[bytes]:
    return [capture_line(f"{i % 1000},{'xy'[i % 2]}", f"0.{i % 1000:04}") for i in range(start, start + count)]


BROKEN = b"secret payload, no JSON\n"
NOTHING = CaptureProfile(None, 0, 0, MalformedLines())


def test_a_quiet_window_is_ok(baseline: Baseline) -> None:
    found = judge(profile_lines(lines(1000), SCHEMA), baseline, invocations=1000)
    assert (found.verdict, found.worst) == (Verdict.OK, None)
    assert {finding.outcome for finding in found.findings} == {Outcome.SATISFIED}
    assert found.statistics is not None
    assert list(found.statistics.features) == list(NAMES)
    assert encode_violations(found.findings) is None


def test_a_violated_window_names_the_worst(baseline: Baseline) -> None:
    window = [capture_line(f"broken,{'xy'[i % 2]}", f"0.{i:04}") for i in range(900)]
    found = judge(profile_lines(window, SCHEMA), baseline)
    assert found.verdict is Verdict.VIOLATED
    assert found.worst is not None
    assert (found.worst.feature, found.worst.check, found.worst.severity) == ("a", Check.DATA_TYPE, Severity.HIGH)
    assert "worst: a, data_type_check" in found.reason
    assert "broken" not in found.reason + " ".join(finding.reason for finding in found.findings)


@pytest.mark.parametrize(("invocations", "verdict"), [(None, "no_traffic"), (0, "no_traffic"), (500, "capture_gap")])
def test_nothing_captured(baseline: Baseline, invocations: float | None, verdict: str) -> None:
    found = judge(NOTHING, baseline, invocations=invocations)
    assert (found.verdict, found.statistics, found.findings) == (verdict, None, ())


@pytest.mark.parametrize(
    ("captured", "invocations", "sampling", "verdict"),
    [
        (49, 100, 100, "capture_gap"),
        (50, 100, 100, "ok"),
        (10, 100, 20, "ok"),
        (9, 100, 20, "capture_gap"),
        (9, 0, 100, "ok"),
    ],
)
def test_a_gap_is_less_than_half_of_what_was_to_be_captured(
    baseline: Baseline, captured: int, invocations: float, sampling: float, verdict: str
) -> None:
    # The captured rows reach over the whole range, so that nothing has drifted.
    window = [line for i in range(captured) for line in lines(1, start=i * 1000 // captured + i % 2)]
    rules = JudgementRules(sampling_percentage=sampling)
    found = judge(profile_lines(window, SCHEMA), baseline, rules, invocations=invocations)
    assert found.verdict == verdict
    if verdict == "capture_gap":
        assert f"captured {captured} of about {invocations * sampling / 100:.0f} invocations" in found.reason


def test_few_rows_are_not_judged_but_kept(baseline: Baseline) -> None:
    found = judge(profile_lines(lines(5), SCHEMA), baseline, JudgementRules(minimum_rows=30))
    assert (found.verdict, found.findings) == (Verdict.TOO_FEW, ())
    assert found.statistics is not None
    assert found.statistics.row_count == 5
    assert "5 rows, at least 30" in found.reason


def test_too_many_malformed_lines_fail_the_window_before_anything_else(baseline: Baseline) -> None:
    rules = JudgementRules(maximum_malformed_share=0.05, minimum_rows=30)
    profile = profile_lines([*lines(10), BROKEN], SCHEMA)
    found = judge(profile, baseline, rules, invocations=10_000)
    assert (found.verdict, found.findings) == (Verdict.FAILED, ())
    assert "1 of 11 captured lines are malformed (9.1%, at most 5.0% allowed)" in found.reason
    assert "not JSON" in found.reason
    assert "secret" not in found.reason


def test_some_malformed_lines_are_no_reason_to_stop(baseline: Baseline) -> None:
    profile = profile_lines([*lines(1000), BROKEN], SCHEMA)
    assert judge(profile, baseline, JudgementRules(maximum_malformed_share=0.05)).verdict is Verdict.OK


def test_a_window_of_nothing_but_malformed_lines_is_no_quiet_one(baseline: Baseline) -> None:
    found = judge(profile_lines([BROKEN] * 3, SCHEMA), baseline, JudgementRules(maximum_malformed_share=1.0))
    assert found.verdict is Verdict.FAILED
    assert "3 of 3 captured lines are malformed (100.0%, no row could be read)" in found.reason


def test_malformed_lines_were_captured_too(baseline: Baseline) -> None:
    profile = profile_lines([*lines(1000), *[BROKEN] * 1000], SCHEMA)
    rules = JudgementRules(maximum_malformed_share=0.6, gap_share=0.9)
    assert judge(profile, baseline, rules, invocations=2000).verdict is Verdict.OK


def test_another_number_of_fields_is_a_finding(baseline: Baseline) -> None:
    window = [capture_line(f"{i},x,extra", "0.5") for i in range(100)]
    found = judge(profile_lines(window, SCHEMA), baseline)
    assert found.verdict is Verdict.VIOLATED
    assert [f.check for f in found.findings if f.outcome is Outcome.VIOLATED] == [Check.EXTRA_COLUMN]
    assert {f.outcome for f in found.findings if f.check is not Check.EXTRA_COLUMN} == {Outcome.NOT_EVALUATED}


def test_a_schema_that_is_out_of_date_does_not_hide_broken_columns(baseline: Baseline) -> None:
    """The endpoint's file promises two inputs too many; the window has as many columns as the baseline."""
    window = [capture_line(f"broken,{'xy'[i % 2]}", f"0.{i:04}") for i in range(200)]
    stale = CaptureSchema(input_columns=("a", "b", "c", "d"), output_columns=("p",))
    profile = profile_lines(window, stale)
    assert profile.state is not None
    assert profile.state.positional
    found = judge(profile, baseline, JudgementRules(exclude=("p",)))
    assert found.verdict is Verdict.VIOLATED
    assert {finding.feature for finding in found.findings} == {"a", "b"}


@pytest.mark.parametrize(
    "schema",
    [
        CaptureSchema(input_columns=("a", "b"), output_columns=("p",)),
        CaptureSchema(input_columns=("a", "b"), columns=("p", "a", "b")),
        CaptureSchema(input_columns=("a", "b"), output_columns=("p",), output_columns_position="END"),
    ],
    ids=["both sides", "inputs", "outputs last"],
)
@pytest.mark.parametrize(("data", "output"), [("5", "0.5,x"), ("0.5,5,x", None)])
def test_fields_that_changed_sides_are_a_finding_about_columns_alone(
    baseline: Baseline, schema: CaptureSchema, data: str, output: str | None
) -> None:
    """As many fields as promised: by position alone each would be judged in another's place."""
    found = judge(profile_lines([capture_line(data, output)] * 200, schema), baseline)
    assert found.verdict is Verdict.VIOLATED
    [violated] = [finding for finding in found.findings if finding.outcome is Outcome.VIOLATED]
    assert violated.check is Check.EXTRA_COLUMN
    assert "3 fields are divided otherwise than the endpoint's file says" in violated.reason
    assert {f.outcome for f in found.findings if f is not violated} == {Outcome.NOT_EVALUATED}


def test_excluded_features_are_not_judged(baseline: Baseline) -> None:
    window = [capture_line(f"broken,{'xy'[i % 2]}", f"0.{i:04}") for i in range(900)]
    found = judge(profile_lines(window, SCHEMA), baseline, JudgementRules(exclude=("a", "not there")))
    assert found.verdict is Verdict.OK
    assert "a" not in {finding.feature for finding in found.findings}


def test_the_registrys_thresholds_are_laid_over_the_baselines(baseline: Baseline) -> None:
    window = profile_lines([capture_line(f"{i % 1000 + 300},{'xy'[i % 2]}", f"0.{i:04}") for i in range(1000)], SCHEMA)
    assert judge(window, baseline).verdict is Verdict.VIOLATED
    assert judge(window, baseline, JudgementRules(thresholds={"comparison_threshold": 0.4})).verdict is Verdict.OK
    assert judge(window, baseline, JudgementRules(features={"a": {"comparison_threshold": 0.4}})).verdict is Verdict.OK
    assert (
        judge(window, baseline, JudgementRules(features={"b": {"comparison_threshold": 0.4}})).verdict
        is Verdict.VIOLATED
    )


def test_a_state_alone_is_judged_alike(baseline: Baseline) -> None:
    profile = profile_lines(lines(1000), SCHEMA)
    assert profile.state is not None
    for dialect in Dialect:
        rules = JudgementRules(dialect=dialect)
        assert judge_state(profile.state, baseline, rules).findings == judge(profile, baseline, rules).findings


def test_a_judgement_travels_between_processes(baseline: Baseline) -> None:
    found = judge(profile_lines(lines(50), SCHEMA), baseline)
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own bytes
    assert (again.verdict, again.reason, again.findings) == (found.verdict, found.reason, found.findings)


def test_the_worst_finding_stands_first() -> None:
    violated = [
        Finding("b", Check.COMPLETENESS, Outcome.VIOLATED, "", excess=0.04),
        Finding("c", Check.BASELINE_DRIFT, Outcome.VIOLATED, "", excess=0.3),
        Finding("a", Check.DATA_TYPE, Outcome.VIOLATED, "", excess=0.04),
        Finding("d", Check.DATA_TYPE, Outcome.VIOLATED, "", excess=0.05),
        Finding("e", Check.DATA_TYPE, Outcome.SATISFIED, "", excess=0.9),
    ]
    assert [finding.feature for finding in worst_first(violated)] == ["c", "d", "a", "b"]
    assert [finding.severity for finding in worst_first(violated)] == ["high", "medium", "low", "low"]


def test_a_report_of_violations_comes_back() -> None:
    findings = [
        Finding('größe "/', Check.DATA_TYPE, Outcome.VIOLATED, "Only 50.0% of data is Integral."),
        Finding("quiet", Check.DATA_TYPE, Outcome.SATISFIED, "fine"),
        Finding("unknown", Check.DATA_TYPE, Outcome.NOT_EVALUATED, "no row has a value"),
    ]
    document = encode_violations(findings)
    assert document is not None
    assert decode_violations(document) == findings[:1]
    with pytest.raises(ValueError, match="unheard_of_check"):
        decode_violations(b'{"violations": [{"feature_name": "a", "constraint_check_type": "unheard_of_check"}]}')
