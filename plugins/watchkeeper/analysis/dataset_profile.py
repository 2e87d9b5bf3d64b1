"""From a plain dataset (CSV, JSON Lines, Parquet, or a frame) to a dataset state: what a baseline is made of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np
import polars as pl

from watchkeeper.analysis.capture_records import CaptureFile, PayloadError, Rows
from watchkeeper.analysis.csv_payload import parse_csv, parse_uniform
from watchkeeper.analysis.dataset_state import DatasetProfiler, DatasetState, frame_of
from watchkeeper.analysis.json_payload import parse_json
from watchkeeper.analysis.line_blocks import BLOCK_BYTES, LineBlocks
from watchkeeper.errors import DatasetError

DatasetFormat = Literal["csv", "jsonlines", "parquet"]
_PARQUET_ROWS = 50_000


class RowSink(Protocol):
    """What takes a dataset in, block by block: a `DatasetProfiler`, or what looks at some columns only."""

    @property
    def row_count(self) -> int:
        """Rows taken in so far."""

    def update(self, block: pl.DataFrame, *, tidy: bool = False) -> None:
        """Add a block of String columns, null for missing."""


class FrameLike(Protocol):
    """A pandas data frame, as far as it is looked at."""

    columns: Any

    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...


def profile_csv(
    files: Iterable[CaptureFile],
    *,
    header: bool = True,
    columns: Sequence[str] | None = None,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> DatasetState:
    """Return the state of CSV files read in order, each with a header line of its own if ``header``.

    Without a header columns are called ``columns``, or ``_c0``, ``_c1``, … as Spark calls them. An empty field is
    missing.

    Raises
    ------
    DatasetError
        when a row has another number of fields than the header, headers differ, or there is no row.
    """
    profiler = DatasetProfiler()
    read_csv(profiler, files, header=header, columns=columns, block_bytes=block_bytes, on_progress=on_progress)
    return _state_of(profiler)


def read_csv(
    profiler: RowSink,
    files: Iterable[CaptureFile],
    *,
    header: bool = True,
    columns: Sequence[str] | None = None,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Hand the rows of CSV files to ``profiler``; see `profile_csv`."""
    names = list(columns) if columns else None
    for file in files:
        blocks = LineBlocks(file.chunks, block_bytes)
        first = header
        for block in _whole_records(blocks):
            _require_whole(blocks, file.name)  # else half a row would be blamed
            text = _decode(block, file.name)
            if first:
                line, text = _first_record(text.lstrip("\r\n"))
                names = _header(line, names, file.name)
                first = False
            if text.strip("\r\n"):
                names = _add_csv(profiler, text, names, file.name)
            if on_progress is not None:
                on_progress(profiler.row_count)
        _require_whole(blocks, file.name)


def _whole_records(blocks: LineBlocks) -> Iterator[bytes]:
    """Join blocks until every quoted field that was opened is closed: such a field may hold line ends."""
    held = b""
    for block in blocks:
        held += block
        if held.count(b'"') % 2 == 0:
            yield held
            held = b""
    if held:
        yield held


def _first_record(text: str) -> tuple[str, str]:
    """Return the header without its line end, which may hold line ends in quotes, and the text after it."""
    end = text.find("\n")
    while end >= 0 and text.count('"', 0, end) % 2:
        end = text.find("\n", end + 1)
    return (text.rstrip("\r"), "") if end < 0 else (text[:end].rstrip("\r"), text[end + 1 :])


def _header(line: str, names: list[str] | None, file: str) -> list[str]:
    try:
        fields = parse_csv(line).fields[0]
    except PayloadError as error:
        raise DatasetError(file, f"unreadable header: {error}", "Name each column once in the first line") from error
    found = [name if name is not None else f"_c{position}" for position, name in enumerate(fields)]
    if len(set(found)) != len(found):
        twice = sorted({name for name in found if found.count(name) > 1})
        raise DatasetError(file, f"columns named twice: {', '.join(twice)}", "Give each column a name of its own")
    if names is not None and names != found:
        raise DatasetError(file, f"its header has {len(found)} columns that are not those before it", "Use one header")
    return found


