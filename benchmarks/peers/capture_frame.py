"""Capture files as pandas frames: what a user of a peer has to write first, in the quickest way we know."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import msgspec
import pandas as pd


class Payload(msgspec.Struct, gc=False):
    """One side's payload as text."""

    data: str


class Capture(msgspec.Struct, gc=False):
    """Both sides."""

    endpointInput: Payload  # noqa: N815
    endpointOutput: Payload  # noqa: N815


class Record(msgspec.Struct, gc=False):
    """A captured line."""

    captureData: Capture  # noqa: N815


_decoder = msgspec.json.Decoder(Record)


def read_files(window: Path, reference: Path) -> Iterator[pd.DataFrame]:
    """Yield one frame per file of a window, its columns named as the reference's (the output first)."""
    with reference.open() as file:
        names = file.readline().strip().split(",")
    for path in sorted(window.rglob("*.jsonl")):
        captures = [record.captureData for record in _decoder.decode_lines(path.read_bytes())]
        rows = [f"{capture.endpointOutput.data.rstrip()},{capture.endpointInput.data}" for capture in captures]
        yield pd.read_csv(StringIO("\n".join(rows)), header=None, names=names)


def read_window(window: Path, reference: Path) -> pd.DataFrame:
    """Return all rows of a window as one frame."""
    return pd.concat(read_files(window, reference), ignore_index=True)
