"""Clarify's configuration as it is: what it says of bias, and all its faults at once."""

import json

import pytest

from watchkeeper.analysis.bias_definition import POST_TRAINING_METRICS, Facet
from watchkeeper.analysis.clarify_config import read_clarify_config
from watchkeeper.errors import DocumentError

CSV = {
    "dataset_type": "text/csv",
    "headers": ["age", "sex", "income", "answer", "row"],
    "label": "income",
    "predicted_label": "answer",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": [0]}, {"name_or_index": 0, "value_or_threshold": [40]}],
    "group_variable": "age",
    "joinsource_name_or_index": "row",
    "probability_threshold": 0.7,
    "methods": {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": ["DCAcc", "DI"]}},
}


def test_a_csv_configuration_becomes_attributes() -> None:
    attributes = read_clarify_config(CSV).bias_attributes()
    assert attributes.input_columns == ("age", "sex", "row")
    assert attributes.facets == (Facet("sex", (0,)), Facet("0", (40,)))
    assert attributes.excluded_columns == ("row",)
    assert (attributes.ground_truth_attribute, attributes.inference_attribute) == ("income", "answer")
    assert (attributes.label_name, attributes.probability_threshold) == ("income", 0.7)
    assert attributes.post_training == ("DCA", "DI")
    assert len(attributes.pre_training) == 8


def test_a_column_may_be_given_by_its_index() -> None:
    config = read_clarify_config(json.dumps(CSV | {"label": 2, "predicted_label": 3}).encode())
    assert config.input_columns == ("age", "sex", "row")
    assert config.label_header == "income"


def test_in_json_the_last_header_is_the_label_and_features_have_a_path() -> None:
    document = CSV | {
        "dataset_type": "application/jsonlines",
        "headers": ["age", "sex", "income"],
        "label": "label",
        "features": "features",
        "predicted_label": None,
        "joinsource_name_or_index": None,
    }
    attributes = read_clarify_config(document).bias_attributes(inference_attribute="predictions[*].label")
    assert (attributes.input_columns, attributes.label_name) == (("age", "sex"), "income")
    assert (attributes.features_attribute, attributes.ground_truth_attribute) == ("features", "label")
    assert attributes.post_training_metrics == ("DCA", "DI")
    assert len(POST_TRAINING_METRICS) == 13


def test_one_facet_may_stand_alone_and_have_no_values() -> None:
    assert read_clarify_config(CSV | {"facet": {"name_or_index": "sex"}}).facets == (Facet("sex"),)


def test_what_other_methods_need_stays_as_it_stands() -> None:
    config = read_clarify_config({"methods": {"shap": {"num_samples": 5}}, "predictor": {"model_name": "m"}})
    assert (config.shap, config.predictor) == ({"num_samples": 5}, {"model_name": "m"})
    assert not config.asks_for_bias
    with pytest.raises(DocumentError, match="neither pre_training_bias nor post_training_bias"):
        config.bias_attributes()


def test_all_faults_are_told_at_once() -> None:
    document = {
        "dataset_type": "image",
        "headers": ["a", "a"],
        "facet": [{"name": "sex"}, 7],
        "group_variable": -1,
        "label_values_or_threshold": [{}],
        "probability_threshold": 2,
        "methods": {"pre_training_bias": {"methods": ["XX"]}, "post_training_bias": {}, "shap": []},
        "predictor": "model",
    }
    with pytest.raises(DocumentError) as caught:
        read_clarify_config(document, "s3://b/analysis_config.json")
    told = str(caught.value)
    assert told.startswith("s3://b/analysis_config.json: 11 faults")
    for part in (
        "dataset_type is not one of text/csv",
        "headers is not a list of different names",
        "facet[0].name_or_index is not a column's name or index",
        "facet[1] is not an object",
        "group_variable is not",
        "label_values_or_threshold is not a list of plain values",
        "probability_threshold is not a number from 0 to 1",
        "methods.pre_training_bias.methods is not a list of known metrics: XX",
        "methods.shap is not an object",
        "predictor is not an object",
        "label is missing, which bias needs",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"{", "it is no JSON"),
        (b"[]", "it is no JSON object"),
        (b"{}", "methods is missing"),
        (
            b'{"methods": {"pre_training_bias": {}}, "label": "", "facet": [], "label_values_or_threshold": []}',
            "3 faults",
        ),
    ],
)
def test_what_is_no_configuration_is_told_apart(body: bytes, found: str) -> None:
    with pytest.raises(DocumentError, match=found):
        read_clarify_config(body)