def _add_csv(profiler: RowSink, text: str, names: list[str] | None, file: str) -> list[str] | None:
    uniform = parse_uniform([text.removesuffix("\n")])
    if uniform is not None:
        frame, tidy = uniform.frame, uniform.tidy
    else:
        try:
            # Blank lines are no rows, as for Spark and pandas.
            rows = [row for row in parse_csv(text).fields if row != [None]]
        except PayloadError as error:
            raise DatasetError(file, str(error), "Quote fields that hold commas, quotes or line ends") from error
        if not rows:
            return names
        width = len(names) if names else len(rows[0])
        odd = [number for number, row in enumerate(rows, profiler.row_count + 1) if len(row) != width]
        if odd:
            found = f"row {odd[0]} has {len(rows[odd[0] - profiler.row_count - 1])} fields, expected {width}"
            raise DatasetError(file, f"{found} ({len(odd)} such rows in this block)", "Repair or remove these rows")
        frame = pl.DataFrame(rows, schema={str(i): pl.String for i in range(width)}, orient="row")
        tidy = False
    if names is None:
        names = [f"_c{position}" for position in range(frame.width)]
    if frame.width != len(names):
        found = f"rows have {frame.width} fields, the header {len(names)}"
        raise DatasetError(file, found, "Give every column a name, and every row every column")
    frame.columns = names
    profiler.update(frame, tidy=tidy)
    return names


