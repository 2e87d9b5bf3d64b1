import numpy as np
import pytest

from tests.analysis.quality_samples import (
    MULTICLASS,
    REGRESSION,
    SCORED,
    confused,
    merged_line,
    profile_of,
    quality_baseline,
    raw_state,
    state_of,
)
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.finding import Check, Outcome, Severity, Verdict
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_evaluation import QualityBaseline, evaluate_quality
from watchkeeper.analysis.quality_judgement import QualityRules, judge_quality, judge_quality_state

BASELINE = quality_baseline(confused(80, 20, 20, 80))


def found(findings) -> dict[str, Outcome]:
    return {finding.feature: finding.outcome for finding in findings}


def test_what_chance_explains_is_no_violation_unless_somebody_said_so() -> None:
    window = confused(78, 22, 20, 80)
    exact = judge_quality_state(window, BASELINE)
    assert exact.verdict is Verdict.OK
    recall = next(finding for finding in exact.findings if finding.feature == "recall")
    assert "within chance" in recall.reason
    stated = judge_quality_state(window, BASELINE, QualityRules(thresholds={"recall": 0.79}))
    assert stated.verdict is Verdict.VIOLATED
    assert stated.reason.endswith("worst: recall, LessThanThreshold")
    compatible = judge_quality_state(window, BASELINE, QualityRules(Dialect.COMPATIBLE))
    assert compatible.verdict is Verdict.VIOLATED


def test_a_threshold_edited_in_the_document_is_taken_at_its_word() -> None:
    document = BASELINE.constraints
    recall = document.metrics["recall"]
    edited = type(document)(document.problem_type, {"recall": type(recall)(0.79, recall.operator)})
    assert judge_quality_state(confused(78, 22, 20, 80), QualityBaseline(edited, BASELINE.statistics)).worst is not None
    # Without statistics nobody can tell the baseline's value from an edited one.
    assert judge_quality_state(confused(78, 22, 20, 80), QualityBaseline(edited)).verdict is Verdict.VIOLATED


def test_a_fallen_model_is_violated_with_its_numbers() -> None:
    judgement = judge_quality_state(confused(30, 70, 60, 40), BASELINE)
    assert judgement.verdict is Verdict.VIOLATED
    recall = next(finding for finding in judgement.findings if finding.feature == "recall")
    assert (recall.check, recall.observed, recall.limit) == (Check.LESS_THAN_THRESHOLD, 0.3, 0.8)
    assert recall.excess == pytest.approx(0.5)
    assert recall.severity is Severity.HIGH
    assert recall.reason.startswith("Metric recall with 0.3 +/- 0.0")


def test_f0_5_is_reported_in_the_exact_dialect_only() -> None:
    window = confused(30, 70, 60, 40)
    exact = found(evaluate_quality(window, BASELINE))
    compatible = found(evaluate_quality(window, BASELINE, Dialect.COMPATIBLE))
    assert exact["f0_5"] is Outcome.VIOLATED
    assert compatible["f0_5"] is Outcome.NOT_EVALUATED
    assert compatible["f1"] is Outcome.VIOLATED


def test_a_metric_without_a_value_is_not_evaluated_and_says_why() -> None:
    findings = evaluate_quality(confused(tp=50, fn=10), BASELINE)
    rates = {finding.feature: finding for finding in findings}
    assert rates["false_positive_rate"].outcome is Outcome.NOT_EVALUATED
    assert rates["false_positive_rate"].reason == "no label of the negative class"
    assert rates["recall"].outcome is Outcome.SATISFIED
    scored = quality_baseline(state_of(SCORED, label=[0, 1] * 20, probability=[0.1, 0.8] * 20))
    auc = next(f for f in evaluate_quality(confused(5, 5, 5, 5), scored) if f.feature == "auc")
    assert auc.reason == "the window has no probabilities"


def test_a_metric_is_switched_off_in_the_file() -> None:
    judgement = judge_quality_state(
        confused(30, 70, 20, 80),
        BASELINE,
        QualityRules(
            thresholds=dict.fromkeys(BASELINE.constraints.metrics),
            label_drift_threshold=None,
            prediction_drift_threshold=None,
        ),
    )
    assert judgement.verdict is Verdict.OK
    assert judgement.reason == "0 checks satisfied"
    assert {finding.reason for finding in judgement.findings} == {"switched off in the endpoint's file"}


def test_the_excess_of_an_error_is_its_growth() -> None:
    baseline = quality_baseline(
        state_of(REGRESSION, label=range(100), prediction=[i + (i % 2 or -1) for i in range(100)])
    )
    window = state_of(REGRESSION, label=range(100), prediction=[i + 1.3 * (i % 2 or -1) for i in range(100)])
    worst = {finding.feature: finding for finding in evaluate_quality(window, baseline)}
    assert worst["mae"].outcome is Outcome.VIOLATED
    assert worst["mae"].excess == pytest.approx(0.3)
    assert worst["mse"].excess == pytest.approx(0.69)
    perfect = quality_baseline(state_of(REGRESSION, label=range(9), prediction=range(9)))
    assert {f.excess for f in evaluate_quality(window, perfect) if f.feature == "mae"} == {1.0}


