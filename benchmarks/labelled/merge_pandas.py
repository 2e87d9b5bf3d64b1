"""The merge with pandas, as a process: ``merge_pandas.py CAPTURES LABELS OUTPUT``.

Lines are taken apart with msgspec (the quickest way we know), joined by ``pandas.merge`` and written as JSON Lines.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd


class Payload(msgspec.Struct, gc=False):
    """One side's payload as text, or a label."""

    data: str
    encoding: str


class Capture(msgspec.Struct, gc=False):
    """Both sides."""

    endpointInput: Payload  # noqa: N815
    endpointOutput: Payload  # noqa: N815


class Metadata(msgspec.Struct, gc=False):
    """The ids."""

    eventId: str  # noqa: N815
    inferenceId: str | None = None  # noqa: N815
    inferenceTime: str | None = None  # noqa: N815


class CaptureRecord(msgspec.Struct, gc=False):
    """A captured line."""

    captureData: Capture  # noqa: N815
    eventMetadata: Metadata  # noqa: N815


class LabelRecord(msgspec.Struct, gc=False):
    """A label line."""

    groundTruthData: Payload  # noqa: N815
    eventMetadata: Metadata  # noqa: N815


_captures = msgspec.json.Decoder(CaptureRecord)
_labels = msgspec.json.Decoder(LabelRecord)


def merge(captures: Path, labels: Path, output: Path) -> pd.DataFrame:
    """Write the merged records of all captured lines that have a label, and return them as a frame."""
    captured = pd.concat(
        pd.DataFrame(map(_capture_row, _captures.decode_lines(path.read_bytes())))
        for path in sorted(captures.rglob("*.jsonl"))
    )
    given = pd.concat(
        pd.DataFrame(map(_label_row, _labels.decode_lines(path.read_bytes())))
        for path in sorted(labels.glob("*.jsonl"))
    )
    merged = captured.merge(given.drop_duplicates("key", keep="last"), on="key")
    output.mkdir(parents=True, exist_ok=True)
    merged.to_json(output / "merged.jsonl", orient="records", lines=True)
    return merged


def _capture_row(record: CaptureRecord) -> dict[str, Any]:
    metadata, capture = record.eventMetadata, record.captureData
    return {
        "key": metadata.inferenceId or metadata.eventId,
        "time": metadata.inferenceTime,
        "input": capture.endpointInput.data,
        "output": capture.endpointOutput.data,
    }


def _label_row(record: LabelRecord) -> dict[str, Any]:
    return {"key": record.eventMetadata.eventId, "label": record.groundTruthData.data}


if __name__ == "__main__":
    merge(*map(Path, sys.argv[1:]))
