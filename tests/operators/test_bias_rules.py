"""What an endpoint's file says about bias: its own section first, then Clarify's config, then model quality's."""

import pytest

from tests.operators.labelled_world import BIAS
from watchkeeper.analysis.bias_definition import Facet
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.errors import DatasetError, DocumentError
from watchkeeper.operators.bias_rules import bias_attributes, bias_rules, dataset_attributes
from watchkeeper.registry.baseline_spec import BiasBaselineSpec

CAPTURE = {"s3_uri": "s3://bucket/capture", "input_columns": ["sex", "amount"], "output_columns": ["loan", "p"]}
QUALITY = {
    "problem_type": "BinaryClassification",
    "probability_attribute": "p",
    "probability_threshold": 0.7,
    "ground_truth_attribute": "truth",
    "positive_label": "yes",
    "negative_label": "no",
}
CONFIG = {
    "dataset_type": "text/csv",
    "headers": ["truth", "sex", "amount"],
    "label": "truth",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": ["f"]}],
    "group_variable": "amount",
    "methods": {"pre_training_bias": {"methods": ["DPL"]}, "post_training_bias": {"methods": ["DPPL"]}},
    "predictor": {"label": "loan"},
}


@pytest.fixture
def spec(place):
    def made(bias, **monitors):
        place.endpoint(
            capture=CAPTURE, ground_truth={"s3_uri": "s3://bucket/truth"}, monitors={"bias": bias, **monitors}
        )
        return place.deployment.registry.require("flights")

    return made


def test_its_own_section_says_everything(spec):
    found = bias_attributes(spec({**BIAS, "group_variable": "amount"}, model_quality=QUALITY))
    assert found.facets == (Facet("sex", ("f",)),)
    assert (found.label_values_or_threshold, found.group_variable) == ((1,), "amount")
    assert (found.inference_attribute, found.probability_attribute) == ("loan", None)
    assert (found.ground_truth_attribute, found.input_columns) == ("truth", ("sex", "amount"))


def test_what_it_does_not_say_is_model_qualitys(spec):
    found = bias_attributes(spec({"facets": BIAS["facets"]}, model_quality=QUALITY))
    assert (found.inference_attribute, found.probability_attribute, found.probability_threshold) == (None, "p", 0.7)
    assert (found.label_values_or_threshold, found.ground_truth_attribute) == (("yes",), "truth")


def test_an_answer_of_its_own_is_no_mixture_with_model_qualitys(spec):
    bias = {"facets": BIAS["facets"], "inference_attribute": "loan"}
    found = bias_attributes(spec(bias, model_quality=QUALITY))
    assert (found.inference_attribute, found.probability_attribute, found.probability_threshold) == ("loan", None, 0.5)


def test_clarifys_config_stands_in_for_what_is_left_out(spec):
    found = bias_attributes(spec({"analysis_config": CONFIG}))
    assert (found.facets, found.label_values_or_threshold) == ((Facet("sex", ("f",)),), (1,))
    assert (found.group_variable, found.inference_attribute) == ("amount", "loan")
    assert (found.pre_training, found.post_training) == (("DPL",), ("DPPL",))
    won = bias_attributes(spec({"analysis_config": CONFIG, "label_values_or_threshold": [2]}))
    assert won.label_values_or_threshold == (2,)


def test_a_config_that_does_not_say_where_answers_stand_leaves_it_to_model_quality(spec):
    config = {name: value for name, value in CONFIG.items() if name != "predictor"}
    found = bias_attributes(spec({"analysis_config": config}, model_quality=QUALITY | {"ground_truth_attribute": "y"}))
    assert (found.inference_attribute, found.probability_attribute, found.probability_threshold) == (None, "p", 0.7)
    assert (found.ground_truth_attribute, found.label_values_or_threshold) == ("y", (1,))
    with pytest.raises(DocumentError, match=r"monitors\.bias: nothing says where predictions stand"):
        bias_attributes(spec({"analysis_config": config}))


def test_a_column_of_the_datasets_labels_is_not_looked_for_in_the_ground_truth(spec):
    assert bias_attributes(spec({"analysis_config": CONFIG})).ground_truth_attribute is None
    json = CONFIG | {"dataset_type": "application/json", "label": "rows[*].truth", "headers": ["sex", "amount", "y"]}
    assert bias_attributes(spec({"analysis_config": json})).ground_truth_attribute == "rows[*].truth"


def test_intersections_of_what_the_config_has_no_facet_for_are_told(spec):
    with pytest.raises(DocumentError, match=r"flights: monitors\.bias: an intersection of age, which are no facets"):
        bias_attributes(spec({"analysis_config": CONFIG, "intersections": [["sex", "age"]]}))


def test_a_field_of_the_output_is_no_column_of_a_dataset(spec):
    known = spec({"facets": BIAS["facets"]}, model_quality=QUALITY | {"probability_attribute": "1"})
    with pytest.raises(DatasetError, match=r"field 1 of the output.*baseline\.bias\.inference_attribute"):
        dataset_attributes(known, BiasBaselineSpec(dataset="s3://bucket/x.csv"))
    named = BiasBaselineSpec(dataset="s3://bucket/x.csv", probability_attribute="score")
    assert dataset_attributes(known, named).probability_attribute == "score"


def test_a_config_that_cannot_be_read_is_named_with_all_its_faults(spec):
    broken = {"dataset_type": "text/csv", "methods": {"pre_training_bias": {"methods": ["XYZ"]}}, "facet": 3}
    with pytest.raises(DocumentError, match=r"flights: monitors\.bias\.analysis_config: "):
        bias_attributes(spec({"analysis_config": broken}))


def test_a_datasets_columns_are_those_of_its_source(spec):
    known = spec({**BIAS, "features_attribute": "instances[*]"}, model_quality=QUALITY)
    same = dataset_attributes(known, BiasBaselineSpec(dataset="s3://bucket/x.csv"))
    assert (same.inference_attribute, same.ground_truth_attribute) == ("loan", "label")
    assert (same.input_columns, same.features_attribute) == (None, None)
    other = BiasBaselineSpec(dataset="s3://bucket/x.csv", probability_attribute="score", ground_truth_attribute="y")
    found = dataset_attributes(known, other)
    assert (found.inference_attribute, found.probability_attribute) == (None, "score")
    assert (found.ground_truth_attribute, found.facets) == ("y", same.facets)


def test_its_rules_are_those_of_the_file(spec):
    said = {"dialect": "compatible", "minimum_group_rows": 7, "tolerance": 0.1, "thresholds": {"DI": 0.3, "FT": None}}
    found = bias_rules(spec({**BIAS, **said}))
    assert (found.dialect, found.minimum_rows, found.minimum_group_rows) == (Dialect.COMPATIBLE, 50, 7)
    assert (found.tolerance, dict(found.thresholds)) == (0.1, {"DI": 0.3, "FT": None})
