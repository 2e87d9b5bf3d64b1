"""The contenders of attributions find the same numbers, and are counted as they ask. Never speed."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.attribution import (
    BY_ENDPOINT,
    CONTENDERS,
    FEATURES,
    IN_PROCESS,
    OURS_CPU,
    OURS_ENDPOINT,
    SHAP_CPU,
    SHAP_ENDPOINT,
    TREES,
    AttributionContender,
    Explained,
    make_model,
    result_tables,
    run,
    target_list,
)
from benchmarks.contenders import Workspace
from benchmarks.peer_environment import FOLDER
from benchmarks.process_meter import Measurement

ROWS = 3
BY_KEY = {contender.key: contender for contender in CONTENDERS}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace(tmp_path_factory.mktemp("bench"))
    make_model(found)
    return found


def explained(space: Workspace, contender: AttributionContender) -> tuple[Explained, np.ndarray]:
    found = run(space, contender, ROWS)
    return found, np.load(space.output(f"explained-{contender.key}") / "values.npy")


@pytest.mark.parametrize(("ours", "theirs"), [(OURS_CPU, SHAP_CPU), (OURS_ENDPOINT, SHAP_ENDPOINT)])
def test_contenders_find_the_same_and_ask_as_often_as_they_say(space: Workspace, ours: str, theirs: str) -> None:
    our_run, our_values = explained(space, BY_KEY[ours])
    their_run, their_values = explained(space, BY_KEY[theirs])
    assert our_values.shape == (ROWS, FEATURES)
    assert our_values == pytest.approx(their_values, abs=1e-9)
    assert np.abs(our_values).max() > 0.01
    assert our_run.calls == 2
    assert their_run.calls == 1 + 2 * ROWS
    assert our_run.rows_asked <= their_run.rows_asked == 1 + ROWS + ROWS * 2088
    assert our_run.requests == our_run.calls


def test_the_trees_are_explained_without_asking(space: Workspace) -> None:
    found, values = explained(space, BY_KEY[TREES])
    assert (found.calls, found.rows_asked) == (0, 0)
    assert values.shape == (ROWS, FEATURES)
    assert np.abs(values).sum() > 1


def test_the_model_is_made_once(space: Workspace) -> None:
    path = space.folder / "explained" / "model.txt"
    made = path.stat().st_mtime_ns
    make_model(space)
    assert path.stat().st_mtime_ns == made


def test_the_tables_and_the_targets_are_arithmetic_on_what_was_measured() -> None:
    cost = Measurement(7.0, 5.0, 150 * 2**20)
    results = {
        OURS_CPU: [Explained(cost, 10.0, 12, 40, 1_000_000)],
        SHAP_CPU: [Explained(cost, 15.0, 1001, 1001, 1_044_501)],
        TREES: [Explained(cost, 0.5, 0, 0, 0)],
        OURS_ENDPOINT: [Explained(cost, seconds, 22, 40, 1_000_000) for seconds in (9.0, 20.0, 11.0)],
        SHAP_ENDPOINT: [Explained(cost, 5.5, 1001, 1001, 1_044_501)],
    }
    inside, behind = result_tables(results, 500)
    assert "| shap, row by row | 15.00 | 5.00 | 150 | 1,001 | 1,001 | 1,044,501 | 33.3 | 1.50× |" in inside
    assert "| **Watchkeeper**, KernelSHAP | 11.00 | 5.00 | 150 | 22 | 40 | 1,000,000 | 45.5 | 1.00× |" in behind
    verdicts = [line.partition(":")[0] for line in target_list(results, 500).splitlines()]
    assert verdicts == ["- **not met**", "- met", "- **not met**"]


def test_every_contender_is_a_script_of_its_own() -> None:
    assert {contender.kind for contender in IN_PROCESS} == {"cpu"}
    assert {contender.kind for contender in BY_ENDPOINT} == {"endpoint"}
    assert all((FOLDER / "explained" / contender.script).is_file() for contender in CONTENDERS)
    source = Path(FOLDER / "explained" / "served_model.py").read_text()
    assert f"FEATURES = {FEATURES}\n" in source
