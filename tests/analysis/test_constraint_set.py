import json
from typing import Any

import pytest

from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.constraint_set import (
    ConstraintSet,
    FeatureConstraints,
    MonitoringConfig,
    decode_constraints,
    encode_constraints,
    with_overrides,
)
from watchkeeper.errors import DocumentError

OVERRIDES = {
    "evaluate_constraints": "Disabled",
    "datatype_check_threshold": 0.9,
    "distribution_constraints": {"comparison_threshold": 0.25, "comparison_method": "Simple"},
}
READ = {
    "evaluate_constraints": False,
    "datatype_check_threshold": 0.9,
    "comparison_threshold": 0.25,
    "comparison_method": "Simple",
}


def document(feature: dict[str, Any], config: dict[str, Any] | None = None) -> bytes:
    base = {"name": "dep_delay", "inferred_type": "Fractional", "completeness": 1.0}
    return json.dumps({"version": 0.0, "features": [base | feature], "monitoring_config": config or {}}).encode()


@pytest.mark.parametrize("spelling", ["monitoringConfigOverrides", "monitoring_config_overrides"])
@pytest.mark.parametrize("place", ["feature", "num_constraints", "string_constraints"])
def test_overrides_are_read_in_both_spellings_and_all_places(spelling: str, place: str) -> None:
    feature = {spelling: OVERRIDES} if place == "feature" else {place: {spelling: OVERRIDES}}
    found = decode_constraints(document(feature))
    assert dict(found.features["dep_delay"].overrides) == READ
    config = found.config_of("dep_delay")
    assert (config.evaluate_constraints, config.comparison_threshold, config.comparison_method) == (
        False,
        0.25,
        "Simple",
    )
    assert config.categorical_comparison_threshold == MonitoringConfig().categorical_comparison_threshold
    assert found.config == MonitoringConfig()


def test_an_override_at_the_feature_wins_over_one_inside() -> None:
    inner = {"monitoring_config_overrides": {"comparison_threshold": 0.3, "datatype_check_threshold": 0.5}}
    outer = {"num_constraints": inner, "monitoringConfigOverrides": {"comparison_threshold": 0.4}}
    found = decode_constraints(document(outer)).features["dep_delay"]
    assert dict(found.overrides) == {"comparison_threshold": 0.4, "datatype_check_threshold": 0.5}


def test_overrides_survive_writing() -> None:
    found = decode_constraints(
        document({"monitoring_config_overrides": OVERRIDES, "num_constraints": {"is_non_negative": False}})
    )
    assert decode_constraints(encode_constraints(found)) == found


def test_thresholds_at_either_depth_are_read() -> None:
    flat = decode_constraints(document({}, {"comparison_threshold": 0.2}))
    nested = decode_constraints(document({}, {"distribution_constraints": {"comparison_threshold": 0.2}}))
    assert flat.config.comparison_threshold == nested.config.comparison_threshold == 0.2


def test_unknown_keys_are_ignored() -> None:
    config = {"distribution_constraints": {"enable_comparisons": True, "min_domain_mass": 1.0}, "new": {"x": 1}}
    assert decode_constraints(document({"new_field": [1]}, config)).config == MonitoringConfig()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b"{}", "features"),
        (b'\xff{"features": []}', "constraints.json"),
        (document({"inferred_type": "Decimal"}), "Decimal"),
        (document({}, {"comparison_method": "robust"}), "use one of Robust, Simple"),
        (document({}, {"comparison_threshold": "0.1"}), "use a number"),
        (document({}, {"comparison_threshold": True}), "use a number"),
        (document({}, {"evaluate_constraints": "On"}), "'Enabled' or 'Disabled'"),
        (document({"monitoring_config_overrides": {"categorical_drift_method": "PSI"}}), "LInfinity, ChiSquared"),
        (document({"completeness": "all"}), r"completeness"),
    ],
)
def test_a_document_that_is_none_says_where_and_what(data: bytes, found: str) -> None:
    with pytest.raises(DocumentError, match=found):
        decode_constraints(data)


SET = ConstraintSet(
    {
        "a": FeatureConstraints("a", InferredType.FRACTIONAL, 1.0, True, None, {"comparison_threshold": 0.5}),
        "b": FeatureConstraints("b", InferredType.STRING, 0.9, None, ("x",)),
    }
)


def test_the_registry_wins_over_the_document() -> None:
    found = with_overrides(SET, {"comparison_threshold": 0.2}, {})
    assert found.config_of("a").comparison_threshold == 0.2
    assert found.config_of("b").comparison_threshold == 0.2


def test_a_feature_in_the_registry_wins_over_everything() -> None:
    features = {"a": {"comparison_threshold": 0.7, "completeness": 0.95}, "not there": {"completeness": 0.1}}
    found = with_overrides(SET, {"comparison_threshold": 0.2}, features)
    assert found.config_of("a").comparison_threshold == 0.7
    assert found.features["a"].completeness == 0.95
    assert found.config_of("b").comparison_threshold == 0.2
    assert set(found.features) == {"a", "b"}
    assert found.features["b"].completeness == 0.9


def test_what_the_registry_does_not_name_stays() -> None:
    found = with_overrides(SET, {"datatype_check_threshold": 0.9}, {"b": {"evaluate_constraints": False}})
    assert found.config_of("a").comparison_threshold == 0.5
    assert (found.config_of("a").evaluate_constraints, found.config_of("b").evaluate_constraints) == (True, False)
    assert with_overrides(SET, {}, {}) == SET


def test_features_can_be_left_out() -> None:
    assert list(SET.without(["a", "unknown"]).features) == ["b"]
