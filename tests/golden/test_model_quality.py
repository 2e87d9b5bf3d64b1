"""Model quality against documents that AWS's container wrote: numbers, decisions and wording."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.analysis.quality_samples import confused, quality_baseline
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.finding import Check, Outcome
from watchkeeper.analysis.merged_profile import QualityProfile, profile_merged
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_constraints import decode_quality_constraints, encode_quality_constraints
from watchkeeper.analysis.quality_dataset import quality_of_frame
from watchkeeper.analysis.quality_evaluation import QualityBaseline, evaluate_quality
from watchkeeper.analysis.quality_metrics import measure
from watchkeeper.analysis.quality_state import QualityState
from watchkeeper.analysis.quality_statistics import decode_quality_statistics, quality_statistics_of
from watchkeeper.analysis.quality_violations import encode_quality_violations, violation_text
from watchkeeper.analysis.score_counts import ScoreCounts
from watchkeeper.analysis.violation_report import decode_violations

TABLES = (
    "churn_binary_2021/run_2021-05-26_baseline_statistics_table",
    "others/binary_team4_2024-10_cell45_statistics",
    "others/regression_foodlens_2025-10-16_cell25_statistics",
    "others/modelcard_example_binary_model_quality",
)
VIOLATIONS = ("churn_binary_2021/run_2021-05-26_constraint_violations", "others/binary_team4_2024-10_cell66_violations")


@pytest.fixture(scope="module")
def quality(real_data: Path) -> Path:
    return real_data / "model_quality"


@pytest.fixture(scope="module")
def churn_rows(quality: Path) -> QualityState:
    frame = pl.read_csv(quality / "churn_binary_2021" / "validation_with_predictions.csv", infer_schema=False)
    return quality_of_frame(frame, QualityAttributes(ProblemType.BINARY, "prediction", "probability", "label"))


def rounded(path: Path, kind: str) -> dict[str, float]:
    metrics = json.loads(path.read_bytes())[f"{kind}_metrics"]
    return {name: found["value"] for name, found in metrics.items() if "value" in found}


def test_the_churn_baseline_is_the_containers(quality: Path, churn_rows: QualityState) -> None:
    statistics = quality_statistics_of(churn_rows, most_predicted=True)
    printed = rounded(quality / f"{TABLES[0]}.json", "binary_classification")
    assert statistics.confusion == {"0": {"0": 173, "1": 0}, "1": {"0": 12, "1": 16}}
    assert {name: round(statistics.metrics[name].value or 0.0, 6) for name in printed} == printed
    assert set(statistics.metrics) - set(printed) == {"au_prc"}  # since 2024
    assert statistics.metrics["auc"].value == 0.9395127993393898
    assert statistics.curves is not None
    assert statistics.curves.true_positive_rates[:3] == (0.0, 0.03571428571428571, 0.07142857142857142)
    assert statistics.curves.recalls[:3] == (0.0, 0.03571428571428571, 0.07142857142857142)
    assert statistics.curves.precisions[:9] == (1.0,) * 9


def test_the_churn_deviations_are_of_the_containers_size(quality: Path, churn_rows: QualityState) -> None:
    """They are not seeded there: three runs on one dataset gave 0.0409, 0.0418 and 0.0391 for recall."""
    metrics = measure(churn_rows, most_predicted=True)
    printed = json.loads((quality / f"{TABLES[0]}.json").read_bytes())["binary_classification_metrics"]
    for name in ("recall", "accuracy", "auc", "f1", "f2"):
        ours = metrics[name].standard_deviation
        assert ours is not None
        assert printed[name]["standard_deviation"] / 2.5 < ours < printed[name]["standard_deviation"] * 2.5, name
    assert metrics["precision"].standard_deviation == 0.0


def test_the_churn_constraints_are_the_containers(quality: Path, churn_rows: QualityState) -> None:
    printed = decode_quality_constraints(
        (quality / "churn_binary_2021" / "run_2021-05-26_constraints_table.json").read_bytes()
    )
    ours = quality_baseline(churn_rows, most_predicted=True).constraints
    assert list(ours.metrics) == list(printed.metrics)
    for name, constraint in printed.metrics.items():
        assert ours.metrics[name].operator is constraint.operator
        assert round(ours.metrics[name].threshold, 6) == constraint.threshold


def test_the_churn_violations_are_the_containers(quality: Path, churn_rows: QualityState) -> None:
    """The window's counts follow from the printed rates: 151 of 1,318 positives and 434 of 499 negatives were right."""
    printed = json.loads((quality / f"{VIOLATIONS[0]}.json").read_bytes())["violations"]
    window = confused(tp=151, fn=1167, fp=65, tn=434)
    baseline = quality_baseline(churn_rows, most_predicted=True)
    findings = evaluate_quality(window, baseline, Dialect.COMPATIBLE)
    document = encode_quality_violations(findings)
    assert document is not None
    ours = {v["metric_name"]: v for v in json.loads(document)["violations"]}
    # The probabilities of the window were not kept, so its auc cannot be worked out again.
    assert ours.keys() == {v["metric_name"] for v in printed} - {"auc"}
    for violation in printed:
        name = violation["metric_name"]
        if name == "auc":
            continue
        assert ours[name]["constraint_check_type"] == violation["constraint_check_type"]
        before, after = (text.partition(" was ") for text in (ours[name]["description"], violation["description"]))
        assert before[2] == after[2]  # operator and threshold
        assert before[0].partition(" +/- ")[0] == after[0].partition(" +/- ")[0]  # the metric's value
    assert next(f for f in findings if f.feature == "auc").outcome is Outcome.NOT_EVALUATED
    assert next(f for f in findings if f.feature == "f0_5").outcome is Outcome.NOT_EVALUATED


