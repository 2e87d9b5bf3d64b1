"""Attributions in Airflow: a top driver that changes is flagged, through a shadow endpoint that is gone after."""

import json
import random
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.conftest import World
from watchkeeper.registry.capture_window import HOUR, Window

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


def serve(world: World, **config: object) -> None:
    """Put a model that tells prices in service, and write the houses that it was trained on."""
    from sandbox.linear_model import LinearModel

    known = houses(500, same_size=False, seed=1)
    columns = {name: [row[place] for row in known] for place, name in enumerate(FEATURES)}
    target = [price(*row) for row in known]
    model = LinearModel.train(columns, kind="quantity", inputs=FEATURES, target=target, output="price")
    world.put("model.tar.gz", model.to_artifact())
    world.put("train.csv", "\n".join([",".join(FEATURES), *(",".join(map(str, row)) for row in known)]) + "\n")
    rows = [",".join(map(str, (price(*row), *row))) for row in known]
    world.put("answered.csv", "\n".join([",".join(("price", *FEATURES)), *rows]) + "\n")
    client, name = world.sandbox.client("sagemaker"), f"{world.name}-flights"
    artifact = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
    client.create_model(ModelName=name, ExecutionRoleArn="arn:aws:iam::123456789012:role/r", PrimaryContainer=artifact)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **config)
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


@pytest.fixture
def broker(world: World) -> World:
    """A live endpoint that tells prices, whose baseline was made of houses of all sizes."""
    serve(world)
    declare(world)
    assert str(world.run("baseline").state) == "success"
    return world


def declare(world: World, *, data_quality: bool = False, **changes: object) -> None:
    capture = {"s3_uri": f"s3://{world.captures}/data", "input_columns": list(FEATURES), "output_columns": ["price"]}
    world.endpoint(
        capture=capture,
        monitors={
            "data_quality": {"enabled": data_quality, "minimum_rows": 1},
            "explainability": {**MONITOR, **changes},
        },
        baseline={
            **({"dataset": f"s3://{world.captures}/answered.csv"} if data_quality else {}),
            "explainability": {"dataset": f"s3://{world.captures}/train.csv"},
        },
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


LIVE = {"live": {"requests_per_second": 100}}


def captured_ids(world: World) -> list[str]:
    """Return the inference ids of all that the endpoint itself has captured."""
    name = f"{world.name}-flights"
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.captures, Prefix=f"live/{name}/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    bodies = [world.s3.get_object(Bucket=world.captures, Key=key)["Body"].read() for key in keys]
    lines = [json.loads(line) for body in bodies for line in body.splitlines()]
    return [line["eventMetadata"].get("inferenceId", "") for line in lines]


def probe_counts(world: World) -> int:
    found = world.stored("probes/")
    return sum(json.loads(world.read(key))["request_count"] for key in found)


def invocations(world: World, since: Window) -> float:
    found = world.sandbox.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": f"{world.name}-flights"},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        StartTime=since.start,
        EndTime=datetime.now(UTC) + HOUR,
        Period=3600,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def analyze(hour: Window) -> None:
    """Judge data quality of an hour that is not over."""
    from watchkeeper.operators.analyze_window import AnalyzeWindowOperator

    AnalyzeWindowOperator(task_id="analyze", work={"flights": [hour.name]}).execute({})


def test_the_live_endpoint_is_asked_by_opt_in_and_its_requests_are_no_traffic(world: World, hour: Window) -> None:
    destination = f"s3://{world.captures}/live"
    serve(
        world,
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": destination,
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        },
    )
    began = Window.hour_of(datetime.now(UTC))
    declare(world, data_quality=True, model=LIVE)
    assert str(world.run("baseline").state) == "success"
    quiet = hour.shifted(-HOUR)
    asked(world, quiet, same_size=False)
    asked(world, hour, same_size=True)
    assert str(world.judge(Window(quiet.start, hour.end)).state) == "success"
    assert [verdict(world, window)["verdict"] for window in (quiet, hour)] == ["ok", "violated"]
    assert shadows(world) == []
    runtime = world.sandbox.client("sagemaker-runtime")
    for number, row in enumerate(houses(3, same_size=False, seed=9)):
        body, key = ",".join(map(str, row)), f"house-{number}"
        runtime.invoke_endpoint(
            EndpointName=f"{world.name}-flights", ContentType="text/csv", Body=body, InferenceId=key
        )
    ours = probe_counts(world)
    assert ours >= 6, "a baseline and two windows, each two requests or more"

    deadline = time.monotonic() + 60
    while len(ids := captured_ids(world)) < ours + 3:
        assert time.monotonic() < deadline, ids
        time.sleep(0.5)
    assert sorted(key for key in ids if not key.startswith("watchkeeper-explain-")) == ["house-0", "house-1", "house-2"]
    assert len(set(ids)) == ours + 3, "each request of ours has an id of its own"

    # CloudWatch hears of invocations some seconds after they were captured.
    while invocations(world, began) < ours + 3:
        assert time.monotonic() < deadline
        time.sleep(0.5)

    # What the endpoint captured is judged where it lies: three callers' rows, and as many invocations.
    declare(world, data_quality=True, model=LIVE)
    path = world.folder / "flights.yaml"
    path.write_text(path.read_text().replace(f"s3://{world.captures}/data", destination))
    hours = list(dict.fromkeys((began, Window.hour_of(datetime.now(UTC)))))
    for moment in hours:
        analyze(moment)
    results = [world.result(moment) for moment in hours]
    assert sum(result["row_count"] for result in results) == 3
    assert sum(result["captured_count"] for result in results) == 3
    assert sum(result["malformed_count"] for result in results) == 0
    assert sum(result["invocation_count"] or 0 for result in results) == 3


