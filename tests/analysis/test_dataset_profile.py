"""Datasets for a baseline: CSV, JSON Lines, Parquet and frames, sound and broken."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.dataset_profile import profile_csv, profile_frame, profile_json_lines, profile_parquet
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.state_file import encode_state
from watchkeeper.errors import DatasetError

Counts = dict[str, tuple[int, dict[str, int]]]


def csv(data: str | bytes, **options) -> DatasetState:
    return profile_csv([CaptureFile("data.csv", [data if isinstance(data, bytes) else data.encode()])], **options)


def json_lines(data: str, **options) -> DatasetState:
    return profile_json_lines([CaptureFile("data.jsonl", [data.encode()])], **options)


def counts(state: DatasetState) -> Counts:
    return {name: (column.missing, dict(column.categories or {})) for name, column in state.columns.items()}


PLAIN: Counts = {"a": (0, {"1": 1, "3": 1}), "b": (1, {"x": 1})}


@pytest.mark.parametrize(
    "data",
    [
        "a,b\n1,x\n3,\n", "a,b\n1,x\n3,", "a,b\r\n1,x\r\n3,\r\n", "\ufeffa,b\n1,x\n3,\n", "a,b\n1,x\n\n3,\n\n",
        "\na,b\n1,x\n3,\n", '"a","b"\n"1","x"\n"3",""\n', '"a","b"\r\n"1","x"\r\n"3",""\r\n',
        gzip.compress(b"a,b\n1,x\n3,\n", mtime=0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block_bytes", [1 << 20, 4])
def test_csv_of_all_makers_is_the_same(data: str | bytes, block_bytes: int) -> None:
    state = csv(data, block_bytes=block_bytes)
    assert (state.row_count, counts(state)) == (2, PLAIN)


def test_names_without_a_header_are_sparks_unless_given() -> None:
    assert list(csv("1,x\n3,\n", header=False).columns) == ["_c0", "_c1"]
    assert list(csv("1,x\n3,\n", header=False, columns=["a", "b"]).columns) == ["a", "b"]
    assert list(csv("a,,c\n1,2,3\n").columns) == ["a", "_c1", "c"]


def test_quotes_hold_commas_and_line_ends_in_the_header_too() -> None:
    state = csv('"a ""x"", y","line\nend"\n"1,5","two\nlines"\n', block_bytes=5)
    assert counts(state) == {'a "x", y': (0, {"1,5": 1}), "line\nend": (0, {"two\nlines": 1})}


def test_a_column_of_its_own_has_no_blank_rows_in_any_blocks() -> None:
    for block_bytes in (1 << 20, 2, 3):
        assert counts(csv("a\n1\n\n2\n\n\n", block_bytes=block_bytes)) == {"a": (0, {"1": 1, "2": 1})}


def test_several_files_are_read_in_their_order() -> None:
    files = [CaptureFile(name, [data]) for name, data in (("1", b"a\n1\n"), ("2", b"a\n2\n3\n"))]
    quantiles = profile_csv(files).columns["a"].quantiles
    assert quantiles is not None
    assert quantiles.levels[0].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("", "no row"),
        ("a,b\n", "no row"),
        ("a,a\n1,2\n", "columns named twice: a"),
        ("a,b\n1,2\n3\n", "row 2 has 1 fields, expected 2"),
        ("a,b\n1,2\n3,4,5\n", "row 2 has 3 fields, expected 2"),
        ("a,b\n1\n2\n", "fields"),
        ("a,b\n1,2,3\n", "fields"),
        ('a,b\n1,"secret\n', "quoting"),
        ('a,"b\n1,2\n', "header"),
        ("a,b\n1,é\n".encode("latin-1"), "not UTF-8"),
        (gzip.compress(b"a,b\n1,2\n" * 200, mtime=0)[:-10], "truncated"),
    ],
)
def test_broken_csv_says_what_where_and_what_to_do(data: str | bytes, found: str) -> None:
    with pytest.raises(DatasetError, match=found) as caught:
        csv(data)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


def test_files_with_different_headers_are_refused() -> None:
    with pytest.raises(DatasetError, match="not those before it"):
        profile_csv([CaptureFile("1", [b"a,b\n1,2\n"]), CaptureFile("2", [b"b,a\n1,2\n"])])


def test_json_lines_are_joined_by_key() -> None:
    state = json_lines('{"a": 1, "b": "x"}\n\n{"b": null, "a": 3}\n', block_bytes=10)
    assert (state.row_count, counts(state)) == (2, PLAIN)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ('{"a": 1}\nsecret\n', "line 2"),
        ('{"a": 1}\n\n[1, 2]\n', "line 3: an array"),
        ('{"a": {"secret": 1}}\n', "line 1: nested"),
        ('{"a": 1}\n{}\n', "line 2: an empty object"),
        ("", "no row"),
    ],
)
@pytest.mark.parametrize("block_bytes", [1 << 20, 3])
def test_broken_json_lines_name_the_line(data: str, found: str, block_bytes: int) -> None:
    with pytest.raises(DatasetError, match=found) as caught:
        json_lines(data, block_bytes=block_bytes)
    assert "secret" not in str(caught.value)


FRAME = pl.DataFrame(
    {
        "count": [1, None, 3],
        "share": [0.5, float("nan"), 2.0],
        "text": ["x", "", None],
        "flag": [True, None, False],
        "größe \"/'": ["é", "日本", "é"],
    }
)
FRAME_COUNTS: Counts = {
    "count": (1, {"1": 1, "3": 1}),
    "share": (1, {"0.5": 1, "2.0": 1}),
    "text": (2, {"x": 1}),
    "flag": (1, {"true": 1, "false": 1}),
    "größe \"/'": (0, {"é": 2, "日本": 1}),
}


def test_a_polars_frame() -> None:
    state = profile_frame(FRAME)
    assert counts(state) == FRAME_COUNTS
    kinds = [column.inferred_type for column in state.columns.values()]
    assert kinds == [
        InferredType.INTEGRAL,
        InferredType.FRACTIONAL,
        InferredType.STRING,
        InferredType.BOOLEAN,
        InferredType.STRING,
    ]


def test_parquet_is_its_frame(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "data.parquet")
    with (tmp_path / "data.parquet").open("rb") as file:
        for source in (tmp_path / "data.parquet", io.BytesIO(file.read())):
            assert encode_state(profile_parquet([source])) == encode_state(profile_frame(FRAME))


@pytest.mark.parametrize("backend", ["numpy", "pandas"])
def test_a_pandas_frame(backend: str) -> None:
    frame = pd.DataFrame(
        {
            "count": pd.array([1, None, 3], dtype="Int64"),
            "share": [0.5, float("nan"), 2.0],
            "text": ["x", "", None],
            "flag": pd.array([True, None, False], dtype="boolean"),
            "größe \"/'": ["é", "日本", "é"],
        },
        index=[7, 7, 9],
    )
    frame = frame.convert_dtypes() if backend == "pandas" else frame
    found = counts(profile_frame(frame))
    if backend == "pandas":  # whose conversion takes 2.0 for a fraction, too
        found["share"] = (found["share"][0], {str(float(text)): count for text, count in found["share"][1].items()})
    assert found == FRAME_COUNTS


def test_other_columns_of_pandas() -> None:
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["u", "v", None]),
            "time": pd.to_datetime(["2026-11-20T05:00", None, "2026-11-20T06:00"]),
            "objects": [1, 2.5, None],
            "mixed": ["1", 2, None],
            "half": np.array([1.5, 2.0, np.nan], dtype=np.float16),
            "big": [2**70, 1, 1],
        }
    )
    found = {name: missing for name, (missing, _) in counts(profile_frame(frame)).items()}
    assert found == {"category": 1, "time": 1, "objects": 1, "mixed": 1, "half": 1, "big": 0}


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2, None], ["1", "2"]),
        (np.array([-3, 0, np.nan], dtype=np.float32), ["-3", "0"]),
        ([1.0, 2.0], ["1.0", "2.0"]),
        ([1.0, 2.5, None], ["1.0", "2.5"]),
        ([1.0, float("inf"), None], ["1.0", "inf"]),
        ([2.0**70, None], ["1.1805916207174113e+21"]),
        ([float("nan")] * 2, []),
    ],
)
def test_integers_that_a_gap_made_floats_are_integers_again(values, texts: list[str]) -> None:
    (missing, categories), *_ = counts(profile_frame(pd.DataFrame({"a": values}))).values()
    assert (sorted(categories), missing) == (sorted(texts), len(values) - len(texts))


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (pd.DataFrame({"a": []}), "no row"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "columns named twice: a"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "columns named twice: 1"),
        (pd.DataFrame({"a": [[1, 2]]}), "nested"),
        (pl.DataFrame({"a": [[1, 2]]}), "nested columns: a"),
        (pl.DataFrame({"a": [{"secret": 1}]}), "nested columns: a"),
        (pl.DataFrame({"a": [b"secret\xff"]}), "binary"),
        (pl.DataFrame(), "no row"),
    ],
)
def test_frames_that_are_no_flat_tables(frame: pd.DataFrame | pl.DataFrame, found: str) -> None:
    with pytest.raises(DatasetError, match=found) as caught:
        profile_frame(frame)
    assert "secret" not in str(caught.value)


def test_what_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"a,b\n1,2\n")
    for source in (tmp_path / "data.parquet", tmp_path / "missing.parquet"):
        with pytest.raises(DatasetError, match="not readable as Parquet"):
            profile_parquet([source])
    pl.DataFrame({"a": [[1]]}).write_parquet(tmp_path / "nested.parquet")
    with pytest.raises(DatasetError, match="nested columns: a"):
        profile_parquet([tmp_path / "nested.parquet"])


def test_csv_and_json_lines_of_the_same_texts_are_the_same_state() -> None:
    from_csv = csv("a,b\n1,x\n2.5,y\n", header=True)
    from_json = json_lines('{"a": 1, "b": "x"}\n{"a": 2.5, "b": "y"}\n')
    assert encode_state(from_csv) == encode_state(from_json)
