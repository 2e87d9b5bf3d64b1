"""Distances that deequ's own class computed for the churn columns, against the ``compatible`` distance."""

import json
from itertools import cycle, islice
from pathlib import Path

import pytest

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.dataset_profile import profile_csv
from watchkeeper.analysis.distribution_distance import numerical_distance

WINDOW_ROWS = 1977


def test_all_distances_are_deequs(real_data: Path, churn: Path) -> None:
    cases = json.loads((real_data / "deequ_engine" / "distances_churn.json").read_bytes())["cases"]
    assert len(cases) == 69
    baseline = profile_csv([CaptureFile("training", [(churn / "training-dataset-with-header.csv").read_bytes()])])
    rows = (churn / "test-dataset-input-cols.csv").read_text().splitlines()
    traffic = "\n".join(islice(cycle(rows), WINDOW_ROWS)).encode()
    window = profile_csv(
        [CaptureFile("window", [traffic])], header=False, columns=[name for name in baseline.columns if name != "Churn"]
    )
    assert window.row_count == WINDOW_ROWS
    for case in cases:
        before, now = baseline.columns[case["name"]].quantiles, window.columns[case["name"]].quantiles
        assert before is not None
        assert now is not None
        distance = numerical_distance(before, now, collapsed=True)
        assert (distance.baseline_size, distance.window_size) == (case["baseline_n"], case["current_n"]), case["name"]
        assert distance.simple == pytest.approx(case["linf_simple"], rel=1e-14, abs=1e-16), case["name"]
        assert distance.robust == pytest.approx(case["linf_robust"], rel=1e-14, abs=1e-16), case["name"]
