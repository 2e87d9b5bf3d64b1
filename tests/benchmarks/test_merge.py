"""The merge's contenders join alike, on data that are what the page says. Never speed."""

import json
from pathlib import Path

import pytest

from benchmarks.capture_generator import make_window
from benchmarks.contenders import FOLDER, Workspace
from benchmarks.label_generator import make_labels
from benchmarks.merge import CONTENDERS, OURS, OURS_INDEXED, PANDAS, result_table, run, target_list
from benchmarks.process_meter import Measurement

MIB = 2**20
ROWS = 2000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    space = Workspace(tmp_path_factory.mktemp("bench"))
    make_window(space.folder, ROWS)
    labels = space.folder / "labels"
    make_labels(space.window(ROWS), labels)
    return space, labels


def test_there_is_one_label_for_every_captured_line_in_another_order(data: tuple[Workspace, Path]) -> None:
    space, labels = data
    (path,) = make_labels(space.window(ROWS), labels)
    given = [json.loads(line)["eventMetadata"]["eventId"] for line in path.read_text().splitlines()]
    (window,) = space.window(ROWS).rglob("*.jsonl")
    captured = [json.loads(line)["eventMetadata"]["eventId"] for line in window.read_text().splitlines()]
    assert given != captured
    assert sorted(given) == sorted(captured)
    assert path.stat().st_size / ROWS == pytest.approx(136, abs=1)


def test_contenders_join_alike(data: tuple[Workspace, Path]) -> None:
    space, labels = data
    found = {}
    for contender in CONTENDERS:
        run(space, contender, space.window(ROWS), labels)
        lines = [
            json.loads(line)
            for path in space.output(f"merge-{contender.key}").glob("*.jsonl")
            for line in path.read_text().splitlines()
        ]
        found[contender.key] = sorted(
            (line["key"], str(line["label"]))
            if contender.key == PANDAS
            else (line["eventMetadata"]["eventId"], line["groundTruthData"]["data"])
            for line in lines
        )
    assert found[OURS] == found[OURS_INDEXED] == found[PANDAS]
    assert len(found[OURS]) == ROWS


def test_the_table_and_the_targets_are_arithmetic_on_what_was_measured() -> None:
    results = {
        OURS: [Measurement(7.0, 5.0, 150 * MIB)],
        OURS_INDEXED: [Measurement(9.0, 21.0, 160 * MIB)],
        PANDAS: [Measurement(9.0, 10.0, 2000 * MIB)],
    }
    assert "| pandas `merge` | 9.00 | 10.00 | 10.00 | 2,000 | 100 | 2.00× |" in result_table(results, 1000)
    assert [line.partition(":")[0] for line in target_list(results).splitlines()] == ["- **not met**", "- met"]


def test_every_contender_is_a_script_of_its_own() -> None:
    assert all((FOLDER / "labelled" / contender.script).is_file() for contender in CONTENDERS)
