"""The contenders of bias measure alike, on data that are what the page says. Never speed."""

import json
import math
from pathlib import Path

import pytest

from benchmarks.bias import (
    CONTENDERS,
    OURS,
    OURS_FLIP_SMALL,
    PEER,
    PEER_FLIP_SMALL,
    make_baseline,
    result_tables,
    run,
    target_list,
)
from benchmarks.bias_generator import FACETS, FEATURES, make_records
from benchmarks.contenders import Workspace
from benchmarks.process_meter import Measurement

ROWS = 3000
BY_KEY = {contender.key: contender for contender in CONTENDERS}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("bench"))
    make_records(space.folder / "records", ROWS)
    make_baseline(space, space.folder / "records")
    return space


def test_records_have_as_many_bytes_and_features_as_the_page_says(space: Workspace) -> None:
    (path,) = make_records(space.folder / "records", ROWS)
    lines = path.read_text().splitlines()
    assert len(lines) == ROWS
    assert path.stat().st_size / ROWS == pytest.approx(450, abs=15)
    assert {len(json.loads(line)["captureData"]["endpointInput"]["data"].split(",")) for line in lines} == {12}
    assert len(FEATURES) == 12


@pytest.mark.parametrize(("ours", "theirs"), [(OURS, PEER), (OURS_FLIP_SMALL, PEER_FLIP_SMALL)])
def test_both_find_the_same_numbers(space: Workspace, ours: str, theirs: str) -> None:
    for key in (ours, theirs):
        run(space, BY_KEY[key], space.folder / "records")
    mine = json.loads((space.output(f"bias-{ours}") / "analysis.json").read_bytes())
    peer = json.loads((space.output(f"bias-{theirs}") / "analysis.json").read_bytes())
    for stage, metrics in (("pre_training", 8), ("post_training", 13 if ours == OURS_FLIP_SMALL else 12)):
        for facet in FACETS:
            (entry,), (wanted,) = mine[f"{stage}_bias_metrics"]["facets"][facet], peer[stage][facet]
            assert entry["value_or_threshold"] == wanted["value_or_threshold"]
            assert len(entry["metrics"]) == metrics
            for metric, other in zip(entry["metrics"], wanted["metrics"], strict=True):
                assert metric["name"] == other["name"]
                assert math.isclose(metric["value"], other["value"], rel_tol=1e-12, abs_tol=1e-14)


def test_the_page_says_whether_targets_are_met() -> None:
    runs = {contender.key: [Measurement(3.0, 2.5, 150 * 2**20)] for contender in CONTENDERS}
    runs[PEER] = [Measurement(11.0, 10.0, 500 * 2**20)]
    assert [line.split(":")[0] for line in target_list(runs).splitlines()] == ["- met"] * 3
    assert "times smclarify of 20 metrics of 1,000,000 rows: 4.0 (wanted ≥ 3)" in target_list(runs)
    runs[OURS] = [Measurement(9.0, 9.0, 300 * 2**20)]
    assert [line.split(":")[0] for line in target_list(runs).splitlines()] == ["- **not met**"] * 3
    counted, flipped = result_tables(runs)
    assert "| smclarify, 20 metrics | 11.00 | 10.00 | 10.00 | 500 | 100,000 | 1.11× |" in counted
    assert flipped.startswith("| 100,000 rows, 3 facets |")


def test_the_page_has_its_place() -> None:
    page = (Path(__file__).parents[2] / "docs/benchmarks.md").read_text()
    assert "measured: written by make bench SUITE=bias" in page
    assert "<!-- /measured bias -->" in page
