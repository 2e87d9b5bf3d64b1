"""Bias in Airflow: a model that turns against a group is found by the labels that come, beside model quality."""

import json
import random
import uuid
from datetime import timedelta

import pytest

from tests.integration.conftest import World
from watchkeeper.registry.capture_window import Window

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

ROWS = 400
FACETS = [{"name": "sex", "values_or_threshold": ["f"]}]
MONITOR = {"facets": FACETS, "periods": ["hourly"], "minimum_rows": 50, "publish_bias_metrics": True}


def decisions(rows: int, *, against: float, seed: int) -> list[tuple[str, float, int, int]]:
    """Return sex, amount, label and prediction; the share of women who should get a loan and do not is ``against``."""
    chance = random.Random(seed)
    found = []
    for _ in range(rows):
        sex, amount = chance.choice("fm"), round(chance.uniform(1, 100), 2)
        label = int(chance.random() < 0.5)
        prediction = label if chance.random() < 0.95 else 1 - label
        if sex == "f" and chance.random() < against:
            prediction = 0
        found.append((sex, amount, label, prediction))
    return found


@pytest.fixture
def lender(world: World) -> World:
    """An endpoint whose model treated both groups alike when its baseline was made."""
    world.endpoint(
        capture={
            "s3_uri": f"s3://{world.captures}/data",
            "input_columns": ["sex", "amount"],
            "output_columns": ["loan"],
        },
        ground_truth={"s3_uri": f"s3://{world.captures}/truth", "waiting_hours": 2, "horizon_days": 1},
        monitors={
            "data_quality": {"enabled": False},
            "bias": {**MONITOR, "label_values_or_threshold": [1], "inference_attribute": "loan"},
        },
        baseline={"bias": {"dataset": f"s3://{world.captures}/decisions.csv"}},
    )
    lines = ["sex,amount,label,loan", *(",".join(map(str, row)) for row in decisions(2000, against=0.0, seed=1))]
    world.put("decisions.csv", "\n".join(lines) + "\n")
    assert str(world.run("baseline").state) == "success"
    return world


def play(world: World, hour: Window, *, against: float) -> None:
    """Capture an hour of decisions, and deliver all their labels."""
    captured, labels = [], []
    for number, (sex, amount, label, prediction) in enumerate(decisions(ROWS, against=against, seed=2)):
        event = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{hour.start + timedelta(seconds=number):%FT%TZ}"}
        request = {"data": f"{sex},{amount}", "encoding": "CSV", "mode": "INPUT"}
        response = {"data": f"{prediction}\n", "encoding": "CSV", "mode": "OUTPUT"}
        data = {"endpointInput": request, "endpointOutput": response}
        captured.append(json.dumps({"captureData": data, "eventMetadata": event, "eventVersion": "0"}) + "\n")
        truth = {"groundTruthData": {"data": str(label), "encoding": "CSV"}, "eventMetadata": event}
        labels.append(json.dumps(truth) + "\n")
    world.capture_text(hour, "".join(captured))
    world.put(f"truth/{hour.start_path}/0.jsonl", "".join(labels))
    assert str(world.run("ground_truth").state) == "success"
    assert str(world.run("model_quality").state) == "success"


def test_a_fair_hour_is_ok_and_its_documents_are_clarifys(lender: World, hour: Window) -> None:
    play(lender, hour, against=0.0)
    folder = f"reports/flights/AllTraffic/flights-bias-hourly/{hour.end_path}"
    result = json.loads(lender.read(f"{folder}/result.json"))
    assert (result["verdict"], result["row_count"], result["label_state"]) == ("ok", ROWS, "covered")
    analysis = json.loads(lender.read(f"{folder}/analysis.json"))
    (entry,) = analysis["post_training_bias_metrics"]["facets"]["sex"]
    assert entry["value_or_threshold"] == "f"
    assert {metric["name"] for metric in entry["metrics"]} >= {"DPPL", "DI", "AD", "FT"}
    assert b"DPPL" in lender.read(f"{folder}/report.html")
    assert lender.messages() == []


def test_a_model_that_turns_against_a_group_alerts(lender: World, hour: Window) -> None:
    play(lender, hour, against=0.6)
    (row,) = [row for row in lender.ledger().iter_rows(named=True) if row["verdict"] == "violated"]
    violated = {finding["feature"] for finding in row["findings"] if finding["outcome"] == "violated"}
    assert violated >= {"sex=f DPPL", "sex=f DI", "sex=f RD"}
    (alert,) = lender.messages()
    assert alert["MessageAttributes"]["monitor"]["Value"] == "bias"
    assert "bias_drift_check" in alert["Message"]
    metrics = lender.sandbox.client("cloudwatch").list_metrics(Namespace="aws/sagemaker/Endpoints/bias-metrics")
    assert {metric["MetricName"] for metric in metrics["Metrics"]} >= {"bias_metric_DPPL", "bias_metric_CI"}
    before = lender.stored("reports/")
    assert str(lender.run("model_quality").state) == "success"
    assert lender.stored("reports/") == before, "nothing has come, so nothing is written"
