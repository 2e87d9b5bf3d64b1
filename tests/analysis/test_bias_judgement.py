"""Verdicts on bias: both dialects, chance, thresholds, and every kind of bad input."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.bias_samples import attributes_of, counted, merged_line, profile_of, state_of
from tests.analysis.strategies import few
from watchkeeper.analysis.bias_definition import Facet
from watchkeeper.analysis.bias_evaluation import BiasRules, nearest_distance
from watchkeeper.analysis.bias_finding import bias_key
from watchkeeper.analysis.bias_judgement import BiasJudgement, judge_bias, judge_bias_state
from watchkeeper.analysis.bias_metrics import distance_from_neutral
from watchkeeper.analysis.bias_report import BiasReport, bias_report_of, decode_bias_report, encode_bias_report
from watchkeeper.analysis.bias_resampling import bias_interval
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.bias_violations import encode_bias_violations
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.facet_group import facet_groups, same_value
from watchkeeper.analysis.finding import Check, Outcome, Severity, Verdict
from watchkeeper.analysis.metric_resampling import Interval
from watchkeeper.analysis.violation_report import decode_violations
from watchkeeper.errors import DocumentError

COMPATIBLE = BiasRules(Dialect.COMPATIBLE)
FAIR = counted((300, 100, 100, 300), (300, 100, 100, 300))
UNFAIR = counted((100, 300, 20, 380), (300, 100, 100, 300))


def found(judgement: BiasJudgement, outcome: Outcome) -> set[str]:
    return {finding.metric for finding in judgement.findings if finding.outcome is outcome}


def outcome_of(judgement: BiasJudgement, metric: str) -> tuple[Outcome, str]:
    finding = next(finding for finding in judgement.findings if finding.metric == metric)
    return finding.outcome, finding.reason


def test_a_window_as_its_baseline_is_fine_in_both_dialects() -> None:
    for rules in (BiasRules(), COMPATIBLE):
        judgement = judge_bias_state(FAIR, bias_report_of(FAIR), rules)
        assert judgement.verdict is Verdict.OK
        assert judgement.reason == "19 checks satisfied"  # of 21: without a group variable there are two less
        assert judgement.worst is None
        assert judgement.report == bias_report_of(FAIR)
        assert encode_bias_violations(judgement.findings) is None


def test_a_group_treated_worse_is_a_violation_with_its_place() -> None:
    judgement = judge_bias_state(UNFAIR, bias_report_of(FAIR))
    assert judgement.verdict is Verdict.VIOLATED
    assert {"DPPL", "DI", "RD"} <= found(judgement, Outcome.VIOLATED)
    finding = next(finding for finding in judgement.findings if finding.metric == "DI")
    assert (finding.feature, finding.facet, finding.facet_value) == ("sex=F DI", "sex", "F")
    assert (finding.check, finding.limit) == (Check.BIAS_DRIFT, 1.0)
    assert finding.observed == pytest.approx(0.3)
    assert finding.severity is Severity.HIGH
    document = json.loads(encode_bias_violations(judgement.findings) or b"")
    assert document["version"] == "1.0"
    assert {"facet", "facet_value", "metric_name", "constraint_check_type", "description"} == set(
        document["violations"][0]
    )


def test_violations_are_read_back_with_their_place() -> None:
    judgement = judge_bias_state(UNFAIR, bias_report_of(FAIR))
    body = encode_bias_violations(judgement.findings)
    assert body is not None
    assert [(found.feature, found.check) for found in decode_violations(body)] == [
        (finding.feature, finding.check) for finding in judgement.findings if finding.outcome is Outcome.VIOLATED
    ]


def test_a_ratio_is_judged_by_its_distance_from_one_where_clarify_goes_by_its_size() -> None:
    low = counted((50, 150, 0, 200), (200, 0, 200, 0))
    lower, middle = bias_report_of(low), bias_report_of(FAIR)
    assert outcome_of(judge_bias_state(FAIR, lower, COMPATIBLE), "DI")[0] is Outcome.VIOLATED
    assert outcome_of(judge_bias_state(FAIR, lower), "DI")[0] is Outcome.SATISFIED
    assert outcome_of(judge_bias_state(low, middle, COMPATIBLE), "DI")[0] is Outcome.SATISFIED
    assert outcome_of(judge_bias_state(low, middle), "DI")[0] is Outcome.VIOLATED


@pytest.mark.parametrize(("value", "distance"), [(1.0, 0.0), (0.5, 0.5), (2.0, 0.5), (0.0, 1.0), (math.inf, 1.0)])
def test_the_distance_of_a_ratio(value: float, distance: float) -> None:
    assert distance_from_neutral("DI", value) == distance
    assert distance_from_neutral("TE", -value) == value


def test_what_chance_explains_is_satisfied_and_says_so() -> None:
    window = counted((14, 6, 5, 15), (16, 4, 5, 15))
    judgement = judge_bias_state(window, bias_report_of(FAIR))
    assert judgement.verdict is Verdict.OK
    outcome, reason = outcome_of(judgement, "RD")
    assert outcome is Outcome.SATISFIED
    assert "within chance" in reason
    assert judge_bias_state(window, bias_report_of(FAIR), COMPATIBLE).verdict is Verdict.VIOLATED


def test_a_tolerance_is_added_to_the_baselines_distance() -> None:
    baseline = bias_report_of(FAIR)
    assert outcome_of(judge_bias_state(UNFAIR, baseline, BiasRules(tolerance=0.2)), "DPPL")[0] is Outcome.VIOLATED
    assert outcome_of(judge_bias_state(UNFAIR, baseline, BiasRules(tolerance=0.4)), "DPPL")[0] is Outcome.SATISFIED


def test_the_baselines_own_chance_counts_where_its_rows_are_known() -> None:
    small, window = counted((12, 4, 4, 12), (12, 4, 4, 12)), counted((150, 250, 60, 340), (300, 100, 100, 300))
    baseline = bias_report_of(small)
    alone = judge_bias_state(window, baseline)
    known = judge_bias_state(window, baseline, baseline_state=small)
    assert outcome_of(alone, "DPPL")[0] is Outcome.VIOLATED
    outcome, reason = outcome_of(known, "DPPL")
    assert outcome is Outcome.SATISFIED
    assert "the baseline's own" in reason


def test_few_windows_of_one_population_are_violated() -> None:
    """Clarify's rule violates practically every window; in ours all checks together keep the rules' confidence."""
    rng = np.random.default_rng(11)
    attributes = attributes_of(Facet("sex", ("F",)), group_variable="town")

    def draw(rows: int) -> BiasState:
        sex = rng.choice(["F", "M"], rows, p=[0.35, 0.65])
        label = (rng.random(rows) < np.where(sex == "F", 0.25, 0.35)).astype(int)
        prediction = np.where(rng.random(rows) < 0.8, label, rng.random(rows) < 0.3).astype(int)
        columns = {"sex": sex, "town": rng.integers(0, 4, rows), "x": rng.random(rows), "label": label}
        return state_of(attributes, columns | {"prediction": prediction})

    exact = compatible = 0
    for _ in range(25):
        before, window = draw(1200), draw(800)
        baseline = bias_report_of(before)
        exact += judge_bias_state(window, baseline, baseline_state=before).verdict is Verdict.VIOLATED
        compatible += judge_bias_state(window, baseline, COMPATIBLE).verdict is Verdict.VIOLATED
    assert exact <= 4  # of 25 at 5 %, more than 4 would be chance in one of a hundred suites
    assert compatible >= 24


def test_an_infinity_by_chance_is_none() -> None:
    baseline = bias_report_of(counted((30, 10, 10, 30), (30, 12, 10, 30)))
    window = counted((5, 3, 0, 8), (6, 3, 2, 9))
    assert bias_report_of(window).post_training.facets["sex"][0].metric("TE").value == math.inf
    assert outcome_of(judge_bias_state(window, baseline), "TE")[0] is Outcome.SATISFIED
    violated = judge_bias_state(window, baseline, COMPATIBLE)
    outcome, reason = outcome_of(violated, "TE")
    assert (outcome, reason.split(" doesn't")[0]) == (Outcome.VIOLATED, "Metric value Infinity")
    endless = bias_report_of(window)
    assert outcome_of(judge_bias_state(UNFAIR, endless, COMPATIBLE), "TE")[0] is Outcome.SATISFIED
    assert outcome_of(judge_bias_state(window, endless), "TE")[0] is Outcome.SATISFIED


def test_thresholds_are_taken_at_their_word_and_null_switches_off() -> None:
    rules = BiasRules(thresholds={"DPPL": 0.1, "DI": 0.75, "RD": None, "FT": 0.0})
    for dialect in Dialect:
        judgement = judge_bias_state(UNFAIR, BiasReport(), replace(rules, dialect=dialect))
        assert outcome_of(judgement, "DPPL")[0] is Outcome.VIOLATED
        assert outcome_of(judgement, "DI") == (Outcome.SATISFIED, "0.3 is within 0.75 of 1")
        assert outcome_of(judgement, "RD") == (Outcome.NOT_EVALUATED, "switched off in the endpoint's file")
        assert outcome_of(judgement, "DPL") == (
            Outcome.NOT_EVALUATED,
            "the baseline does not have this metric of the facet's value",
        )
        assert judgement.worst is not None


def test_small_groups_are_not_judged() -> None:
    window = counted((5, 5, 5, 5), (300, 100, 100, 300))
    judgement = judge_bias_state(window, bias_report_of(FAIR), BiasRules(minimum_group_rows=50))
    assert judgement.verdict is Verdict.TOO_FEW
    assert judgement.reason == ("no check could be evaluated: 20 rows in the facet, at least 50 are needed to judge")
    assert judgement.report is not None
    turned = judge_bias_state(
        counted((300, 100, 100, 300), (5, 5, 5, 5)), bias_report_of(FAIR), BiasRules(minimum_group_rows=50)
    )
    assert "20 rows outside the facet" in turned.reason


def test_few_rows_are_too_few() -> None:
    judgement = judge_bias_state(FAIR, bias_report_of(FAIR), BiasRules(minimum_rows=5000))
    assert (judgement.verdict, judgement.reason) == (
        Verdict.TOO_FEW,
        "1600 labelled rows, at least 5000 are needed to judge",
    )


def test_bad_windows_have_a_verdict_and_a_reason() -> None:
    attributes = attributes_of(Facet("sex", ("F",)), Facet("town", ("x",)))
    baseline = bias_report_of(
        state_of(
            attributes, {"sex": ["F", "M"] * 40, "town": ["x", "y"] * 40, "label": [1, 0] * 40, "prediction": [1] * 80}
        )
    )

    def judge(attributes=attributes, **columns) -> BiasJudgement:
        rows = {"sex": ["F", "M"] * 4, "town": ["x", "y"] * 4, "label": [1, 0] * 4, "prediction": [1, 0] * 4}
        return judge_bias_state(state_of(attributes, rows | columns), baseline)

    missing = judge(sex=[None] * 8)
    assert (missing.verdict, missing.reason) == (
        Verdict.FAILED,
        "none of 8 rows has a value of the facet sex: is it still sent?",
    )
    unmatched = judge(label=["good", "bad"] * 4, prediction=["good", "bad"] * 4)
    assert (unmatched.verdict, unmatched.reason) == (
        Verdict.FAILED,
        "none of the labels and predictions of 8 rows is positive: check label_values_or_threshold",
    )
    unseen = judge(sex=["M"] * 8)
    assert {finding.reason for finding in unseen.findings if finding.facet == "sex"} == {"no row has sex F"}
    assert found(unseen, Outcome.SATISFIED)  # the other facet is still judged
    empty = judge(sex=["F"] * 8, town=["y"] * 8)
    assert (empty.verdict, empty.reason.split(":")[0]) == (Verdict.TOO_FEW, "no check could be evaluated")
    one_class = judge(label=[1] * 8, prediction=[1] * 8)
    assert one_class.verdict in {Verdict.OK, Verdict.VIOLATED}
    unanswered = judge(replace(attributes, inference_attribute=None))
    assert found(unanswered, Outcome.NOT_EVALUATED) >= {"DPPL", "DI"}
    assert {f.reason for f in unanswered.findings if f.metric == "DI"} == {"the window has no metrics of predictions"}


def test_values_only_one_side_has_are_told_apart() -> None:
    attributes = attributes_of(Facet("town"))
    columns = {"town": ["a", "b"] * 60, "label": [1, 0, 0, 1] * 30, "prediction": [1, 0] * 60}
    baseline = bias_report_of(state_of(attributes, columns))
    judgement = judge_bias_state(state_of(attributes, columns | {"town": ["a", "c"] * 60}), baseline)
    by_value = {finding.facet_value: finding for finding in judgement.findings}
    assert set(by_value) == {"a", "b", "c"}
    assert by_value["b"].reason == "the window has no row of this value of the facet"
    assert by_value["c"].reason == "the baseline does not have this metric of the facet's value"
    assert by_value["a"].outcome is Outcome.SATISFIED


def test_an_interval_that_grew_is_the_same_value_and_kinds_stay_as_in_the_baseline() -> None:
    attributes = attributes_of(Facet("age", (40,)))
    rng = np.random.default_rng(5)
    columns = {"age": rng.integers(20, 60, 200), "label": [1, 0] * 100, "prediction": [1, 0, 0, 0] * 50}
    before = bias_report_of(state_of(attributes, columns))
    assert before.facet_values == {"age": [f"(40, {max(columns['age'])}]"]}
    # So many rows that Clarify would take the same integers for categories.
    later = state_of(attributes, {name: list(values) * 10 for name, values in columns.items()})
    assert bias_report_of(later).facet_values == {"age": ["40"]}
    judgement = judge_bias_state(later, before)
    assert judgement.verdict is Verdict.OK
    columns["age"] = [*columns["age"][:-1], 90]
    grown = judge_bias_state(state_of(attributes, columns), before)
    assert grown.report is not None
    assert grown.report.facet_values == {"age": ["(40, 90]"]}
    assert {finding.feature for finding in grown.findings} == {finding.feature for finding in judgement.findings}
    assert found(grown, Outcome.NOT_EVALUATED) == {"CDDL", "CDDPL", "FT"}  # no group variable, no other feature


@pytest.mark.parametrize("gap", [None, 3], ids=["a value is missing", "few rows"])
def test_values_of_a_categorical_facet_stay_so_in_few_rows_and_with_gaps(gap: int | None) -> None:
    """Both make whole numbers continuous by Clarify's rule, which then has no threshold and judges nothing."""

    def state(rows: int, first: int | None) -> BiasState:
        bands: list[object] = [first, *(1 + row % 4 for row in range(rows - 1))]
        labels = [row // 4 % 2 for row in range(rows)]
        return state_of(attributes_of(Facet("band")), {"band": bands, "label": labels, "prediction": labels})

    baseline = bias_report_of(state(800, 1))
    assert set(baseline.facet_values["band"]) == {"1", "2", "3", "4"}
    judgement = judge_bias_state(state(800 if gap is None else 60, gap), baseline)
    assert judgement.verdict is Verdict.OK
    assert {finding.facet_value for finding in judgement.findings} == {"1", "2", "3", "4"}


def test_intervals_as_categories_need_no_threshold() -> None:
    columns = {"age": ["(20, 40]", "(40, 60]"] * 60, "label": [1, 0, 0, 1] * 30, "prediction": [1, 0] * 60}
    state = state_of(attributes_of(Facet("age")), columns)
    assert judge_bias_state(state, bias_report_of(state)).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("(40, 90]", "a=(40, …] DPL"),
        ("(0.5, 1e-07]", "a=(0.5, …] DPL"),
        ("F & (40, 90] & (-3, -1.5]", "a=F & (40, …] & (-3, …] DPL"),
        ("1,2", "a=1,2 DPL"),
        ("Smith, John", "a=Smith, John DPL"),
    ],
)
def test_a_finding_is_called_the_same_whatever_the_data_ends_with(value: str, key: str) -> None:
    assert bias_key("a", value, "DPL") == key


