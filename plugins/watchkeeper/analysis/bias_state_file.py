"""The bytes of a stored bias state: a format version, then MessagePack, compressed."""

import zlib

import msgspec
import numpy as np

from watchkeeper.analysis.bias_definition import BiasAttributes
from watchkeeper.analysis.bias_state import BiasState, FacetTable
from watchkeeper.analysis.column_reading import ColumnReading
from watchkeeper.analysis.row_sample import RowSample
from watchkeeper.errors import DocumentError

# Raise this when the meaning of a stored number changes: states of another format are rebuilt from merged records.
BIAS_FORMAT = 1
_MAGIC = b"WKBS"


class _Reading(msgspec.Struct):
    present: int
    missing: int
    fractional: int
    text: int
    distinct: bytes | None
    maximum: float | None


class _Table(msgspec.Struct):
    cells: list[tuple[str, str | None, int, int, int]] | None
    grouped: bool


class _Sample(msgspec.Struct):
    names: tuple[str, ...]
    hashes: bytes
    features: bytes
    numeric: tuple[bool, ...]
    codes: list[list[str]]
    labels: bytes
    predictions: bytes


class _State(msgspec.Struct):
    attributes: BiasAttributes
    row_count: int
    rejected: dict[str, int]
    label: _Reading
    facets: list[_Reading]
    tables: list[_Table]
    sample: _Sample | None


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_STATES = msgspec.msgpack.Decoder(_State)


def encode_bias_state(state: BiasState) -> bytes:
    """Return ``state`` as bytes; equal states give equal bytes."""
    packed = _State(
        state.attributes,
        state.row_count,
        dict(sorted(state.rejected.items())),
        _pack_reading(state.label),
        [_pack_reading(reading) for reading in state.facets],
        [_pack_table(table) for table in state.tables],
        None if state.sample is None else _pack_sample(state.sample),
    )
    return _MAGIC + BIAS_FORMAT.to_bytes(2, "big") + zlib.compress(msgspec.msgpack.encode(packed), 3)


def decode_bias_state(data: bytes, source: str = "bias state") -> BiasState:
    """Return the state that `encode_bias_state` wrote.

    Raises
    ------
    DocumentError
        when the bytes are no bias state, are damaged, or are of another format version; ``source`` names them.
    """
    remedy = "Delete it: it is rebuilt from the merged records by the next run"
    if data[:4] != _MAGIC:
        raise DocumentError(source, "this is no bias state", remedy)
    found = int.from_bytes(data[4:6], "big")
    if found != BIAS_FORMAT:
        raise DocumentError(source, f"bias state format {found}, expected {BIAS_FORMAT}", remedy)
    try:
        return _unpack(_STATES.decode(zlib.decompress(data[6:])))
    except (zlib.error, msgspec.MsgspecError, ValueError) as error:
        raise DocumentError(source, f"the state is damaged ({error})", remedy) from error


def _pack_reading(reading: ColumnReading) -> _Reading:
    distinct = None if reading.distinct is None else reading.distinct.astype("<f8").tobytes()
    return _Reading(reading.present, reading.missing, reading.fractional, reading.text, distinct, reading.maximum)


def _pack_table(table: FacetTable) -> _Table:
    cells = table.cells
    return _Table(None if cells is None else [(*cell, count) for cell, count in cells.items()], table.grouped)


def _pack_sample(sample: RowSample) -> _Sample:
    return _Sample(
        sample.names,
        sample.hashes.astype("<u8").tobytes(),
        sample.features.astype("<f8").tobytes(),
        sample.numeric,
        [codes.tolist() for codes in sample.codes],
        sample.labels.tobytes(),
        sample.predictions.tobytes(),
    )


def _unpack(state: _State) -> BiasState:
    return BiasState(
        state.attributes,
        state.row_count,
        state.rejected,
        _unpack_reading(state.label),
        tuple(_unpack_reading(reading) for reading in state.facets),
        tuple(_unpack_table(table) for table in state.tables),
        None if state.sample is None else _unpack_sample(state.sample),
    )


def _unpack_reading(reading: _Reading) -> ColumnReading:
    distinct = None if reading.distinct is None else np.frombuffer(reading.distinct, "<f8").astype(np.float64)
    return ColumnReading(reading.present, reading.missing, reading.fractional, reading.text, distinct, reading.maximum)


def _unpack_table(table: _Table) -> FacetTable:
    if table.cells is None:
        return FacetTable(None, table.grouped)
    cells = {(code, group, label, prediction): count for code, group, label, prediction, count in table.cells}
    return FacetTable(cells, table.grouped)


def _unpack_sample(sample: _Sample) -> RowSample:
    rows = len(sample.hashes) // 8
    return RowSample(
        sample.names,
        np.frombuffer(sample.hashes, "<u8").astype(np.uint64),
        np.frombuffer(sample.features, "<f8").astype(np.float64).reshape(rows, len(sample.names)),
        sample.numeric,
        tuple(np.array(codes, np.str_) for codes in sample.codes),
        np.frombuffer(sample.labels, np.uint8),
        np.frombuffer(sample.predictions, np.uint8),
    )
