"""The bytes of a stored quality state: a format version, then MessagePack, compressed."""

import zlib

import msgspec
import numpy as np

from watchkeeper.analysis.confusion_counts import ConfusionCounts
from watchkeeper.analysis.error_sums import GROUP_COUNT, ErrorSums
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_state import QualityState
from watchkeeper.analysis.score_counts import ScoreCounts
from watchkeeper.analysis.state_file import decode_state, encode_state
from watchkeeper.errors import DocumentError

# Raise this when the meaning of a stored number changes: states of another format are rebuilt from merged records.
QUALITY_FORMAT = 1
_MAGIC = b"WKQS"


class _Scores(msgspec.Struct):
    scores: bytes
    positives: bytes
    negatives: bytes
    gridded: bool


class _Confusion(msgspec.Struct):
    cells: list[tuple[str, str, int]] | None


class _State(msgspec.Struct):
    problem_type: str
    reading: str
    row_count: int
    rejected: dict[str, int]
    errors: list[bytes] | None
    confusion: _Confusion | None
    scores: _Scores | None
    columns: bytes | None
    classes: tuple[str, str] | None


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_STATES = msgspec.msgpack.Decoder(_State)


def encode_quality_state(state: QualityState) -> bytes:
    """Return ``state`` as bytes; equal states give equal bytes."""
    errors, confusion, scores = state.errors, state.confusion, state.scores
    packed = _State(
        state.problem_type.value,
        state.reading,
        state.row_count,
        dict(sorted(state.rejected.items())),
        None
        if errors is None
        else [
            errors.rows.astype("<i8").tobytes(),
            *(
                part.astype("<f8").tobytes()
                for part in (errors.absolute, errors.squared, errors.label_mean, errors.label_spread)
            ),
        ],
        None
        if confusion is None
        else _Confusion(
            None if confusion.cells is None else [(*pair, n) for pair, n in sorted(confusion.cells.items())]
        ),
        None
        if scores is None
        else _Scores(
            scores.scores.astype("<f8").tobytes(),
            scores.positives.astype("<i8").tobytes(),
            scores.negatives.astype("<i8").tobytes(),
            scores.gridded,
        ),
        None if state.columns is None else encode_state(state.columns),
        state.classes,
    )
    return _MAGIC + QUALITY_FORMAT.to_bytes(2, "big") + zlib.compress(msgspec.msgpack.encode(packed), 3)


def decode_quality_state(data: bytes, source: str = "quality state") -> QualityState:
    """Return the state that `encode_quality_state` wrote.

    Raises
    ------
    DocumentError
        when the bytes are no quality state, are damaged, or are of another format version; ``source`` names them.
    """
    remedy = "Delete it: it is rebuilt from the merged records by the next run"
    if data[:4] != _MAGIC:
        raise DocumentError(source, "this is no quality state", remedy)
    found = int.from_bytes(data[4:6], "big")
    if found != QUALITY_FORMAT:
        raise DocumentError(source, f"quality state format {found}, expected {QUALITY_FORMAT}", remedy)
    try:
        return _unpack(_STATES.decode(zlib.decompress(data[6:])), source)
    except (zlib.error, msgspec.MsgspecError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(source, f"the state is damaged ({error})", remedy) from error


def _unpack(state: _State, source: str) -> QualityState:
    return QualityState(
        ProblemType(state.problem_type),
        state.reading,
        state.row_count,
        state.rejected,
        None if state.errors is None else _unpack_errors(state.errors),
        None if state.confusion is None else _unpack_confusion(state.confusion),
        None
        if state.scores is None
        else ScoreCounts(
            np.frombuffer(state.scores.scores, "<f8").astype(np.float64),
            np.frombuffer(state.scores.positives, "<i8").astype(np.int64),
            np.frombuffer(state.scores.negatives, "<i8").astype(np.int64),
            state.scores.gridded,
        ),
        None if state.columns is None else decode_state(state.columns, source),
        state.classes,
    )


def _unpack_errors(parts: list[bytes]) -> ErrorSums:
    rows, *sums = parts
    arrays = [np.frombuffer(part, "<f8").astype(np.float64) for part in sums]
    counts = np.frombuffer(rows, "<i8").astype(np.int64)
    if len(arrays) != 4 or any(len(part) != GROUP_COUNT for part in (counts, *arrays)):
        message = "sums of another number of groups"
        raise ValueError(message)
    return ErrorSums(counts, *arrays)


def _unpack_confusion(confusion: _Confusion) -> ConfusionCounts:
    if confusion.cells is None:
        return ConfusionCounts(None)
    return ConfusionCounts({(actual, predicted): count for actual, predicted, count in confusion.cells})
