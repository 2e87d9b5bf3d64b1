"""From captured files to a dataset state: one pass, in key order, in bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import polars as pl

from watchkeeper.analysis.capture_records import (
    INPUT_SIDE,
    OUTPUT_SIDE,
    CaptureFile,
    CaptureSchema,
    CsvRecord,
    Payload,
    PayloadError,
    Record,
    Rows,
    payload_text,
)
from watchkeeper.analysis.csv_payload import UniformRows, parse_csv, parse_uniform
from watchkeeper.analysis.dataset_state import DatasetProfiler, DatasetState, frame_of
from watchkeeper.analysis.json_payload import parse_json
from watchkeeper.analysis.line_blocks import BLOCK_BYTES
from watchkeeper.analysis.own_requests import CaptureBlocks
from watchkeeper.analysis.text_scan import count_of

_fast = msgspec.json.Decoder(CsvRecord)
_exact = msgspec.json.Decoder(Record)

SAMPLE_LIMIT = 20
# Rows of other shapes than the majority's are malformed; the states of so many shapes are kept until that is known.
_LAYOUT_LIMIT = 16
_PENDING_ROWS = 16
# JSON keys that are data (an id as a key) must not become columns without end.
_NAME_LIMIT = 20_000


@dataclass(frozen=True)
class MalformedSample:
    """Where a malformed line stands and what is wrong with it, without its payload."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class MalformedLines:
    """The lines of a window that could not be read."""

    count: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    samples: tuple[MalformedSample, ...] = ()


@dataclass(frozen=True)
class CaptureProfile:
    """What a window's captures say.

    ``line_count`` counts all lines, ``invocation_count`` those that were read, ``row_count`` their rows (an
    invocation may carry many). ``state`` is ``None`` when there is no row.
    """

    state: DatasetState | None
    line_count: int
    invocation_count: int
    malformed: MalformedLines

    @property
    def row_count(self) -> int:
        """Rows that were read."""
        return self.state.row_count if self.state else 0

    @property
    def malformed_share(self) -> float:
        """Share of the lines that could not be read; 0 for no lines."""
        return self.malformed.count / self.line_count if self.line_count else 0.0


