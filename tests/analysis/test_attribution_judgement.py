"""From attributions to a verdict: Clarify's rule, and the one that knows about chance."""

import json

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.analysis.attribution_samples import explanation_of, file_of, input_line, report_of
from watchkeeper.analysis.attribution_judgement import AttributionRules, judge_attribution, judge_sample
from watchkeeper.analysis.attribution_report import attribution_report_of
from watchkeeper.analysis.attribution_sample import SampledRows, sample_rows
from watchkeeper.analysis.attribution_violations import encode_attribution_violations
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.finding import Check, Outcome, Severity, Verdict
from watchkeeper.analysis.shap_settings import Aggregation, ShapSettings

BASELINE = report_of(label0={"size": 0.6, "rooms": 0.3, "location": 0.1})
DRIFTED = report_of(label0={"size": 0.1, "rooms": 0.2, "location": 0.7})
COMPATIBLE, EXACT = AttributionRules(Dialect.COMPATIBLE), AttributionRules()
NAMES = ["size", "rooms", "location"]


def test_a_top_driver_that_changed_is_a_violation_that_names_both() -> None:
    found = judge_attribution(DRIFTED, BASELINE, COMPATIBLE)
    assert found.verdict is Verdict.VIOLATED
    assert "top driver was size, is now location" in found.reason
    (finding,) = found.findings
    assert (finding.feature, finding.check, finding.outcome) == ("label0", Check.ATTRIBUTION_DRIFT, Outcome.VIOLATED)
    assert (finding.observed, finding.limit) == (found.ndcg["label0"], 0.9)
    assert finding.excess == pytest.approx(0.9 - (found.ndcg["label0"] or 0.0))
    assert finding.severity is Severity.MEDIUM
    assert found.worst == finding
    assert [drift.feature for drift in found.drifts["label0"]] == ["location", "size", "rooms"]


def test_the_same_ranking_is_fine() -> None:
    for rules in (COMPATIBLE, EXACT):
        found = judge_attribution(report_of(label0={"size": 6.0, "rooms": 3.0, "location": 2.9}), BASELINE, rules)
        assert (found.verdict, found.ndcg) == (Verdict.OK, {"label0": pytest.approx(1.0)})
        assert "top driver is still size" in found.reason
        assert encode_attribution_violations(found.findings) is None


def test_violations_are_clarifys_document() -> None:
    found = judge_attribution(DRIFTED, BASELINE, AttributionRules(Dialect.COMPATIBLE, ndcg_threshold=0.9))
    document = encode_attribution_violations(found.findings)
    assert document is not None
    assert json.loads(document) == {
        "version": "1.0",
        "violations": [
            {
                "label": "label0",
                "metric_name": "shap",
                "constraint_check_type": "feature_attribution_drift_check",
                "description": f"Feature attribution drift {found.ndcg['label0']} exceeds threshold 0.9",
            }
        ],
    }
    assert document.startswith(b'{\n  "version": "1.0",\n  "violations": [\n    {\n      "constraint_check_type"')


def test_the_limit_itself_is_fine() -> None:
    value = judge_attribution(DRIFTED, BASELINE, COMPATIBLE).ndcg["label0"]
    assert value is not None
    rules = AttributionRules(Dialect.COMPATIBLE, ndcg_threshold=value)
    assert judge_attribution(DRIFTED, BASELINE, rules).verdict is Verdict.OK


def noisy(rows: int, spread: float) -> NDArray[np.float64]:
    """Attributions whose means drifted, and that vary from row to row."""
    means = np.array([0.1, 0.2, 0.7])
    return np.abs(np.random.default_rng(1).normal(means, spread, (rows, 3)))


def test_what_other_rows_of_the_same_traffic_might_not_show_is_chance() -> None:
    rare = np.tile([0.4, 0.2, 0.0], (40, 1))
    rare[:3, 2] = 12.0  # three rows alone make location the top driver
    explanation = explanation_of(rare, NAMES)
    report = attribution_report_of(explanation)
    assert judge_attribution(report, BASELINE, COMPATIBLE).verdict is Verdict.VIOLATED
    assert judge_attribution(report, BASELINE, EXACT).verdict is Verdict.VIOLATED  # without rows, at its word
    found = judge_attribution(report, BASELINE, EXACT, explanation)
    assert found.verdict is Verdict.OK
    assert "within chance" in found.reason
    assert found.findings[0].outcome is Outcome.SATISFIED


@pytest.mark.parametrize("method", list(Aggregation))
def test_a_drift_of_all_rows_is_a_violation_in_both_dialects(method: Aggregation) -> None:
    explanation = explanation_of(noisy(200, 0.2), NAMES)
    report = attribution_report_of(explanation, ShapSettings(agg_method=method))
    for dialect in Dialect:
        rules = AttributionRules(dialect, agg_method=method)
        found = judge_attribution(report, BASELINE, rules, explanation)
        assert found.verdict is Verdict.VIOLATED
        assert found == judge_attribution(report, BASELINE, rules, explanation)


def test_chance_is_known_of_features_of_one_side_only_too() -> None:
    explanation = explanation_of(noisy(100, 0.1), ["size", "garden", "location"])
    found = judge_attribution(attribution_report_of(explanation), BASELINE, EXACT, explanation)
    assert found.verdict is Verdict.VIOLATED
    assert "rooms is gone" in found.reason
    assert "garden is new" in found.reason
    same = judge_attribution(BASELINE, report_of(label0={**BASELINE.labels["label0"].global_shap_values, "new": 0.0}))
    assert same.ndcg["label0"] == pytest.approx(1.0)


