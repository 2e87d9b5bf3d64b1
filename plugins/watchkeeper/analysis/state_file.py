"""The bytes of a stored state: a format version, then MessagePack, compressed."""

import zlib

import msgspec
import numpy as np

from watchkeeper.analysis.column_kind import KindCounts
from watchkeeper.analysis.column_state import ColumnState
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.distinct_sketch import DistinctSketch
from watchkeeper.analysis.moment_state import MomentState
from watchkeeper.analysis.quantile_sketch import QuantileSketch
from watchkeeper.errors import DocumentError

# Raise this when the meaning of a stored number changes: states of another format are rebuilt from captures.
STATE_FORMAT = 1
_MAGIC = b"WKST"


class _Quantiles(msgspec.Struct):
    levels: list[bytes]
    compactions: list[int]
    offsets: list[int]


class _Column(msgspec.Struct):
    name: str
    missing: int
    kinds: tuple[int, int, int, int]
    moments: tuple[int, float, float, float, float, float] | None
    quantiles: _Quantiles | None
    distinct: bytes
    categories: dict[str, int] | None


class _State(msgspec.Struct):
    row_count: int
    positional: bool
    columns: list[_Column]


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_STATES = msgspec.msgpack.Decoder(_State)


def encode_state(state: DatasetState) -> bytes:
    """Return ``state`` as bytes; equal states give equal bytes."""
    columns = [_pack(name, column) for name, column in state.columns.items()]
    body = msgspec.msgpack.encode(_State(state.row_count, state.positional, columns))
    return _MAGIC + STATE_FORMAT.to_bytes(2, "big") + zlib.compress(body, 3)


def decode_state(data: bytes, source: str = "state") -> DatasetState:
    """Return the state that `encode_state` wrote.

    Raises
    ------
    DocumentError
        when the bytes are no state, are damaged, or are of another format version; ``source`` names them.
    """
    remedy = "Delete it: it is rebuilt from the captures by the next run"
    if data[:4] != _MAGIC:
        raise DocumentError(source, "this is no dataset state", remedy)
    found = int.from_bytes(data[4:6], "big")
    if found != STATE_FORMAT:
        raise DocumentError(source, f"state format {found}, expected {STATE_FORMAT}", remedy)
    try:
        state = _STATES.decode(zlib.decompress(data[6:]))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise DocumentError(source, f"the state is damaged ({error})", remedy) from error
    return DatasetState(state.row_count, {column.name: _unpack(column) for column in state.columns}, state.positional)


def _pack(name: str, column: ColumnState) -> _Column:
    kinds, moments, quantiles = column.kinds, column.moments, column.quantiles
    return _Column(
        name,
        column.missing,
        (kinds.fractional, kinds.integral, kinds.boolean, kinds.string),
        None
        if moments is None
        else (
            moments.count,
            moments.total,
            moments.mean,
            moments.second_moment,
            moments.minimum,
            moments.maximum,
        ),
        None
        if quantiles is None
        else _Quantiles(
            [level.astype("<f8").tobytes() for level in quantiles.levels],
            list(quantiles.compactions),
            list(quantiles.offsets),
        ),
        column.distinct.registers.tobytes(),
        None if column.categories is None else dict(sorted(column.categories.items())),
    )


def _unpack(column: _Column) -> ColumnState:
    quantiles = column.quantiles
    return ColumnState(
        column.missing,
        KindCounts(*column.kinds),
        None if column.moments is None else MomentState(*column.moments),
        None
        if quantiles is None
        else QuantileSketch(
            tuple(np.frombuffer(level, "<f8").astype(np.float64) for level in quantiles.levels),
            tuple(quantiles.compactions),
            tuple(quantiles.offsets),
        ),
        DistinctSketch(np.frombuffer(column.distinct, np.uint8)),
        column.categories,
    )
