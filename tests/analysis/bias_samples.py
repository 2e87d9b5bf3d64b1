"""Rows, merged records and states for tests of bias."""

import json
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from watchkeeper.analysis.bias_dataset import bias_of_frame
from watchkeeper.analysis.bias_definition import BiasAttributes, Facet
from watchkeeper.analysis.bias_profile import BiasProfile, profile_bias
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.capture_records import CaptureFile


def attributes_of(*facets: Facet, labels: tuple = ("1",), **other) -> BiasAttributes:
    """Return attributes of columns called label and prediction."""
    other = {"inference_attribute": "prediction", "ground_truth_attribute": "label"} | other
    return BiasAttributes(labels, facets or (Facet("sex", ("F",)),), **other)


def state_of(attributes: BiasAttributes, columns: Mapping[str, Sequence[object]]) -> BiasState:
    """Return the state of columns given as values; ``None`` is missing."""
    texts = {name: [None if value is None else str(value) for value in values] for name, values in columns.items()}
    return bias_of_frame(pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String)), attributes)


def counted(
    facet: tuple[int, int, int, int], others: tuple[int, int, int, int], attributes: BiasAttributes | None = None
) -> BiasState:
    """Return a state of so many rows: true positives, false negatives, false positives, true negatives."""
    rows: dict[str, list[object]] = {"sex": [], "age": [], "label": [], "prediction": []}
    for sex, counts in (("F", facet), ("M", others)):
        for (label, prediction), count in zip(((1, 1), (1, 0), (0, 1), (0, 0)), counts, strict=True):
            rows["sex"] += [sex] * count
            rows["age"] += [30 + index % 7 for index in range(count)]
            rows["label"] += [label] * count
            rows["prediction"] += [prediction] * count
    return state_of(attributes or attributes_of(), rows)


def merged_line(
    features: str | None,
    output: str | None,
    truth: str | None,
    *,
    encoding: str = "CSV",
    event: str = "4f2f2a0c",
    batch: bool = False,
) -> bytes:
    """Return one merged record as the merge job writes it."""
    capture: dict[str, object] = {}
    if features is not None and not batch:
        capture["endpointInput"] = {"data": features, "encoding": encoding, "mode": "INPUT"}
    if output is not None:
        side = "batchTransformOutput" if batch else "endpointOutput"
        capture[side] = {"data": output, "encoding": encoding}
    record: dict[str, object] = {
        "captureData": capture,
        "eventMetadata": {"eventId": event},
        "eventVersion": "0",
    }
    if truth is not None:
        record["groundTruthData"] = {"data": truth, "encoding": encoding}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def profile_of(attributes: BiasAttributes, lines: Iterable[bytes], **options) -> BiasProfile:
    """Return the profile of one file of merged lines."""
    return profile_bias([CaptureFile("part-00000.jsonl", [b"".join(lines)])], attributes, **options)
