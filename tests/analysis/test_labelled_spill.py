"""Rows of many files in one order: the same as if they had been one file."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.analysis.labelled_spill import LabelledSpill
from watchkeeper.analysis.training_table import TableSchema, read_labelled

SCHEMA = TableSchema(("a",), "label")


def line(second: int, number: int) -> bytes:
    def side(text: str) -> dict[str, str]:
        return {"data": text, "encoding": "CSV"}

    record = {
        "captureData": {
            "endpointInput": side(f"é,{number}" if number % 5 == 4 else "é"),
            "endpointOutput": side("0.5"),
        },
        "eventMetadata": {"eventId": f"e{number}", "inferenceTime": f"2026-11-01T05:00:{second:02}Z"},
        "groundTruthData": side("1"),
    }
    return json.dumps(record).encode()


@given(st.lists(st.lists(st.integers(0, 59), max_size=6), max_size=5))
def test_files_give_the_rows_that_one_file_would(tmp_path_factory: object, files: list[list[int]]) -> None:
    folder: Path = tmp_path_factory.mktemp("spill")  # type: ignore[attr-defined]
    spill, every, number = LabelledSpill(folder, SCHEMA), [], 0
    for seconds in files:
        lines = [line(second, number := number + 1) for second in seconds]
        spill.read(lines)
        every += lines
    whole = read_labelled(every, SCHEMA)
    assert tuple(spill.rows()) == whole.rows
    assert dict(spill.skipped) == whole.skipped
    assert list(folder.iterdir()) == [], "nothing is left behind"
