"""What rows are explained against: stated rows or prototypes, in the data's own names and types."""

import numpy as np
import polars as pl
import pytest
import shap

from watchkeeper.analysis.shap_background import (
    background_of,
    decode_background,
    encode_background,
)
from watchkeeper.analysis.shap_settings import ShapSettings
from watchkeeper.errors import DocumentError

DATA = pl.DataFrame(
    {
        "age": [20, 30, 40, 50],
        "town": ["b", None, "a", "b"],
        "rate": [0.1, 0.2, None, 0.4],
        "new": [True, False, True, None],
    }
)


def test_stated_rows_get_the_datas_names_and_types() -> None:
    found = background_of(ShapSettings(baseline=((39, "c", 1, False), (40, None, None, None))), DATA)
    assert found.rows.to_dicts() == [
        {"age": 39, "town": "c", "rate": 1.0, "new": False},
        {"age": 40, "town": None, "rate": None, "new": None},
    ]
    assert found.rows.schema == DATA.schema
    assert found.weights.tolist() == [0.5, 0.5]


def test_a_mean_age_is_a_good_baseline_of_ages_and_a_number_may_name_a_town() -> None:
    found = background_of(ShapSettings(baseline=((39.5, 7, "0.3", True),)), DATA)
    assert found.rows.rows() == [(39.5, "7", 0.3, True)]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ((1, "a", 2), "3 values, where the data have 4 features"),
        (("old", "a", "high", True), "text where the data have numbers: age, rate"),
        ((1, "a", 2, "perhaps"), "numbers: new"),
    ],
)
def test_rows_of_other_features_are_refused(row: tuple[str | int, ...], found: str) -> None:
    with pytest.raises(DocumentError, match=found):
        background_of(ShapSettings(baseline=(row,)), DATA)


def test_prototypes_are_shaps_with_their_weights() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, (30, 3)), rng.normal(9, 1, (10, 3))]).round(2)
    found = background_of(ShapSettings(num_clusters=2), pl.DataFrame(values, schema=["a", "b", "c"]))
    theirs = shap.kmeans(values, 2)
    assert found.rows.to_numpy().tolist() == theirs.data.tolist()
    assert found.weights.tolist() == theirs.weights.tolist()
    assert sorted(found.weights.tolist()) == [0.25, 0.75]


def test_prototypes_of_mixed_columns_are_values_that_occur() -> None:
    data = pl.concat([DATA] * 5).with_columns(pl.lit(None, pl.Float64).alias("nothing"))
    found = background_of(ShapSettings(num_clusters=3), data)
    assert found.rows.schema == data.schema
    assert set(found.rows["town"]) <= set(DATA["town"])
    assert set(found.rows["age"]) <= set(DATA["age"])
    assert found.rows["nothing"].null_count() == 3
    assert found.weights.sum() == pytest.approx(1.0)


def test_there_are_no_more_prototypes_than_different_rows() -> None:
    assert len(background_of(ShapSettings(num_clusters=50), pl.concat([DATA] * 3)).rows) == 4
    assert len(background_of(ShapSettings(), DATA).rows) == 1


def test_nothing_to_cluster_is_told() -> None:
    with pytest.raises(DocumentError, match="no data to find prototypes in"):
        background_of(ShapSettings(), DATA.clear())


def test_a_background_is_kept_as_it_is() -> None:
    kept = background_of(ShapSettings(num_clusters=3), DATA)
    again = decode_background(encode_background(kept))
    assert again.rows.equals(kept.rows)
    assert again.rows.schema == kept.rows.schema
    assert again.weights.tolist() == kept.weights.tolist()


@pytest.mark.parametrize("data", [b"", b"no parquet at all"])
def test_other_bytes_are_no_background(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"kept\.parquet: this is no background"):
        decode_background(data, "kept.parquet")


def test_another_table_is_no_background(tmp_path: object) -> None:
    import io

    buffer = io.BytesIO()
    DATA.write_parquet(buffer)
    with pytest.raises(DocumentError, match="this is no background"):
        decode_background(buffer.getvalue())
