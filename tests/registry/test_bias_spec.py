"""The bias and explainability sections: what may be left to other sections, and every fault with its remedy."""

import json
from pathlib import Path

import pytest

from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.registry_files import load_registry

SOUND = "owner: me\ncapture: {s3_uri: s3://bucket/capture, input_columns: [age, sex]}\n"
LABELS = "ground_truth: {s3_uri: s3://bucket/truth}\n"
QUALITY = "model_quality: {problem_type: BinaryClassification, probability_attribute: '0'}"
CONFIG = {"label": "target", "facet": [{"name_or_index": "sex"}], "methods": {"pre_training_bias": {"methods": "all"}}}


def registry(folder: Path, monitors: str, rest: str = LABELS):
    (folder / "churn.yaml").write_text(f"{SOUND}{rest}monitors: {{{monitors}}}\n")
    return load_registry(folder)


def endpoint(folder: Path, monitors: str, rest: str = LABELS) -> EndpointSpec:
    found = registry(folder, monitors, rest)
    found.require_sound()
    return found.endpoints["churn"]


def test_model_quality_says_how_answers_are_read(tmp_path: Path) -> None:
    spec = endpoint(tmp_path, f"{QUALITY}, bias: {{facets: [{{name: sex, values_or_threshold: [0]}}]}}")
    assert (spec.watches("bias", "daily"), spec.watches("bias", "hourly")) == (True, False)
    assert spec.bias.facets[0].values_or_threshold == (0,)


@pytest.mark.parametrize(
    ("monitors", "expected"),
    [
        ("bias: {facets: [{name: sex}]}", "monitors.bias: inference_attribute or probability_attribute: say where"),
        (f"{QUALITY}, bias: {{facets: [{{name: race}}]}}", "race is not among capture.input_columns"),
        (f"{QUALITY}, bias: {{facets: [{{name: sex}}, {{name: sex}}]}}", "facets: name each column only once"),
        (f"{QUALITY}, bias: {{facets: [{{name: sex}}], intersections: [[sex, age]]}}", "intersections: age is none of"),
        (f"{QUALITY}, bias: {{facets: [{{name: sex}}], thresholds: {{DDPL: 0.1}}}}", "there is no metric DDPL; there"),
        ("bias: {analysis_config: none.json}", "analysis_config: got 'none.json'; there is no such file beside"),
        ("bias: {analysis_config: ../up.json}", "use the name of a .json file beside this one, without a folder"),
        ("explainability: {model: {live: {}, shadow: {}}}", "got shadow and live; keep one way to the model"),
        ("explainability: {shap: {agg_method: mean}}", "shap.agg_method: got 'mean'; use 'mean_abs', 'median' or"),
    ],
)
def test_faults_are_told_with_their_remedy(tmp_path: Path, monitors: str, expected: str) -> None:
    (problem,) = registry(tmp_path, monitors).problems
    assert expected in problem


def test_bias_needs_labels_and_attributions_do_not(tmp_path: Path) -> None:
    (problem,) = registry(tmp_path, "bias: {facets: [{name: sex}], inference_attribute: '0'}", "").problems
    assert "monitors.bias judges by labels; add ground_truth" in problem
    assert endpoint(tmp_path, "explainability: {}", "").watches("explainability", "daily")


def test_a_config_of_clarify_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "clarify.json").write_text(json.dumps(CONFIG))
    before = endpoint(tmp_path, "bias: {analysis_config: clarify.json}")
    assert before.bias.analysis_config == CONFIG
    (tmp_path / "clarify.json").write_text(json.dumps({**CONFIG, "label_values_or_threshold": [1]}))
    after = endpoint(tmp_path, "bias: {analysis_config: clarify.json}")
    assert before.digest("bias") != after.digest("bias"), "its content counts, not its name"
    assert before.digest("data_quality") == after.digest("data_quality")


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_what_is_no_config_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "clarify.json").write_text(content)
    (problem,) = registry(tmp_path, "bias: {analysis_config: clarify.json}").problems
    assert "put Clarify's analysis_config.json there" in problem


def test_how_answers_are_read_counts_for_bias_too(tmp_path: Path) -> None:
    section = "bias: {facets: [{name: sex}]}"
    one = endpoint(tmp_path, f"{QUALITY}, {section}")
    other = endpoint(tmp_path, f"{QUALITY.replace('0', '1')}, {section}")
    assert one.digest("bias") != other.digest("bias")
