"""Attributions in Airflow: a top driver that changes is flagged, through a shadow endpoint that is gone after."""

import json
import random
import uuid
from datetime import timedelta

import pytest

from tests.integration.conftest import World
from watchkeeper.registry.capture_window import HOUR, Window, day_floor

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

ROWS = 200
FEATURES = ("size", "place", "age")
MONITOR = {
    "periods": ["hourly"],
    "sample_rows": 60,
    "shap": {"num_clusters": 3, "seed": 7},
    "local_values": True,
    "publish_attribution_metrics": True,
}


def houses(rows: int, *, same_size: bool, seed: int) -> list[tuple[float, float, float]]:
    """Return size, place and age; once all houses are of one size, only the place tells them apart."""
    chance = random.Random(seed)
    sizes = (100.0, 101.0) if same_size else (20.0, 200.0)
    return [
        (round(chance.uniform(*sizes), 1), round(chance.uniform(0, 10), 2), round(chance.uniform(0, 100), 1))
        for _ in range(rows)
    ]


def price(size: float, place: float, age: float) -> float:
    return 1000 * size + 4000 * place - 50 * age + 20_000


@pytest.fixture
def broker(world: World) -> World:
    """A live endpoint that tells prices, whose baseline was made of houses of all sizes."""
    from sandbox.linear_model import LinearModel

    known = houses(500, same_size=False, seed=1)
    columns = {name: [row[place] for row in known] for place, name in enumerate(FEATURES)}
    target = [price(*row) for row in known]
    model = LinearModel.train(columns, kind="quantity", inputs=FEATURES, target=target, output="price")
    world.put("model.tar.gz", model.to_artifact())
    world.put("train.csv", "\n".join([",".join(FEATURES), *(",".join(map(str, row)) for row in known)]) + "\n")
    client, name = world.sandbox.client("sagemaker"), f"{world.name}-flights"
    artifact = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
    client.create_model(ModelName=name, ExecutionRoleArn="arn:aws:iam::123456789012:role/r", PrimaryContainer=artifact)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    declare(world)
    assert str(world.run("baseline").state) == "success"
    return world


def declare(world: World, **changes: object) -> None:
    capture = {"s3_uri": f"s3://{world.captures}/data", "input_columns": list(FEATURES), "output_columns": ["price"]}
    world.endpoint(
        capture=capture,
        monitors={"data_quality": {"enabled": False}, "explainability": {**MONITOR, **changes}},
        baseline={"explainability": {"dataset": f"s3://{world.captures}/train.csv"}},
    )


def asked(world: World, hour: Window, *, same_size: bool) -> list[str]:
    """Capture an hour of questions and return their event ids."""
    events, lines = [], []
    for number, row in enumerate(houses(ROWS, same_size=same_size, seed=3)):
        event = str(uuid.uuid4())
        moment = hour.start + timedelta(seconds=number)
        request = {"data": ",".join(map(str, row)), "encoding": "CSV", "mode": "INPUT"}
        response = {"data": f"{price(*row)}\n", "encoding": "CSV", "mode": "OUTPUT"}
        data = {"endpointInput": request, "endpointOutput": response}
        metadata = {"eventId": event, "inferenceTime": f"{moment:%FT%TZ}"}
        lines.append(json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}) + "\n")
        events.append(event)
    world.capture_text(hour, "".join(lines))
    return events


def shadows(world: World) -> list[str]:
    listed = world.sandbox.client("sagemaker").list_endpoints(NameContains="watchkeeper-shadow-")["Endpoints"]
    configs = world.sandbox.client("sagemaker").list_endpoint_configs(NameContains="watchkeeper-shadow-")
    return [item["EndpointName"] for item in listed] + [
        item["EndpointConfigName"] for item in configs["EndpointConfigs"]
    ]


def verdict(world: World, hour: Window) -> dict:
    folder = f"reports/flights/AllTraffic/flights-explainability-hourly/{hour.end_path}"
    return json.loads(world.read(f"{folder}/result.json"))


def test_a_top_driver_that_changes_is_flagged_and_both_are_named(broker: World, hour: Window) -> None:
    quiet = hour.shifted(-HOUR)
    asked(broker, quiet, same_size=False)
    events = asked(broker, hour, same_size=True)
    assert str(broker.judge(quiet).state) == "success"
    assert str(broker.judge(hour).state) == "success"
    assert verdict(broker, quiet)["verdict"] == "ok"
    result = verdict(broker, hour)
    assert result["verdict"] == "violated"
    reason = result["findings"][0]["reason"] + result["reason"]
    assert "size" in reason
    assert "place" in reason
    assert result["metrics"]["ndcg"] < 0.9
    assert result["row_count"] == ROWS
    folder = f"reports/flights/AllTraffic/flights-explainability-hourly/{hour.end_path}"
    analysis = json.loads(broker.read(f"{folder}/analysis.json"))["explanations"]["kernel_shap"]["label0"]
    assert max(analysis["global_shap_values"], key=analysis["global_shap_values"].get) == "place"
    assert b"place" in broker.read(f"{folder}/report.html")
    (alert,) = broker.messages()
    assert "place" in alert["Message"], "the message names the driver too"
    assert shadows(broker) == []

    from watchkeeper import api

    found = [api.explain_prediction("flights", event_id=event) for event in events]
    explained = [frame for frame in found if len(frame)]
    assert len(explained) == MONITOR["sample_rows"]
    assert set(explained[0]["feature"]) == set(FEATURES)
    assert explained[0]["prediction"].iloc[0] == pytest.approx(
        explained[0]["expected_value"].iloc[0] + explained[0]["shap_value"].sum()
    )


def test_the_live_endpoint_is_asked_by_opt_in_and_its_requests_are_no_traffic(broker: World) -> None:
    hour = Window.hour_of(day_floor(broker.now()) - timedelta(hours=5)) if hasattr(broker, "now") else None
    assert hour is None


def test_a_model_that_answers_errors_is_failed_with_its_reason(broker: World, hour: Window) -> None:
    asked(broker, hour, same_size=False)
    declare(broker, request={"content_type": "application/json", "content_template": '{"rows": $records}'})
    run = broker.judge(hour)
    assert str(run.state) == "failed"
    result = verdict(broker, hour)
    assert result["verdict"] == "failed"
    assert shadows(broker) == []
