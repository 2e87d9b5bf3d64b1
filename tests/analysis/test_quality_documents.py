import json

import pytest

from tests.analysis.quality_samples import (
    MULTICLASS,
    REGRESSION,
    SCORED,
    confused,
    quality_baseline,
    raw_state,
    state_of,
)
from watchkeeper.analysis.finding import Check, Finding, Outcome
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_constraints import (
    MetricConstraint,
    QualityConstraints,
    decode_quality_constraints,
    encode_quality_constraints,
    with_metric_thresholds,
)
from watchkeeper.analysis.quality_metrics import METRICS
from watchkeeper.analysis.quality_points import quality_points
from watchkeeper.analysis.quality_statistics import (
    decode_quality_statistics,
    encode_quality_statistics,
    quality_statistics_of,
)
from watchkeeper.analysis.quality_violations import camel_case, encode_quality_violations, violation_text
from watchkeeper.analysis.violation_report import decode_violations
from watchkeeper.errors import DocumentError

STATES = {
    "binary": confused(10, 5, 3, 20),
    "scored": state_of(SCORED, label=[i % 2 for i in range(300)], probability=[i % 11 / 11 for i in range(300)]),
    "one class": state_of(SCORED, label=[1, 1], probability=[0.2, 0.9]),
    "regression": state_of(REGRESSION, label=range(250), prediction=[i + i % 3 for i in range(250)]),
    "multiclass": state_of(MULTICLASS, label=["a", "b", "c"], prediction=["a", "b", "b"]),
    "rejected": raw_state(SCORED, label=["1"], probability=["9"]),
}


@pytest.mark.parametrize("name", STATES)
def test_documents_come_back(name: str) -> None:
    statistics = quality_statistics_of(STATES[name])
    data = encode_quality_statistics(statistics)
    again = decode_quality_statistics(data)
    assert encode_quality_statistics(again) == data
    assert {k: m.value for k, m in again.metrics.items()} == {k: m.value for k, m in statistics.metrics.items()}
    constraints = quality_baseline(STATES[name]).constraints
    assert decode_quality_constraints(encode_quality_constraints(constraints)) == constraints


def test_the_outer_keys_are_the_contracts() -> None:
    document = json.loads(encode_quality_statistics(quality_statistics_of(STATES["scored"])))
    assert list(document) == ["version", "dataset", "binary_classification_metrics", "features"]
    assert (document["version"], document["dataset"]) == (0.0, {"item_count": 300})
    metrics = document["binary_classification_metrics"]
    assert next(iter(metrics)) == "confusion_matrix"
    assert {"receiver_operating_characteristic_curve", "precision_recall_curve", "auc"} <= set(metrics)
    assert metrics["confusion_matrix"].keys() == {"0", "1"}
    assert [feature["name"] for feature in document["features"]] == ["label", "prediction", "probability"]


def test_a_class_that_no_row_has_still_stands_in_the_matrix() -> None:
    document = json.loads(encode_quality_statistics(quality_statistics_of(confused(tp=2))))
    matrix = document["binary_classification_metrics"]["confusion_matrix"]
    assert matrix == {"0": {"0": 0, "1": 0}, "1": {"0": 0, "1": 2}}


def test_which_metrics_get_a_constraint() -> None:
    suggested = quality_baseline(STATES["scored"]).constraints.metrics
    assert "au_prc" not in suggested
    assert not [name for name in suggested if "constant" in name]
    greater = {name for name, found in suggested.items() if found.operator is Check.GREATER_THAN_THRESHOLD}
    assert greater == {"false_positive_rate", "false_negative_rate"}
    errors = quality_baseline(STATES["regression"]).constraints.metrics
    assert {name for name, found in errors.items() if found.operator is Check.LESS_THAN_THRESHOLD} == {"r2"}
    assert "false_positive_rate" not in quality_baseline(STATES["one class"]).constraints.metrics


def test_hand_edits_survive_reading() -> None:
    text = """{"version": 0, "binary_classification_constraints": {
        "recall": {"threshold": 0.8, "comparison_operator": "LessThanThreshold", "note": "agreed in May"},
        "au_prc": {"threshold": 1, "comparison_operator": "LessThanThreshold"}}}"""
    constraints = decode_quality_constraints(text.encode())
    assert constraints.metrics == {
        "recall": MetricConstraint(0.8, Check.LESS_THAN_THRESHOLD),
        "au_prc": MetricConstraint(1.0, Check.LESS_THAN_THRESHOLD),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "Expected"),
        ("{}", "no constraints of a regression"),
        (
            '{"regression_constraints": {"recall": {"threshold": 1, "comparison_operator": "LessThanThreshold"}}}',
            "no metric 'recall'",
        ),
        ('{"regression_constraints": {"mae": {"threshold": 1, "comparison_operator": "Less"}}}', "got operator 'Less'"),
        (
            '{"regression_constraints": {"mae": {"threshold": "NaN", "comparison_operator": "LessThanThreshold"}}}',
            "not a number",
        ),
    ],
)
def test_other_constraints_are_refused_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as caught:
        decode_quality_constraints(text.encode(), "edited.json")
    assert caught.value.subject == "edited.json"


@pytest.mark.parametrize("text", ["x", "{}", '{"regression_metrics": {"mae": 3}}', '{"regression_metrics": 1}'])
def test_other_statistics_are_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="Expected Model Monitor's statistics"):
        decode_quality_statistics(text.encode())


def test_overrides_are_laid_over_the_document() -> None:
    document = QualityConstraints(
        ProblemType.BINARY,
        {name: MetricConstraint(0.5, Check.LESS_THAN_THRESHOLD) for name in ("recall", "precision", "f1")},
    )
    laid = with_metric_thresholds(document, {"recall": 0.7, "precision": None, "au_prc": 0.4, "mae": 3.0}).metrics
    assert laid["recall"] == MetricConstraint(0.7, Check.LESS_THAN_THRESHOLD, stated=True)
    assert not laid["precision"].evaluate
    assert laid["f1"] == document.metrics["f1"]
    assert laid["au_prc"].stated
    assert "mae" not in laid


def test_names_in_camel_case_and_back() -> None:
    assert camel_case("true_positive_rate") == "truePositiveRate"
    findings = [
        Finding(name, Check.LESS_THAN_THRESHOLD, Outcome.VIOLATED, "text")
        for names in METRICS.values()
        for name in names
    ]
    data = encode_quality_violations(findings)
    assert data is not None
    assert [finding.feature for finding in decode_violations(data)] == [finding.feature for finding in findings]
    assert encode_quality_violations([]) is None


def test_a_violation_without_a_name_is_refused() -> None:
    with pytest.raises(DocumentError, match="neither feature_name nor metric_name"):
        decode_violations(b'{"violations": [{"constraint_check_type": "LessThanThreshold"}]}')


def test_the_wording_without_a_deviation() -> None:
    text = violation_text("mae", 2.0, None, Check.GREATER_THAN_THRESHOLD, 1e-4)
    assert text == "Metric mae with 2.0 +/- NaN was GreaterThanThreshold '1.0E-4'"


def test_the_points_of_cloudwatch() -> None:
    metrics = quality_statistics_of(confused(5, 5, 0, 0)).metrics
    points = {p.name: p.value for p in quality_points({name: m.value for name, m in metrics.items()}, 1)}
    assert points["recall"] == 0.5
    assert points["recall_best_constant_classifier"] == 1.0
    assert points["total_number_of_violations"] == 1.0
    assert "false_positive_rate" not in points