def test_a_number_is_the_same_value_however_pandas_spelled_it() -> None:
    assert same_value("1.0", "1")
    assert same_value("F & 2.0", "F & 2")
    assert not same_value("1", "10")
    assert not same_value("F", "f")


def test_merged_lines_that_cannot_be_read_fail_the_window() -> None:
    attributes = replace(
        attributes_of(), input_columns=("sex", "age"), inference_attribute="0", ground_truth_attribute=None
    )
    good = [merged_line(f"{sex},3{n}", str(n % 2), str(n % 3 % 2)) for n in range(8) for sex in "FM"]
    baseline = bias_report_of(profile_of(attributes, good).state)
    nothing = judge_bias(profile_of(attributes, [b"x\n"]), baseline)
    assert nothing.verdict is Verdict.FAILED
    assert nothing.reason == (
        "1 of 1 merged lines are malformed (100.0%, no row could be read); most often (1): not JSON"
    )
    some = judge_bias(profile_of(attributes, [*good, b"x\n"]), baseline, BiasRules(maximum_malformed_share=0.01))
    assert (some.verdict, "5.9%, at most 1.0% allowed" in some.reason) == (Verdict.FAILED, True)
    assert judge_bias(profile_of(attributes, []), baseline).verdict is Verdict.TOO_FEW
    unlabelled = profile_of(attributes, [merged_line("F,30", "1", " ")])
    rejected = judge_bias(unlabelled, baseline)
    assert (rejected.verdict, "1 of 1 labelled rows cannot be judged" in rejected.reason) == (Verdict.FAILED, True)


