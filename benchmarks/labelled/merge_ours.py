"""Our merge, as a process: ``merge_ours.py [--index] CAPTURES LABELS OUTPUT``.

``--index`` also makes the key indexes that an hourly run needs, which reads everything once more.
"""

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.ground_truth_join import HourCaptures, join_labels
from watchkeeper.analysis.ground_truth_labels import LabelFile
from watchkeeper.analysis.key_index import index_captures, index_labels
from watchkeeper.analysis.merged_parts import MergedParts

COLLECTED = datetime(2026, 11, 2, 6, tzinfo=UTC)
_CHUNK_BYTES = 1 << 20


def merge(captures: Path, labels: Path, output: Path, *, with_index: bool) -> list[Path]:
    """Write the merged records of all captured lines that have a label, and return the files."""
    captured = sorted(captures.rglob("*.jsonl"))
    given = sorted(labels.glob("*.jsonl"))
    if with_index:
        index_captures(CaptureFile(path.name, chunks(path)) for path in captured)
        for path in given:
            index_labels(LabelFile(path.name, COLLECTED, chunks(path)))
    parts = MergedParts(output)
    with tempfile.TemporaryDirectory() as folder:
        (counts,) = join_labels(
            [HourCaptures("hour", [CaptureFile(path.name, chunks(path)) for path in captured])],
            [LabelFile(path.name, COLLECTED, chunks(path)) for path in given],
            lambda _, block: parts.write(block),
            folder=Path(folder),
            total_bytes=sum(path.stat().st_size for path in (*captured, *given)),
        )
    print(counts)
    return parts.paths


def chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, as an object in S3 is read."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


if __name__ == "__main__":
    options, places = sys.argv[1:-3], sys.argv[-3:]
    merge(*map(Path, places), with_index="--index" in options)
