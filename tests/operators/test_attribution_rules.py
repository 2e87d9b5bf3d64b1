"""What an endpoint's file says about attributions: its own sections first, then Clarify's config."""

import pytest

from watchkeeper.analysis.capture_records import Payload
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.shap_settings import Aggregation
from watchkeeper.errors import DocumentError
from watchkeeper.operators.attribution_rules import (
    attribution_rules,
    feature_reader,
    input_columns,
    label_headers,
    request_format,
    shap_settings,
)
from watchkeeper.operators.explained_model import declared_shadow

CONFIG = {
    "dataset_type": "text/csv",
    "headers": ["y", "a", "b"],
    "label": "y",
    "methods": {"shap": {"baseline": [[1, 2]], "agg_method": "median", "seed": 5, "num_samples": 40}},
    "predictor": {"model_name": "m", "instance_type": "ml.c5.large", "initial_instance_count": 2},
}


@pytest.fixture
def spec(place):
    def made(*, columns=("a", "b"), **explained):
        capture = {"s3_uri": "s3://bucket/capture"} | ({"input_columns": list(columns)} if columns else {})
        place.endpoint(capture=capture, monitors={"explainability": explained})
        return place.deployment.registry.require("flights")

    return made


def test_without_anything_said_it_is_clarifys_defaults(spec):
    known = spec()
    settings = shap_settings(known)
    assert (settings.baseline, settings.num_clusters, settings.agg_method) == (None, 10, Aggregation.MEAN_ABS)
    assert (request_format(known).content_type, label_headers(known), declared_shadow(known)) == (
        "text/csv",
        None,
        None,
    )
    rules = attribution_rules(known)
    assert (rules.dialect, rules.ndcg_threshold, rules.minimum_rows) == (Dialect.EXACT, 0.9, 30)


def test_its_own_sections_say_everything(spec):
    shap = {"baseline": [[1, 2], [3, 4]], "agg_method": "mean_sq", "use_logit": True, "seed": 3}
    request = {"label_headers": ["leaves", "stays"]}
    known = spec(shap=shap, request=request, ndcg_threshold=0.8, local_values=True, dialect="compatible")
    settings = shap_settings(known)
    assert (settings.baseline, settings.num_clusters) == (((1, 2), (3, 4)), None)
    assert (settings.use_logit, settings.save_local_shap_values) == (True, True)
    assert label_headers(known) == ("leaves", "stays")
    rules = attribution_rules(known)
    assert (rules.agg_method, rules.seed, rules.ndcg_threshold) == (Aggregation.MEAN_SQ, 3, 0.8)
    assert rules.dialect is Dialect.COMPATIBLE


def test_clarifys_config_stands_in_for_sections_that_are_left_out(spec):
    known = spec(columns=None, analysis_config=CONFIG)
    settings = shap_settings(known)
    assert (settings.num_samples, settings.agg_method, settings.seed) == (40, Aggregation.MEDIAN, 5)
    assert input_columns(known) == ("a", "b")
    shadow = declared_shadow(known)
    assert (shadow.model_name, shadow.instance_type, shadow.instance_count) == ("m", "ml.c5.large", 2)
    own = spec(columns=None, analysis_config=CONFIG, shap={"seed": 9}, model={"live": {}})
    assert (shap_settings(own).seed, shap_settings(own).num_samples, declared_shadow(own)) == (9, None, None)


def test_a_config_or_a_template_that_cannot_be_used_is_named(spec):
    with pytest.raises(DocumentError, match=r"flights: monitors\.explainability\.analysis_config: "):
        shap_settings(spec(analysis_config={**CONFIG, "methods": {"shap": {"agg_method": "most"}}}))
    with pytest.raises(DocumentError, match=r"flights: monitors\.explainability\.request: "):
        request_format(spec(request={"content_type": "application/json"}))


@pytest.mark.parametrize(
    ("columns", "path", "body", "encoding"),
    [
        (("a", "b"), None, "1,2\n", "CSV"),
        (None, None, "1,2\n", "CSV"),
        (("a", "b"), "instances[*].features", '{"instances": [{"features": [1, 2]}]}', "JSON"),
        (("a", "b"), None, '{"b": 2, "a": 1}', "JSON"),
    ],
)
def test_features_are_read_as_captures_hold_them(spec, columns, path, body, encoding):
    reader = feature_reader(spec(columns=columns, features_attribute=path), ("a", "b"))
    assert [list(row) for row in reader.rows(Payload(body, encoding))] == [["1", "2"]]
    assert reader.names == ("a", "b")
