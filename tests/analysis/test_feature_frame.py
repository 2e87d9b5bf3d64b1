"""Texts become numbers where all of a column are, and stay what they are otherwise."""

import polars as pl
import pytest

from watchkeeper.analysis.feature_frame import feature_frame


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", None], pl.Int64, [1, -2, None]),
        (["1", "2.50", "1e3"], pl.Float64, [1.0, 2.5, 1000.0]),
        (["true", None, "false"], pl.Boolean, [True, None, False]),
        (["1", "true"], pl.String, ["1", "true"]),
        (["007", "8"], pl.String, ["007", "8"]),
        (["0", "0.5"], pl.Float64, [0.0, 0.5]),
        (["1", "many"], pl.String, ["1", "many"]),
        (["nan"], pl.String, ["nan"]),
        (["99999999999999999999"], pl.Float64, [1e20]),
        ([None, None], pl.String, [None, None]),
        (["1\n"], pl.String, ["1\n"]),
    ],
)
def test_a_column_gets_the_type_that_all_its_values_have(
    cells: list[str | None], kind: pl.DataType, values: list[object]
) -> None:
    frame = feature_frame([[cell] for cell in cells], ("x",))
    assert (frame.schema["x"], frame["x"].to_list()) == (kind, values)


def test_no_rows_are_columns_without_values() -> None:
    frame = feature_frame([], ("a", "b"))
    assert (frame.columns, len(frame)) == (["a", "b"], 0)