def test_drift_of_labels_and_predictions() -> None:
    window = confused(tp=180, fn=10, fp=5, tn=5)
    drift = {f.feature: f for f in judge_quality_state(window, BASELINE).findings if f.check is Check.BASELINE_DRIFT}
    assert found(drift.values()) == {"label": Outcome.VIOLATED, "prediction": Outcome.VIOLATED}
    assert drift["label"].distance == pytest.approx(0.45 - 1.8 * (400 / 200**2) ** 0.5)
    off = judge_quality_state(
        window, BASELINE, QualityRules(label_drift_threshold=None, prediction_drift_threshold=0.5)
    )
    assert {f.feature: f.outcome for f in off.findings if f.check is Check.BASELINE_DRIFT} == {
        "prediction": Outcome.SATISFIED
    }
    assert not [f for f in evaluate_quality(window, BASELINE, Dialect.COMPATIBLE) if f.check is Check.BASELINE_DRIFT]


def test_drift_of_numbers_and_of_class_names() -> None:
    baseline = quality_baseline(state_of(REGRESSION, label=range(500), prediction=range(500)))
    moved = state_of(REGRESSION, label=range(300, 800), prediction=range(300, 800))
    findings = judge_quality_state(moved, baseline).findings
    assert found(findings)["label"] is Outcome.VIOLATED
    classes = quality_baseline(state_of(MULTICLASS, label=["a", "b"] * 200, prediction=["a", "b"] * 200))
    same = state_of(MULTICLASS, label=["a", "b"] * 100, prediction=["a", "b"] * 100)
    other = state_of(MULTICLASS, label=["a"] * 200, prediction=["a"] * 200)
    assert judge_quality_state(same, classes).verdict is Verdict.OK
    assert found(judge_quality_state(other, classes).findings)["label"] is Outcome.VIOLATED


def test_without_the_baselines_statistics_drift_is_not_evaluated() -> None:
    findings = judge_quality_state(confused(80, 20, 20, 80), QualityBaseline(BASELINE.constraints)).findings
    assert found(findings)["label"] is Outcome.NOT_EVALUATED


def test_the_verdicts_in_their_order() -> None:
    csv = QualityAttributes(ProblemType.BINARY, "0")
    good, broken, strange = merged_line("1", "1"), b"{\n", merged_line("7", "1")
    rules = QualityRules(minimum_rows=30, maximum_malformed_share=0.05)

    def verdict(lines):
        judgement = judge_quality(profile_of(csv, lines), BASELINE, rules)
        return judgement.verdict, judgement.reason

    assert verdict([]) == (Verdict.TOO_FEW, "no labelled row, at least 30 are needed to judge")
    assert verdict([good] * 29)[0] is Verdict.TOO_FEW
    assert verdict([broken] * 3) == (
        Verdict.FAILED,
        "3 of 3 merged lines are malformed (100.0%, no row could be read); most often (3): not JSON",
    )
    assert verdict([good] * 90 + [broken] * 10)[0] is Verdict.FAILED
    assert verdict([good] * 99 + [broken])[0] is not Verdict.FAILED
    assert verdict([good] * 90 + [strange] * 10) == (
        Verdict.FAILED,
        "10 of 100 labelled rows cannot be judged (10.0%, at most 5.0% allowed); "
        "most often (10): a prediction that is neither class",
    )
    assert verdict([strange] * 50)[1].startswith("50 of 50 labelled rows cannot be judged (100.0%, none is left)")


def test_another_problem_type_than_the_baselines_is_failed() -> None:
    judgement = judge_quality_state(state_of(REGRESSION, label=[1], prediction=[1]), BASELINE)
    assert judgement.verdict is Verdict.FAILED
    assert "make a new baseline" in judgement.reason


def test_a_window_of_rejected_rows_keeps_its_statistics() -> None:
    judgement = judge_quality_state(raw_state(SCORED, label=["1"], probability=["8"]), BASELINE)
    assert judgement.verdict is Verdict.FAILED
    assert judgement.statistics is not None
    assert judgement.statistics.row_count == 0


def test_a_large_window_of_the_baselines_own_kind_is_no_violation() -> None:
    """The window's interval alone would be too narrow: what moves is the small baseline's own value."""
    rng = np.random.default_rng(11)
    violated = 0
    for _ in range(40):
        base, window = (rng.multinomial(rows, [0.3, 0.1, 0.2, 0.4]) for rows in (2_000, 100_000))
        baseline = quality_baseline(confused(*map(int, base)))
        violated += judge_quality_state(confused(*map(int, window)), baseline).verdict is Verdict.VIOLATED
    assert violated <= 4
    fallen = confused(25_000, 15_000, 20_000, 40_000)
    assert judge_quality_state(fallen, quality_baseline(confused(600, 200, 400, 800))).verdict is Verdict.VIOLATED