def test_only_reported_features_are_judged() -> None:
    explanation = explanation_of(np.hstack([noisy(50, 0.1), np.full((50, 1), 9.0)]), [*NAMES, "noise"])
    report = attribution_report_of(explanation, ShapSettings(features_to_explain=tuple(NAMES)))
    found = judge_attribution(report, BASELINE, EXACT, explanation)
    assert "noise" not in found.reason
    assert found.verdict is Verdict.VIOLATED


def test_each_label_is_judged_by_its_own_rows_whatever_their_order() -> None:
    steady = np.tile([0.6, 0.3, 0.1], (30, 1))
    explanation = explanation_of(np.stack([noisy(30, 0.1), steady], axis=2), NAMES)
    report = attribution_report_of(explanation, label_headers=["no", "yes"])
    first = BASELINE.labels["label0"].global_shap_values
    baseline = report_of(yes=dict(first), no=dict(first))
    found = judge_attribution(report, baseline, EXACT, explanation)
    assert {finding.feature: finding.outcome for finding in found.findings} == {
        "yes": Outcome.SATISFIED,
        "no": Outcome.VIOLATED,
    }
    assert found.reason.startswith("1 of 2 labels drifted; no: ")
    off = judge_attribution(report, baseline, AttributionRules(ndcg_thresholds={"no": None}), explanation)
    assert (off.verdict, off.findings[1].outcome) == (Verdict.OK, Outcome.NOT_EVALUATED)
    assert off.ndcg["no"] == found.ndcg["no"]


def test_a_label_that_the_window_lacks_is_not_evaluated_and_a_single_one_may_have_another_name() -> None:
    both = report_of(no={"size": 1.0}, yes={"size": 1.0})
    found = judge_attribution(report_of(no={"size": 1.0}, maybe={"size": 1.0}), both)
    assert [finding.outcome for finding in found.findings] == [Outcome.SATISFIED, Outcome.NOT_EVALUATED]
    score = report_of(**{"0.7956783771514893": dict(DRIFTED.labels["label0"].global_shap_values)})
    assert judge_attribution(score, BASELINE, COMPATIBLE).ndcg.keys() == {"label0"}
    assert judge_attribution(score, BASELINE, COMPATIBLE).verdict is Verdict.VIOLATED


def test_a_constant_model_cannot_be_judged_and_says_so() -> None:
    constant = report_of(label0=dict.fromkeys(NAMES, 0.0))
    for rules in (COMPATIBLE, EXACT):
        found = judge_attribution(constant, BASELINE, rules)
        assert found.verdict is Verdict.FAILED
        assert "the window's attributions are all zero" in found.reason
        assert found.ndcg == {"label0": None}
    assert "the baseline's attributions are all zero" in judge_attribution(BASELINE, constant).reason


def sample_of(*lines: bytes) -> SampledRows:
    return sample_rows([file_of(lines)], FeatureReader(("a", "b", "c")))


def test_a_sample_that_cannot_be_judged_is_known_before_a_model_is_asked() -> None:
    rows = [input_line("1,2,3", f"e{number}") for number in range(2)]
    enough = [*rows, input_line("4,5,6", "e2")]
    assert judge_sample(sample_of(*enough)) is None
    few = judge_sample(sample_of(*rows))
    assert few is not None
    assert (few.verdict, few.reason) == (
        Verdict.TOO_FEW,
        "2 rows, fewer than the 3 features whose ranking they should tell",
    )
    assert judge_sample(sample_of(*rows), COMPATIBLE) is None
    below = judge_sample(sample_of(*enough), AttributionRules(minimum_rows=50))
    assert below is not None
    assert (below.verdict, below.reason) == (Verdict.TOO_FEW, "3 rows, at least 50 are needed to judge")
    nothing = judge_sample(sample_of())
    assert nothing is not None
    assert nothing.verdict is Verdict.TOO_FEW


def test_too_many_rows_that_do_not_fit_the_baseline_fail_the_window() -> None:
    captured = [input_line(f"{'large' if number < 2 else number},2,3", f"e{number}") for number in range(8)]
    sampled = sample_of(*captured).fitting({name: pl.Int64() for name in "abc"})
    assert judge_sample(sampled) is None
    found = judge_sample(sampled, AttributionRules(maximum_malformed_share=0.2))
    assert found is not None
    assert (found.verdict, found.reason) == (
        Verdict.FAILED,
        "2 of 8 sampled rows do not fit the baseline (25.0%); "
        "most often (2): text in feature a, where the baseline has none",
    )


def test_labels_that_are_all_switched_off_are_no_failure() -> None:
    found = judge_attribution(DRIFTED, BASELINE, AttributionRules(ndcg_thresholds={"label0": None}))
    assert (found.verdict, found.reason) == (Verdict.OK, "every label is switched off in the endpoint's file")


def test_too_many_malformed_lines_fail_the_window() -> None:
    captured = [*(input_line("1,2,3", f"e{number}") for number in range(6)), input_line("1,2", "odd"), b"no json"]
    sampled = sample_of(*captured)
    assert judge_sample(sampled) is None
    found = judge_sample(sampled, AttributionRules(maximum_malformed_share=0.1))
    assert found is not None
    assert found.verdict is Verdict.FAILED
    assert found.reason.startswith("2 of 8 captured lines are malformed (25.0%, at most 10.0% allowed)")
    nothing = judge_sample(sample_of(b"no json"))
    assert nothing is not None
    assert (nothing.verdict, "no row could be read" in nothing.reason) == (Verdict.FAILED, True)