@few
@given(st.lists(st.integers(1, 300), min_size=8, max_size=8))
def test_intervals_are_reproducible_and_hold_the_metric(counts: list[int]) -> None:
    state = counted(tuple(counts[:4]), tuple(counts[4:]))
    group = facet_groups(state)[0]
    report = bias_report_of(state)
    for metric in (m for stage in report.stages for m in stage.facets["sex"][0].metrics if m.value is not None):
        interval = bias_interval(group, metric.name, 0.997)
        assert interval == bias_interval(facet_groups(state)[0], metric.name, 0.997)
        if interval is not None and metric.name not in {"JS", "KL", "KS", "LP", "TVD"}:
            assert interval.lower <= metric.value <= interval.upper


def test_the_nearest_point_of_an_interval() -> None:
    assert nearest_distance("DPL", Interval(-0.1, 0.4)) == 0.0
    assert nearest_distance("DPL", Interval(-0.4, -0.1)) == 0.1
    assert nearest_distance("DI", Interval(0.5, 0.8)) == pytest.approx(0.2)
    assert nearest_distance("DI", Interval(2.0, math.inf)) == 0.5
    assert nearest_distance("TE", Interval(3.0, math.inf)) == 3.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "holds no bias metrics"),
        (b"[", "analysis.json"),
        (b'{"pre_training_bias_metrics": {"facets": {"a": [{"metrics": []}]}}}', "value_or_threshold"),
        (
            b'{"pre_training_bias_metrics": {"facets": {"a": [{"value_or_threshold": "1",'
            b'"metrics": [{"name": "CI", "value": "much"}]}]}}}',
            "the value of CI is neither",
        ),
    ],
)
def test_what_is_no_report_is_told(body: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        decode_bias_report(body)


def test_a_report_of_explanations_too_is_read() -> None:
    body = json.loads(encode_bias_report(bias_report_of(FAIR))) | {"explanations": {"kernel_shap": {}}}
    assert decode_bias_report(json.dumps(body).encode()) == bias_report_of(FAIR)