@dataclass
class _Layout:
    """Rows of one shape: their state, how many invocations had it, and where the first ones stood."""

    key: tuple[int, int]  # fields per side, output first; -1 for named ones
    positional: bool
    profiler: DatasetProfiler = field(default_factory=DatasetProfiler)
    invocations: int = 0
    samples: list[tuple[str, int]] = field(default_factory=list)
    pending: list[dict[str, str | None]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def admits(self, rows: list[dict[str, str | None]]) -> bool:
        """Whether these rows bring no more names than a window may hold; they are then known."""
        new = {name for row in rows for name in row if name not in self.names}
        if new and len(self.names) + len(new) > _NAME_LIMIT:
            return False
        self.names |= new
        return True

    def flush(self) -> None:
        """Profile the rows that were put aside."""
        if self.pending:
            self.profiler.update(frame_of(self.pending))
            self.pending = []


def profile_capture(
    files: Iterable[CaptureFile],
    schema: CaptureSchema | None = None,
    *,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> CaptureProfile:
    """Return the profile of all files, read in the order given (key order gives Model Monitor's bytes).

    A line that is not a capture record, whose payload cannot be read, whose two sides differ in rows, or whose
    number of fields is not that of most invocations, is malformed: counted and sampled, and left out. JSON objects
    are joined by key; a key that a record lacks is missing there. Our own requests are left out, uncounted.
    ``on_progress`` is told the lines read so far.
    """
    reader = _CaptureReader(schema or CaptureSchema())
    for file in files:
        blocks = CaptureBlocks(file.chunks, block_bytes)
        line = 1
        for block in blocks:
            line += reader.read(block, file.name, line)
            if on_progress is not None:
                on_progress(reader.line_count)
        if blocks.fault:
            reader.reject(file.name, line, blocks.fault)
    return reader.finish()


class _CaptureReader:
    def __init__(self, schema: CaptureSchema) -> None:
        self._schema = schema
        self._sides = frozenset(schema.sides) & {INPUT_SIDE, OUTPUT_SIDE}
        self._layouts: dict[tuple[int, int], _Layout] = {}
        self._reasons: Counter[str] = Counter()
        self._samples: list[MalformedSample] = []
        self.line_count = 0

    def reject(self, file: str, line: int, reason: str) -> None:
        """Count a line that could not be read."""
        self.line_count += 1
        self._malformed(file, line, reason)

    def _malformed(self, file: str, line: int, reason: str, count: int = 1) -> None:
        self._reasons[reason] += count
        if len(self._samples) < SAMPLE_LIMIT:
            self._samples.append(MalformedSample(file, line, reason))

    def read(self, block: bytes, file: str, line: int) -> int:
        """Take in whole lines, the first of which has number ``line``; return how many there were."""
        return self._read_uniform(block, file, line) or self._read_lines(block, file, line)

    def _read_uniform(self, block: bytes, file: str, line: int) -> int:
        if len(self._sides) < 2:
            return 0
        try:
            records = _fast.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        if not records:
            return 0
        outputs = parse_uniform([record.captureData.endpointOutput.data for record in records])
        inputs = parse_uniform([record.captureData.endpointInput.data for record in records])
        if outputs is None or inputs is None or not _same_rows(outputs, inputs, len(records)):
            return 0
        self.line_count += len(records)
        sides = (outputs.frame, inputs.frame)
        if self._schema.output_columns_position == "END":
            sides = (inputs.frame, outputs.frame)
        layout = self._layout((outputs.frame.width, inputs.frame.width))
        self._add(layout, len(records), file, line)
        names = self._names(outputs.frame.width, inputs.frame.width)
        columns = [series for frame in sides for series in frame.get_columns()]
        frame = pl.DataFrame([series.alias(name) for series, name in zip(columns, names, strict=True)])
        layout.flush()
        layout.profiler.update(frame, tidy=outputs.tidy and inputs.tidy)
        return count_of(block, "\n") or 1

    def _names(self, outputs: int, inputs: int) -> Sequence[str]:
        names = self._schema.names_of(outputs, inputs)
        return names if names is not None else self._schema.positions_of(outputs, inputs)

    def _layout(self, key: tuple[int, int]) -> _Layout:
        layout = self._layouts.get(key)
        if layout is None:
            positional = -1 not in key and self._schema.names_of(*key) is None
            if len(self._layouts) == _LAYOUT_LIMIT:
                self._drop_rarest()
            layout = self._layouts[key] = _Layout(key, positional)
        return layout

    def _drop_rarest(self) -> None:
        """Give up on the shape that fewest lines have, of several the newest: its lines are malformed."""
        rarest = min(reversed(self._layouts.values()), key=lambda layout: layout.invocations)
        del self._layouts[rarest.key]
        self._reject_layout(rarest, f"{_shape(rarest.key)}, as few lines of the window have")

    def _reject_layout(self, layout: _Layout, reason: str) -> None:
        for position, (file, line) in enumerate(layout.samples):
            self._malformed(file, line, reason, 0 if position else layout.invocations)

    @staticmethod
    def _add(layout: _Layout, invocations: int, file: str, line: int) -> None:
        layout.invocations += invocations
        if len(layout.samples) < SAMPLE_LIMIT:
            layout.samples.append((file, line))

    def _read_lines(self, block: bytes, file: str, first_line: int) -> int:
        """Take in lines one by one; rows of one shape are collected and profiled together, in their order."""
        for line, text in enumerate(block.split(b"\n"), first_line):
            if not text.strip():
                continue
            self.line_count += 1
            try:
                key, rows = self._read_record(text)
            except PayloadError as error:
                self._malformed(file, line, str(error))
                continue
            layout = self._layout(key)
            if -1 in key and not layout.admits(rows):
                self._malformed(file, line, f"more than {_NAME_LIMIT:,} different JSON keys in the window")
                continue
            self._add(layout, 1, file, line)
            layout.pending += rows
        # A few rows of an odd shape wait: a stray line of fifty thousand fields is costly to profile and never needed.
        leader = max(self._layouts.values(), key=lambda layout: layout.invocations, default=None)
        for layout in self._layouts.values():
            if layout is leader or len(layout.pending) >= _PENDING_ROWS:
                layout.flush()
        return block.count(b"\n")

    def _read_record(self, text: bytes) -> tuple[tuple[int, int], list[dict[str, str | None]]]:
        try:
            capture = _exact.decode(text).capture
        except UnicodeDecodeError:
            message = "not UTF-8"
            raise PayloadError(message) from None
        except RecursionError:
            message = "nested too deeply to be a capture record"
            raise PayloadError(message) from None
        except msgspec.ValidationError:
            message = "JSON, but not a capture record"
            raise PayloadError(message) from None
        except msgspec.DecodeError as error:
            message = "not UTF-8" if "utf-8" in str(error).lower() else "not JSON"
            raise PayloadError(message) from None
        outputs = _side(capture.output if OUTPUT_SIDE in self._sides else None)
        inputs = _side(capture.input if INPUT_SIDE in self._sides else None)
        if outputs.count and inputs.count and outputs.count != inputs.count:
            message = f"{inputs.count} input rows, but {outputs.count} output rows"
            raise PayloadError(message)
        if not outputs.count and not inputs.count:
            message = "no input and no output"
            raise PayloadError(message)
        return self._join(outputs, inputs)

    def _join(self, outputs: Rows, inputs: Rows) -> tuple[tuple[int, int], list[dict[str, str | None]]]:
        """Return the layout (fields per side; -1 for named ones) and each row as a mapping of column names."""
        widths = (_width(outputs), _width(inputs))
        if -1 in widths:
            named = self._named(outputs, "output"), self._named(inputs, "input")
            return widths, [_merge_sides(*pair) for pair in _pair(*named)]
        names = self._names(*widths)
        first, second = outputs.fields, inputs.fields
        if self._schema.output_columns_position == "END":
            first, second = second, first
        joined = [left + right for left, right in _pair_fields(first, second)]
        return widths, [dict(zip(names, row, strict=True)) for row in joined]

    def _named(self, rows: Rows, side: str) -> list[dict[str, str | None]]:
        if rows.objects or not rows.fields:
            return rows.objects
        promised = self._schema.output_columns if side == "output" else self._schema.input_columns
        width = len(rows.fields[0])
        if promised is not None and len(promised) != width:
            message = f"{width} {side} fields, where the endpoint's file names {len(promised)}"
            raise PayloadError(message)
        names = promised or [f"{side}_{position}" for position in range(width)]
        return [dict(zip(names, row, strict=True)) for row in rows.fields]

    def finish(self) -> CaptureProfile:
        """Return the profile of the majority's layout; the others' lines are malformed."""
        ranked = sorted(self._layouts.values(), key=lambda layout: -layout.invocations)
        winner = ranked[0] if ranked else None
        state = None
        if winner is not None:
            for layout in ranked[1:]:
                self._reject_layout(layout, _contrast(layout.key, winner.key))
            winner.flush()
            state = winner.profiler.freeze(positional=winner.positional)
            if state is not None and not state.positional:
                columns = {name: state.columns[name] for name in self._schema.ordered(state.columns)}
                state = DatasetState(state.row_count, columns)
        malformed = MalformedLines(self._reasons.total(), dict(self._reasons.most_common()), tuple(self._samples))
        return CaptureProfile(state, self.line_count, winner.invocations if winner else 0, malformed)


def _shape(key: tuple[int, int]) -> str:
    """Describe a layout: the number of fields, or both sides where fields are named."""
    if -1 not in key:
        return f"{sum(key)} fields"
    outputs, inputs = ("named" if count < 0 else str(count or "no") for count in key)
    return f"{inputs} input and {outputs} output fields"


def _contrast(key: tuple[int, int], majority: tuple[int, int]) -> str:
    if -1 in key or -1 in majority:
        return f"{_shape(key)}, where most lines of the window have {_shape(majority)}"
    if sum(key) == sum(majority):
        return f"{key[0]} output and {key[1]} input fields, where most lines have {majority[0]} and {majority[1]}"
    return f"{sum(key)} fields, where most lines of the window have {sum(majority)}"


def _same_rows(outputs: UniformRows, inputs: UniformRows, records: int) -> bool:
    single = [1] * records
    return (outputs.rows_per_payload or single) == (inputs.rows_per_payload or single)


def _side(payload: Payload | None) -> Rows:
    if payload is None:
        return Rows()
    text, is_json = payload_text(payload)
    rows = parse_json(text) if is_json else parse_csv(text)
    widths = {len(row) for row in rows.fields}
    if len(widths) > 1:
        message = "rows of different lengths in one payload"
        raise PayloadError(message)
    return rows


def _width(rows: Rows) -> int:
    return -1 if rows.objects else (len(rows.fields[0]) if rows.fields else 0)


def _pair_fields(
    first: list[list[str | None]], second: list[list[str | None]]
) -> Iterable[tuple[list[str | None], list[str | None]]]:
    empty: list[list[str | None]] = [[]] * max(len(first), len(second))
    return zip(first or empty, second or empty, strict=True)


def _pair(
    outputs: list[dict[str, str | None]], inputs: list[dict[str, str | None]]
) -> Iterable[tuple[dict[str, str | None], dict[str, str | None]]]:
    empty: list[dict[str, str | None]] = [{}] * max(len(outputs), len(inputs))
    return zip(outputs or empty, inputs or empty, strict=True)


def _merge_sides(output: dict[str, str | None], input_: dict[str, str | None]) -> dict[str, str | None]:
    """Join both sides; a name that both have belongs to the input, and the output's gets a suffix."""
    return {(f"{name}_output" if name in input_ else name): value for name, value in output.items()} | input_