def profile_json_lines(
    files: Iterable[CaptureFile],
    *,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> DatasetState:
    """Return the state of JSON Lines files (flat objects) read in order; a key that a record lacks is missing there.

    Raises
    ------
    DatasetError
        for a line that is no flat object, or when there is no row.
    """
    profiler = DatasetProfiler()
    read_json_lines(profiler, files, block_bytes=block_bytes, on_progress=on_progress)
    return _state_of(profiler)


def read_json_lines(
    profiler: RowSink,
    files: Iterable[CaptureFile],
    *,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Hand the rows of JSON Lines files to ``profiler``; see `profile_json_lines`."""
    for file in files:
        blocks = LineBlocks(file.chunks, block_bytes)
        number = 0
        for block in blocks:
            _require_whole(blocks, file.name)
            rows: list[dict[str, str | None]] = []
            for line in _decode(block, file.name).split("\n"):
                number += 1
                if line.strip():
                    rows += _json_row(line, file.name, number).objects
            number -= 1 if block.endswith(b"\n") else 0
            if rows:
                profiler.update(frame_of(rows))
            if on_progress is not None:
                on_progress(profiler.row_count)
        _require_whole(blocks, file.name)


def _json_row(line: str, file: str, number: int) -> Rows:
    remedy = "Expected one flat JSON object a line"
    try:
        rows = parse_json(line)
    except PayloadError as error:
        raise DatasetError(file, f"line {number}: {error}", remedy) from error
    if rows.fields:
        raise DatasetError(file, f"line {number}: an array or a bare value", remedy)
    return rows


def profile_parquet(
    sources: Iterable[Path | IO[bytes]], *, on_progress: Callable[[int], None] | None = None
) -> DatasetState:
    """Return the state of Parquet files read in order, in batches.

    Raises
    ------
    DatasetError
        for a file that is no Parquet, a nested column, or when there is no row.
    """
    profiler = DatasetProfiler()
    read_parquet(profiler, sources, on_progress=on_progress)
    return _state_of(profiler)


def read_parquet(
    profiler: RowSink, sources: Iterable[Path | IO[bytes]], *, on_progress: Callable[[int], None] | None = None
) -> None:
    """Hand the rows of Parquet files to ``profiler``; see `profile_parquet`."""
    for source in sources:
        name = str(source) if isinstance(source, Path) else "Parquet file"
        try:
            frame = pl.scan_parquet(source)
            for start in range(0, int(frame.select(pl.len()).collect().item()), _PARQUET_ROWS):
                profiler.update(_as_text(frame.slice(start, _PARQUET_ROWS).collect(), name))
                if on_progress is not None:
                    on_progress(profiler.row_count)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DatasetError(name, f"not readable as Parquet ({error})", "Expected flat columns") from error


def profile_frame(frame: FrameLike | pl.DataFrame) -> DatasetState:
    """Return the state of a pandas or polars data frame; an index is no column.

    A float column of pandas that has missing values and otherwise only whole numbers is read as integers: numpy's
    integers cannot be missing, so one gap makes such a column of any integer one.

    Raises
    ------
    DatasetError
        for nested columns, or when there is no row.
    """
    profiler = DatasetProfiler()
    read_frame(profiler, frame)
    return _state_of(profiler)


def read_frame(profiler: RowSink, frame: FrameLike | pl.DataFrame) -> None:
    """Hand the rows of a data frame to ``profiler``; see `profile_frame`."""
    table = frame if isinstance(frame, pl.DataFrame) else _from_pandas(frame)
    for start in range(0, len(table), _PARQUET_ROWS):
        profiler.update(_as_text(table.slice(start, _PARQUET_ROWS), "data frame"))


def _from_pandas(frame: FrameLike) -> pl.DataFrame:
    # Column by column and without pyarrow; NaN is how pandas says "missing".
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DatasetError("data frame", f"columns named twice: {', '.join(twice)}", "Give each a name of its own")
    return pl.DataFrame([_series(name, frame[key]) for name, key in zip(names, frame.columns, strict=True)])


def _series(name: str, column: Any) -> pl.Series:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":  # pandas' own types hold pd.NA
        series = pl.Series(name, column.to_numpy(), nan_to_null=True)
        return series.cast(pl.Int64) if _are_integers_with_gaps(series) else series
    missing = column.isna().to_numpy()
    values = [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
    if any(isinstance(value, list | dict | tuple | set) for value in values):
        raise DatasetError(f"column {name}", "nested values", "Flatten it, or leave it out")
    if all(value is None or isinstance(value, bool) for value in values):
        return pl.Series(name, values, pl.Boolean)
    numbers = all(value is None or isinstance(value, int | float) for value in values)
    return pl.Series(name, values, strict=False) if numbers else pl.Series(name, [_str(v) for v in values], pl.String)


def _are_integers_with_gaps(series: pl.Series) -> bool:
    # Beyond 2^53 every float is whole, which says nothing; infinities are beyond it, too.
    present = series.drop_nulls()
    if not series.dtype.is_float() or not 0 < len(present) < len(series):
        return False
    return bool(((present == present.round()) & (present.abs() < 2**53)).all())


def _str(value: object) -> str | None:
    return None if value is None else str(value)


def _as_text(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    if nested:
        raise DatasetError(source, f"nested columns: {', '.join(nested)}", "Flatten them, or leave them out")
    try:
        text = frame.with_columns(pl.selectors.float().fill_nan(None)).cast(pl.String)
    except pl.exceptions.PolarsError as error:
        found = "columns that cannot be written as text (binary data or objects)"
        raise DatasetError(source, found, "Convert them, or leave them out") from error
    return text.with_columns(pl.all().replace("", None))


def _decode(block: bytes, file: str) -> str:
    try:
        return block.decode()
    except UnicodeDecodeError as error:
        raise DatasetError(file, f"not UTF-8 at byte {error.start} of a block", "Store it as UTF-8") from error


def _require_whole(blocks: LineBlocks, file: str) -> None:
    if blocks.fault:
        raise DatasetError(file, blocks.fault, "Upload it again")


def _state_of(profiler: DatasetProfiler) -> DatasetState:
    state = profiler.freeze()
    if state is None:
        raise DatasetError("dataset", "it holds no row", "A baseline needs data: check the location and the format")
    return state
