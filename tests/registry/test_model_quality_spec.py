"""The model quality section: absent means off, and every fault has its remedy."""

from pathlib import Path

import pytest

from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_metrics import METRICS, is_constrained
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.model_quality_spec import METRIC_NAMES
from watchkeeper.registry.registry_files import load_registry

SOUND = "owner: me\ncapture: {s3_uri: s3://bucket/capture}\nground_truth: {s3_uri: s3://bucket/truth}\n"
BINARY = "problem_type: BinaryClassification, probability_attribute: '0'"


def endpoint(folder: Path, section: str, rest: str = "") -> EndpointSpec:
    (folder / "churn.yaml").write_text(f"{SOUND}monitors: {{model_quality: {{{section}}}}}\n{rest}")
    registry = load_registry(folder)
    registry.require_sound()
    return registry.endpoints["churn"]


def faults(folder: Path, section: str) -> list[str]:
    (folder / "churn.yaml").write_text(f"{SOUND}monitors: {{model_quality: {{{section}}}}}\n")
    return list(load_registry(folder).problems)


@pytest.mark.parametrize("monitors", ["", "monitors: {model_quality: }\n"])
def test_absent_means_off(tmp_path: Path, monitors: str) -> None:
    (tmp_path / "churn.yaml").write_text(SOUND + monitors)
    spec = load_registry(tmp_path).endpoints["churn"]
    assert spec.monitors.model_quality is None
    assert not spec.watches("model_quality", "hourly")
    assert spec.watches("data_quality", "hourly")


def test_the_defaults(tmp_path: Path) -> None:
    spec = endpoint(tmp_path, BINARY)
    quality = spec.monitors.model_quality
    assert quality is not None
    assert spec.watches("model_quality", "hourly")
    assert spec.watches("model_quality", "daily")
    assert (quality.dialect, quality.minimum_rows, quality.publish_model_metrics) == ("exact", 30, False)
    assert (quality.label_drift_threshold, quality.prediction_drift_threshold) == (0.1, 0.1)
    assert not endpoint(tmp_path, f"{BINARY}, enabled: false").watches("model_quality", "hourly")
    assert not endpoint(tmp_path, f"{BINARY}, periods: [daily]").watches("model_quality", "hourly")


def test_the_names_are_the_analysis_own(tmp_path: Path) -> None:
    assert set(METRIC_NAMES) == {problem.value for problem in ProblemType}
    for problem, names in METRICS.items():
        judged = {name for name in names if is_constrained(name)} | ({"au_prc"} & set(names))
        assert set(METRIC_NAMES[problem.value]) == judged
    quality = endpoint(tmp_path, BINARY).monitors.model_quality
    assert quality is not None
    given = quality.attributes(("p", "label"))
    attributes = QualityAttributes(**given | {"problem_type": ProblemType(given["problem_type"])})
    assert attributes.classes == ("1", "0")


def test_thresholds_with_values_and_switched_off(tmp_path: Path) -> None:
    quality = endpoint(tmp_path, f"{BINARY}, thresholds: {{recall: 0.8, f2: }}").monitors.model_quality
    assert quality is not None
    assert quality.thresholds == {"recall": 0.8, "f2": None}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("minimum_rows: 5", "monitors.model_quality.problem_type: missing; add it: what the model answers"),
        ("problem_type: binary", "got 'binary'; use"),
        ("problem_type: BinaryClassification", "needs inference_attribute, probability_attribute, or both"),
        ("problem_type: Regression, probability_attribute: '0'", "Regression needs inference_attribute"),
        (f"{BINARY}, positive_label: churned", "add negative_label"),
        (f"{BINARY}, positive_label: a, negative_label: a", "name two classes"),
        (f"{BINARY}, positive_label: 1", "monitors.model_quality.positive_label: got 1;"),
        ("problem_type: BinaryClassification, probability_attribute: 0", "probability_attribute: got 0;"),
        (f"{BINARY}, ground_truth_attribute: 'a[*'", "use a column's index such as '0', a name, or a path"),
        (f"{BINARY}, thresholds: {{mae: 3}}", "BinaryClassification has no metric 'mae'; it has recall, precision"),
        (f"{BINARY}, thresholds: {{recall: high}}", "monitors.model_quality.thresholds.recall: got 'high'"),
        (f"{BINARY}, probability_treshold: 0.3", "did you mean 'probability_threshold'?"),
    ],
)
def test_each_fault_has_its_remedy(tmp_path: Path, section: str, said: str) -> None:
    found = faults(tmp_path, section)
    assert len(found) == 1, found
    assert found[0].startswith("churn.yaml: monitors.model_quality")
    assert said in found[0]


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        (f"{BINARY}, enabled: false", False),
        (f"{BINARY}, periods: [daily]", False),
        (f"{BINARY}, publish_model_metrics: true", False),
        (f"{BINARY}, minimum_rows: 5", True),
        (f"{BINARY}, thresholds: {{recall: 0.5}}", True),
        (f"{BINARY}, label_drift_threshold: ", True),
        (f"{BINARY}, probability_threshold: 0.4", True),
        (f"{BINARY}, ground_truth_attribute: label", True),
    ],
)
def test_the_digest_changes_with_what_changes_a_verdict(tmp_path: Path, line: str, changes: bool) -> None:
    before, after = endpoint(tmp_path, BINARY), endpoint(tmp_path, line)
    assert (before.digest("model_quality") != after.digest("model_quality")) is changes
    assert before.digest("data_quality") == after.digest("data_quality")


def test_a_baseline_of_its_own(tmp_path: Path) -> None:
    rest = """baseline:
      dataset: s3://bucket/train.csv
      model_quality:
        dataset: s3://bucket/validation.parquet
        inference_attribute: prediction
"""
    baseline = endpoint(tmp_path, BINARY, rest).baseline
    assert baseline is not None
    source = baseline.model_quality
    assert source is not None
    assert (baseline.dataset_format, source.dataset_format) == ("csv", "parquet")
    assert (source.inference_attribute, source.ground_truth_attribute) == ("prediction", "label")


def test_a_baseline_of_its_own_has_one_source(tmp_path: Path) -> None:
    text = SOUND + "baseline: {model_quality: {import_statistics: s3://bucket/statistics.json}}\n"
    (tmp_path / "churn.yaml").write_text(text)
    assert list(load_registry(tmp_path).problems) == [
        "churn.yaml: baseline.model_quality: only import_statistics is given; "
        "give import_statistics and import_constraints together"
    ]
