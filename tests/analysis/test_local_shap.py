"""Local attributions: kept by id, found by id, adding up to the answer."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.analysis.attribution_samples import file_of, input_line
from watchkeeper.analysis.attribution_sample import SampledRows, sample_rows
from watchkeeper.analysis.explanation import Explanation
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.kernel_shap import explain
from watchkeeper.analysis.local_shap import encode_local_shap, find_local_shap
from watchkeeper.analysis.shap_background import Background
from watchkeeper.errors import DocumentError

LINES = [
    input_line("1,2\n3,4", "event-b", inference_id="order-1"),
    input_line("5,6", "event-a", inference_id="order-2"),
    input_line("7,8", "event-c"),
]


def answers(rows: pl.DataFrame) -> np.ndarray:
    total = rows.sum_horizontal().to_numpy().astype(np.float64)
    return np.stack([total, -2 * total], axis=1)


@pytest.fixture(scope="module")
def explained() -> tuple[SampledRows, Explanation]:
    sampled = sample_rows([file_of(LINES)], FeatureReader(("label", "event_id")))
    background = Background(pl.DataFrame({"label": [0], "event_id": [0]}), np.ones(1))
    return sampled, explain(answers, sampled.rows, background)


def test_an_event_is_found_with_all_its_rows_and_labels(explained: tuple[SampledRows, Explanation]) -> None:
    stored = encode_local_shap(*explained, ["up", "down"])
    found = find_local_shap(stored, event_id="event-b")
    assert [(line.row_number, line.label, line.prediction) for line in found] == [
        (0, "down", pytest.approx(-6)),
        (0, "up", pytest.approx(3)),
        (1, "down", pytest.approx(-14)),
        (1, "up", pytest.approx(7)),
    ]
    # Features may be called like a column of ours.
    assert found[1].shap_values == {"label": pytest.approx(1), "event_id": pytest.approx(2)}
    assert found[1].drivers[0][0] == "event_id"
    assert {line.inference_id for line in found} == {"order-1"}
    assert found[0].inference_time == "2026-11-25T01:00:00Z"


def test_a_callers_own_id_finds_the_same(explained: tuple[SampledRows, Explanation], tmp_path: Path) -> None:
    path = tmp_path / "local_shap.parquet"
    path.write_bytes(encode_local_shap(*explained))
    (first, second) = find_local_shap(path, inference_id="order-2")
    assert (first.event_id, first.label, second.label) == ("event-a", "label0", "label1")
    assert find_local_shap(path, event_id="never sampled") == []


def test_lines_are_sorted_and_equal_input_gives_equal_bytes(explained: tuple[SampledRows, Explanation]) -> None:
    sampled, explanation = explained
    stored = encode_local_shap(sampled, explanation)
    assert stored == encode_local_shap(sampled, explanation)
    frame = pl.read_parquet(stored)
    assert frame["event_id"].to_list() == sorted(["event-a"] * 2 + ["event-b"] * 4 + ["event-c"] * 2)
    assert frame.schema["shap_values"] == pl.Struct({"label": pl.Float64, "event_id": pl.Float64})


def test_one_id_is_needed_and_not_two(explained: tuple[SampledRows, Explanation]) -> None:
    stored = encode_local_shap(*explained)
    for ids in ({}, {"event_id": "a", "inference_id": "b"}):
        with pytest.raises(ValueError, match="an event_id or an inference_id"):
            find_local_shap(stored, **ids)


@pytest.mark.parametrize("data", [b"", b"not parquet"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"hour\.parquet: it cannot be read"):
        find_local_shap(data, event_id="a", name="hour.parquet")


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pl.DataFrame({"event_id": ["a"]}).write_parquet(path)
    with pytest.raises(DocumentError, match="it cannot be read"):
        find_local_shap(path, event_id="a")
    with pytest.raises(DocumentError, match="it cannot be read"):
        find_local_shap(tmp_path / "missing.parquet", event_id="a")