@pytest.mark.parametrize("name", VIOLATIONS)
def test_every_printed_sentence_is_worded_as_ours(quality: Path, name: str) -> None:
    data = (quality / f"{name}.json").read_bytes()
    decoded = decode_violations(data)
    printed = json.loads(data)["violations"]
    assert len(decoded) == len(printed)
    for finding, violation in zip(decoded, printed, strict=True):
        text = violation["description"]
        value, deviation = (float(part) for part in text.partition(" with ")[2].partition(" was ")[0].split(" +/- "))
        threshold = float(text.rpartition(" '")[2].rstrip("'"))
        assert violation_text(finding.feature, value, deviation, finding.check, threshold) == text
        assert finding.check in {Check.LESS_THAN_THRESHOLD, Check.GREATER_THAN_THRESHOLD}


def test_the_small_baseline_without_probabilities_is_the_containers(quality: Path) -> None:
    frame = pl.read_csv(quality / "others" / "binary_team4_2024-10_validation_with_predictions.csv", infer_schema=False)
    state = quality_of_frame(frame, QualityAttributes(ProblemType.BINARY, "prediction", None, "labels"))
    metrics = measure(state, most_predicted=True)
    printed = rounded(quality / f"{TABLES[1]}.json", "binary_classification")
    assert {name: round(metric.value or 0.0, 6) for name, metric in metrics.items()} == printed
    assert {metric.standard_deviation for metric in metrics.values()} == {None}
    ours = quality_baseline(state, most_predicted=True).constraints
    document = decode_quality_constraints(
        (quality / "others" / "binary_team4_2024-10_cell46_constraints.json").read_bytes()
    )
    assert ours.metrics.keys() == document.metrics.keys()


def test_the_small_windows_violations_are_the_containers(quality: Path) -> None:
    """Everything was predicted negative; f0_5, beyond its threshold too, is lost."""
    document = decode_quality_constraints(
        (quality / "others" / "binary_team4_2024-10_cell46_constraints.json").read_bytes()
    )
    printed = decode_violations((quality / f"{VIOLATIONS[1]}.json").read_bytes())
    window = confused(fn=2356, tn=801)  # accuracy 0.25379…
    findings = evaluate_quality(window, QualityBaseline(document), Dialect.COMPATIBLE)
    violated = {f.feature for f in findings if f.outcome is Outcome.VIOLATED}
    assert violated == {finding.feature for finding in printed}
    exact = evaluate_quality(window, QualityBaseline(document))
    assert {f.feature for f in exact if f.outcome is Outcome.VIOLATED} == violated | {"f0_5"}


@pytest.mark.parametrize("name", TABLES)
def test_printed_statistics_decode(quality: Path, name: str) -> None:
    statistics = decode_quality_statistics((quality / f"{name}.json").read_bytes())
    assert statistics.metrics
    assert all(metric.value is not None for metric in statistics.metrics.values())


def test_printed_regression_constraints_decode_and_come_back(quality: Path) -> None:
    data = (quality / "others" / "regression_foodlens_2025-10-16_cell26_constraints.json").read_bytes()
    constraints = decode_quality_constraints(data)
    assert constraints.problem_type is ProblemType.REGRESSION
    assert constraints.metrics["r2"].operator is Check.LESS_THAN_THRESHOLD
    assert decode_quality_constraints(encode_quality_constraints(constraints)) == constraints


def merged(real_data: Path, name: str, attributes: QualityAttributes) -> QualityProfile:
    # The notebooks printed single records with line breaks; the merge job writes each on one line.
    text = json.dumps(json.loads((real_data / "merged" / f"{name}.json").read_text()))
    return profile_merged([CaptureFile(name, [text.encode()])], attributes)


@pytest.mark.parametrize(
    ("name", "paths", "rows"),
    [
        ("batch_csv_churn", (None, "69", None), 1),
        (
            "batch_json_adult",
            (
                "SageMakerOutput.predictions[*].predicted_label",
                "SageMakerOutput.predictions[*].score",
                "instances[*].label",
            ),
            334,
        ),
        ("batch_jsonlines_adult", ("SageMakerOutput.predicted_label", "SageMakerOutput.score", "label"), 1),
        (
            "endpoint_json_adult_334_records",
            ("predictions[*].predicted_label", "predictions[*].score", "instances[*].label"),
            334,
        ),
        ("endpoint_jsonlines_adult", ("predicted_label", "score", None), 1),
    ],
)
def test_merged_records_are_read(real_data: Path, name: str, paths: tuple[str | None, ...], rows: int) -> None:
    profile = merged(real_data, name, QualityAttributes(ProblemType.BINARY, *paths))
    assert profile.malformed.reasons == {}
    assert profile.row_count == rows
    assert profile.state is not None
    assert dict(profile.state.rejected) == {}
    assert isinstance(profile.state.scores, ScoreCounts)
    assert profile.state.scores.row_count == rows
