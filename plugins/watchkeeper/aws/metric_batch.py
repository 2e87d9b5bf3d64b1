"""Batches within PutMetricData's limits."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

MAXIMUM_POINTS = 1000
MAXIMUM_VALUES = 150
#: The limit is 1 MB for the request; the rest is room for the envelope and for escaping.
MAXIMUM_BYTES = 700_000


def metric_batches(metric_data: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the points in order, in batches of at most 1,000 points and 1 MB, none with over 150 values."""
    batch: list[dict[str, Any]] = []
    size = 0
    for point in metric_data:
        for piece in _within_values(point):
            piece_size = len(json.dumps(piece, default=str))
            if batch and (len(batch) == MAXIMUM_POINTS or size + piece_size > MAXIMUM_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(piece)
            size += piece_size
    if batch:
        yield batch


def _within_values(point: dict[str, Any]) -> Iterator[dict[str, Any]]:
    values = point.get("Values")
    if values is None or len(values) <= MAXIMUM_VALUES:
        yield point
        return
    counts = point.get("Counts")
    for start in range(0, len(values), MAXIMUM_VALUES):
        stop = start + MAXIMUM_VALUES
        piece = {**point, "Values": values[start:stop]}
        if counts is not None:
            piece["Counts"] = counts[start:stop]
        yield piece
