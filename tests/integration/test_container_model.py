"""The container entry with a model in SageMaker: asked through an endpoint of its own, which never stays."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.integration.test_model_reach import Live, live, probability, sandbox  # noqa: F401 - fixtures
from tests.sandbox_process import ROOT
from tests.test_container import message, output, put

pytestmark = pytest.mark.sandbox

ROWS = pl.DataFrame(
    {
        "size": [(i * 37 % 23 - 11) / 2 for i in range(120)],
        "rooms": [i % 5 for i in range(120)],
        "sold": [int(i * 37 % 23 + i % 3 * 4 > 13) for i in range(120)],
    }
)
SCORES = [probability(size, rooms) for size, rooms, _ in ROWS.rows()]
TEMPLATES = {"content_type": "application/json", "accept_type": "application/json"} | {
    "content_template": '{"instances":$records}',
    "record_template": '{"features":$features}',
    "probability": "predictions[*].score",
}


def config(predictor: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset_type": "text/csv",
        "headers": ROWS.columns,
        "label": "sold",
        "label_values_or_threshold": [1],
        "probability_threshold": 0.6,
        "facet": [{"name_or_index": "rooms", "value_or_threshold": [0, 1]}],
        "methods": {
            "pre_training_bias": {"methods": ["DPL"]},
            "post_training_bias": {"methods": ["DPPL"]},
            "shap": {"baseline": [[0.0, 0]], "save_local_shap_values": True},
        },
        "predictor": predictor,
    }


def start(root: Path, served: Live, predictor: dict[str, Any], rows: pl.DataFrame = ROWS) -> subprocess.Popen[str]:
    put(root, "processing/input/config/analysis_config.json", json.dumps(config(predictor)))
    put(root, "processing/input/data/data.csv", rows.write_csv(include_header=False))
    given = {name: value for name, value in os.environ.items() if not name.islower()}
    return subprocess.Popen(
        [sys.executable, "-m", "watchkeeper.container", "--root", str(root)],
        env=given | served.sandbox.environment | {"PYTHONPATH": str(ROOT / "plugins")},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("way", ["model", "endpoint", "json"])
def test_the_model_is_asked_and_the_live_endpoint_is_left_alone(tmp_path: Path, live: Live, way: str) -> None:  # noqa: F811
    hardware = {"instance_type": "ml.m5.large", "initial_instance_count": 1}
    predictor = {"endpoint_name": live.name} if way == "endpoint" else {"model_name": live.name, **hardware}
    process = start(tmp_path, live, predictor | (TEMPLATES if way == "json" else {}))
    _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."
    document = output(tmp_path, "analysis.json")
    (metric,) = document["post_training_bias_metrics"]["facets"]["rooms"][0]["metrics"]
    facet = (ROWS["rooms"] <= 1).to_list()
    rates = [
        sum(score > 0.6 for score, inside in zip(SCORES, facet, strict=True) if inside is side) / facet.count(side)
        for side in (False, True)
    ]
    assert metric["value"] == pytest.approx(rates[0] - rates[1])
    local = pl.read_csv(tmp_path / "processing/output/explanations_shap/out.csv")
    expected = document["explanations"]["kernel_shap"]["label0"]["expected_value"]
    assert local.sum_horizontal().to_list() == pytest.approx([score - expected for score in SCORES], abs=1e-9)
    assert live.names() == set()
    assert live.captures() == []


@pytest.mark.parametrize("moment", ["is being made", "is in service"])
def test_a_stopped_job_leaves_no_endpoint(tmp_path: Path, live: Live, moment: str) -> None:  # noqa: F811
    many = pl.concat([ROWS.with_columns(size=pl.col("size") + i / 100_000) for i in range(2_000)])
    process = start(tmp_path, live, {"endpoint_name": live.name}, many)
    assert process.stderr is not None
    for line in process.stderr:
        if moment in line:
            break
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, log
    assert "is deleted" in log
    assert live.names() == set()
    assert message(tmp_path) == "Failed: the job was stopped"


def test_a_model_that_does_not_exist_is_told_by_sagemakers_words(tmp_path: Path, live: Live) -> None:  # noqa: F811
    process = start(tmp_path, live, {"model_name": "nobody", "instance_type": "ml.m5.large"})
    process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Could not find model" in message(tmp_path)
    assert live.names() == set()