def test_more_rows_than_a_live_endpoint_may_be_asked_are_refused_before_the_first(broker: World, hour: Window) -> None:
    asked(broker, hour, same_size=False)
    declare(broker, model={"live": {"requests_per_second": 100, "maximum_rows": 500}})
    assert str(broker.judge(hour).state) == "failed"
    result = verdict(broker, hour)
    assert result["verdict"] == "failed"
    assert "of maximum_rows 500 are left" in result["reason"]
    assert probe_counts(broker) == 0


def test_a_trees_file_in_s3_is_explained_without_asking_anybody(world: World, hour: Window) -> None:
    from tests.operators.tree_file import tree_file

    world.put(
        "model.tar.gz",
        tree_file(lambda size, place, age: price(size, 2 * place, age), highs=(200, 10, 100), packed=True),
    )
    known = houses(500, same_size=False, seed=1)
    world.put("train.csv", "\n".join([",".join(FEATURES), *(",".join(map(str, row)) for row in known)]) + "\n")
    declare(world, model={"artefact": f"s3://{world.captures}/model.tar.gz"})
    assert str(world.run("baseline").state) == "success"
    quiet = hour.shifted(-HOUR)
    asked(world, quiet, same_size=False)
    asked(world, hour, same_size=True)
    for window in (quiet, hour):
        assert str(world.judge(window).state) == "success"
    assert [verdict(world, window)["verdict"] for window in (quiet, hour)] == ["ok", "violated"]
    assert "size" in verdict(world, hour)["reason"]
    assert "place" in verdict(world, hour)["reason"]
    assert world.stored("probes/") == {}
    assert shadows(world) == []


def test_a_model_that_answers_errors_is_failed_with_its_reason(broker: World, hour: Window) -> None:
    asked(broker, hour, same_size=False)
    declare(broker, request={"content_type": "application/json", "content_template": '{"rows": $records}'})
    run = broker.judge(hour)
    assert str(run.state) == "failed"
    result = verdict(broker, hour)
    assert result["verdict"] == "failed"
    assert shadows(broker) == []
