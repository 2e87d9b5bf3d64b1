"""Explained windows and captured lines for tests."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.attribution_report import AttributionReport, LabelAttribution
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.explanation import Explanation


def explanation_of(values: NDArray[np.float64], features: Sequence[str] | None = None) -> Explanation:
    """Return local attributions (rows × features, or with labels) as an explanation; nothing is expected."""
    whole = values if values.ndim == 3 else values[:, :, None]
    names = features or [f"f{position}" for position in range(whole.shape[1])]
    return Explanation(tuple(names), whole, np.zeros(whole.shape[2]))


def report_of(**labels: dict[str, float]) -> AttributionReport:
    """Return a report of these labels' global attributions."""
    return AttributionReport({label: LabelAttribution(values, 0.25) for label, values in labels.items()})


def input_line(
    data: str, event_id: str | None = "e", *, encoding: str = "CSV", inference_id: str | None = None
) -> bytes:
    """Return one captured line with an input."""
    metadata: dict[str, Any] = {"eventId": event_id, "inferenceTime": "2026-11-25T01:00:00Z"}
    if inference_id is not None:
        metadata["inferenceId"] = inference_id
    side = {"observedContentType": "text/csv", "mode": "INPUT", "data": data, "encoding": encoding}
    return json.dumps({"captureData": {"endpointInput": side}, "eventMetadata": metadata, "eventVersion": "0"}).encode()


def file_of(lines: Iterable[bytes], name: str = "capture.jsonl") -> CaptureFile:
    """Return one captured file of these lines."""
    return CaptureFile(name, [b"".join(line + b"\n" for line in lines)])
