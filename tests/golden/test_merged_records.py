"""The merge of SageMaker's own captures and labels, beside records that its merge job wrote."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.ground_truth_join import HourCaptures, join_labels
from watchkeeper.analysis.ground_truth_labels import LabelFile

MERGED = ("endpoint_json_adult_334_records", "endpoint_jsonlines_adult", "batch_csv_churn", "batch_json_adult")


def merge(captures, labels):
    written = []
    with tempfile.TemporaryDirectory() as folder:
        (counts,) = join_labels(
            [HourCaptures("hour", [CaptureFile("capture", [captures])])],
            [LabelFile("labels", datetime(2026, 1, 1, tzinfo=UTC), [labels])],
            lambda _, block: written.append(block),
            folder=Path(folder),
            total_bytes=len(captures) + len(labels),
        )
    return counts, [line for block in written for line in block.splitlines()]


def test_the_sdks_pair_gives_44_merged_records(real_data):
    captures = (real_data / "capture" / "sdk_test_capture.jsonl").read_bytes()
    labels = (real_data / "ground_truth" / "sdk_test_actuals.jsonl").read_bytes()
    counts, lines = merge(captures, labels)
    assert (counts.captured_count, counts.matched_count, len(lines)) == (44, 44, 44)
    assert {tuple(json.loads(line)) for line in lines} == {
        ("captureData", "eventMetadata", "eventVersion", "groundTruthData")
    }


@pytest.mark.parametrize("name", MERGED)
def test_a_record_of_the_merge_job_is_what_its_capture_and_label_give(real_data, name):
    """Taken apart and merged again; the files keep no order of keys, so the order is that of the contract."""
    merged = json.loads((real_data / "merged" / f"{name}.json").read_text())
    label = {"groundTruthData": merged["groundTruthData"], "eventVersion": "0"}
    metadata = merged["eventMetadata"]
    label["eventMetadata"] = {"eventId": metadata.get("inferenceId") or metadata["eventId"]}
    capture = {key: value for key, value in reversed(merged.items()) if key != "groundTruthData"}
    _, (line,) = merge(json.dumps(capture).encode(), json.dumps(label).encode())
    assert line.decode() == json.dumps(merged, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
