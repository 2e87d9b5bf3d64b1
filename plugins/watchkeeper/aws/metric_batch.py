"""Batches within PutMetricData's limits, and names that CloudWatch takes."""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

MAXIMUM_POINTS = 1000
MAXIMUM_VALUES = 150
#: The limit is 1 MB for the request; the rest is room for the envelope and for escaping.
MAXIMUM_BYTES = 700_000
_MAXIMUM_NAME = 255
_MAXIMUM_DIMENSION_VALUE = 1024


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


def metric_name(name: str) -> str:
    """Return ``name`` as a metric name that CloudWatch takes; plain ASCII names come back as they are."""
    return _ascii_name(name, _MAXIMUM_NAME)


def dimension_value(value: str) -> str:
    """Return ``value`` as a dimension value that CloudWatch takes; plain ASCII values come back as they are."""
    return _ascii_name(value, _MAXIMUM_DIMENSION_VALUE)


def _ascii_name(name: str, limit: int) -> str:
    """Return printable ASCII of at most ``limit`` characters, different for different names.

    What must change is changed readably (accents dropped, else ``_``) and gets a digest of the whole name as its
    end, since ``größe`` and ``grosse`` are two features.
    """
    if name.strip() and len(name) <= limit and all(" " <= char <= "~" for char in name):
        return name
    plain = unicodedata.normalize("NFKD", name)
    kept = "".join(char if " " <= char <= "~" else "_" for char in plain if not unicodedata.combining(char)).strip()
    suffix = f"-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{kept[: limit - len(suffix)] or '_'}{suffix}"
