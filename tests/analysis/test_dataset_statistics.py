import json

import pytest

from tests.analysis.capture_samples import state_of_columns
from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.constraint_set import MonitoringConfig
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_statistics import LOW_CARDINALITY, decode_statistics, encode_statistics, statistics_of
from watchkeeper.errors import DocumentError

STATE = state_of_columns(
    count=[1, -2, 3, None],
    share=[0.5, 1.5, None, None],
    colour=["red", "red", None, "blue"],
    flag=["true", "false", "true", "true"],
    empty=[None] * 4,
)


def test_statistics_follow_from_the_state() -> None:
    features = statistics_of(STATE).features
    kinds = [feature.inferred_type.value for feature in features.values()]
    assert kinds == ["Integral", "Fractional", "String", "Boolean", "Unknown"]
    assert [feature.completeness for feature in features.values()] == [0.75, 0.5, 0.75, 1.0, 0.0]
    count = features["count"].numerical
    assert count is not None
    assert (count.mean, count.total, count.minimum, count.maximum, count.distinct_count) == (2 / 3, 2.0, -2.0, 3.0, 3)
    colour = features["colour"].string
    assert colour is not None
    assert list((colour.categories or {}).items()) == [("blue", 1), ("red", 2)]
    assert features["colour"].numerical is features["count"].string is None


def test_a_mixed_column_is_text_whatever_numbers_it_holds() -> None:
    mixed = statistics_of(state_of_columns(x=["1", "2", "V27"])).features["x"]
    assert mixed.inferred_type is InferredType.STRING
    assert mixed.numerical is None
    assert mixed.string is not None
    assert mixed.string.categories == {"1": 1, "2": 1, "V27": 1}


@pytest.mark.parametrize(("distinct", "written"), [(90, True), (250, False)])
def test_categories_are_written_for_few_estimated_values(distinct: int, written: bool) -> None:
    strings = statistics_of(state_of_columns(x=[f"v{i % distinct}" for i in range(1000)])).features["x"].string
    assert strings is not None
    assert (strings.categories is not None) is written
    assert (strings.distinct_count <= LOW_CARDINALITY) is written


def test_a_document_comes_back_whole() -> None:
    data = encode_statistics(statistics_of(STATE))
    assert encode_statistics(decode_statistics(data)) == data


def test_older_documents_lack_fields() -> None:
    document = json.loads(encode_statistics(statistics_of(STATE)))
    del document["features"][0]["numerical_statistics"]["approximate_num_distinct_values"]
    del document["features"][0]["numerical_statistics"]["distribution"]
    document["features"][1]["numerical_statistics"]["mean"] = "NaN"
    del document["features"][2]["string_statistics"]["distribution"]
    found = decode_statistics(json.dumps(document).encode()).features
    assert found["count"].numerical is not None
    assert (found["count"].numerical.distinct_count, found["count"].numerical.quantiles) == (None, None)
    assert found["share"].numerical is not None
    assert found["share"].numerical.mean != found["share"].numerical.mean
    assert found["colour"].string is not None
    assert found["colour"].string.categories is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"secret",
        b'{"features": [{"name": "a"}]}',
        b'{"features": [{"name": "a", "inferred_type": "Odd"}]}',
    ],
)
def test_other_documents_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"baseline/statistics\.json") as caught:
        decode_statistics(data, "baseline/statistics.json")
    assert "Expected Model Monitor's statistics.json" in caught.value.remedy


def test_constraints_are_the_observed_facts_without_a_margin() -> None:
    features = suggest_constraints(statistics_of(STATE)).features
    assert [feature.completeness for feature in features.values()] == [0.75, 0.5, 0.75, 1.0, 0.0]
    assert [feature.is_non_negative for feature in features.values()] == [False, True, None, None, None]
    domains = [feature.domains for feature in features.values()]
    assert domains == [None, None, ("blue", "red"), ("false", "true"), None]
    assert all(not feature.overrides for feature in features.values())


def test_the_configuration_may_be_given() -> None:
    config = MonitoringConfig(categorical_drift_method="ChiSquared")
    assert suggest_constraints(statistics_of(STATE), config).config is config
    assert suggest_constraints(statistics_of(STATE)).config == MonitoringConfig()
