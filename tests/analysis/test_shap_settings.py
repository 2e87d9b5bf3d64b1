"""Clarify's options: read as they are, faults told at once."""

import pytest

from watchkeeper.analysis.shap_settings import Aggregation, ShapSettings
from watchkeeper.errors import DocumentError


def test_clarifys_options_are_read_by_their_names() -> None:
    found = ShapSettings.from_config(
        {
            "baseline": [["yes", 3, 0.9, None], ["no", 1, 0.2, True]],
            "num_samples": 1000,
            "agg_method": "mean_sq",
            "use_logit": True,
            "seed": 1234,
            "features_to_explain": ["age", 2],
            "save_local_shap_values": True,
            "text_config": {"granularity": "token"},
        }
    )
    assert found == ShapSettings(
        baseline=(("yes", 3, 0.9, None), ("no", 1, 0.2, True)),
        num_samples=1000,
        agg_method=Aggregation.MEAN_SQ,
        use_logit=True,
        seed=1234,
        features_to_explain=("age", 2),
        save_local_shap_values=True,
    )


def test_nothing_said_is_clarifys_defaults_and_a_seed() -> None:
    assert ShapSettings.from_config({}) == ShapSettings()
    assert ShapSettings.from_config({"seed": None, "num_clusters": 5}) == ShapSettings(num_clusters=5)
    assert (ShapSettings().agg_method, ShapSettings().seed, ShapSettings().use_logit) == ("mean_abs", 0, False)


def test_a_single_row_stands_for_a_list_of_one() -> None:
    assert ShapSettings.from_config({"baseline": [1, 2.5]}).baseline == ((1, 2.5),)


@pytest.mark.parametrize(
    ("baseline", "path"),
    [
        ({"instances": [{"features": [9, "a"]}, {"features": [11, "b"]}]}, "instances[*].features"),
        ([{"data": {"features": [9, "a"]}, "label": 0}, {"data": {"features": [11, "b"]}}], "data.features"),
        ([{"age": 9, "town": "a"}, {"town": "b", "age": 11}], None),
    ],
    ids=["document", "lines", "objects"],
)
def test_a_baseline_of_documents_is_read_as_the_dataset_is(baseline: object, path: str | None) -> None:
    found = ShapSettings.from_config({"baseline": baseline}, features=path)
    assert found.baseline == (("9", "a"), ("11", "b"))


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"agg_method": "mean"}, "agg_method: got 'mean'; use one of mean_abs, median, mean_sq"),
        ({"num_samples": 0}, "num_samples: got 0"),
        ({"num_samples": 2.5}, "num_samples: got 2.5; use a whole number"),
        ({"num_clusters": True}, "num_clusters: got True"),
        ({"num_clusters": 0}, "num_clusters: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"use_logit": "yes"}, "use_logit: got 'yes'; use true or false"),
        ({"baseline": "s3://bucket/rows.csv"}, "baseline: no list of rows"),
        ({"baseline": [[1, {"a": 2}]]}, "baseline: a value is neither text nor a number"),
        ({"baseline": []}, "baseline has no row"),
        ({"baseline": {"instances": [[1]]}}, "baseline: nested JSON"),
        ({"baseline": [[1, 2], [1]]}, "baseline rows differ in length"),
        ({"baseline": [[1]], "num_clusters": 3}, "exclude each other"),
        ({"features_to_explain": "age"}, "features_to_explain: no list"),
        ({"features_to_explain": []}, "features_to_explain is empty"),
    ],
)
def test_a_fault_is_told_with_what_to_do(config: dict[str, object], found: str) -> None:
    with pytest.raises(DocumentError, match=r"^methods\.shap: ") as caught:
        ShapSettings.from_config(config)
    assert found in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(DocumentError) as caught:
        ShapSettings.from_config({"agg_method": "mean", "seed": "x", "use_logit": 1})
    assert all(word in caught.value.found for word in ("agg_method", "seed", "use_logit"))
