"""Lines as data capture writes them, from payloads."""

import json
from collections.abc import Iterable

from watchkeeper.analysis.capture_records import CaptureFile


def capture_line(
    input_: str | None, output: str | None = None, *, encoding: str = "CSV", kind: str = "text/csv"
) -> bytes:
    """Return one captured invocation; a side that is ``None`` was not captured."""
    sides = {"endpointInput": ("INPUT", input_), "endpointOutput": ("OUTPUT", output)}
    capture = {
        side: {"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding}
        for side, (mode, data) in sides.items()
        if data is not None
    }
    event = {"eventId": "4f2f2a0c-5d3c-4d6e-8a50-0a7d6c0a2b11", "inferenceTime": "2026-11-20T05:00:00Z"}
    record = {"captureData": capture, "eventMetadata": event, "eventVersion": "0"}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def capture_file(lines: Iterable[bytes], name: str = "00-01-002.jsonl") -> CaptureFile:
    """Return lines as one captured object."""
    return CaptureFile(name, [b"".join(lines)])
