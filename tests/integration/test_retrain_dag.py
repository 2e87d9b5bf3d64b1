"""Retraining in Airflow: a challenger that wins and comes into service, one that loses, and an attempt that fails."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import airflow_home
from tests.integration.conftest import World, load_dag
from watchkeeper.aws import service_trigger
from watchkeeper.aws.action_store import AttemptRecord
from watchkeeper.operators.monitor_base import open_deployment
from watchkeeper.registry.capture_window import Window, moment_text

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

ID = "flights-delay"
ROLE = "arn:aws:iam::123456789012:role/sandbox-sagemaker"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sandbox-linear-model:1"
INPUTS = ["carrier", "origin", "distance", "dep_delay", "recent_delay"]
INPUTS += ["temp", "humidity", "wind_speed", "visibility", "precipitation"]


@pytest.fixture
def live(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """An endpoint in service that captures, is labelled, and has a policy that asks nobody."""
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(airflow_home.REPOSITORY / "include"))
    monkeypatch.setattr(service_trigger, "FIRST_EVENT_SECONDS", 0)
    client, name = world.sandbox.client("sagemaker"), f"{world.name}-{ID}"
    artifact = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
    client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=artifact)
    variant = {"VariantName": "AllTraffic", "ModelName": name}
    client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant | {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{world.captures}/data",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    client.create_model_package_group(ModelPackageGroupName=world.name)
    policy = {
        "pipeline_name": world.name,
        "model_package_group": world.name,
        "role_arn": ROLE,
        "parameters": {"TrainingImage": IMAGE},
        "mode": "automatic",
        "minimum_training_rows": 200,
        "training_days": 1,
        "gate": {"metric": "auc", "evaluation_days": 1, "minimum_rows": 100},
        "deployment": {"mode": "automatic"},
    }
    world.endpoint(
        ID,
        capture={
            "s3_uri": f"s3://{world.captures}/data",
            "input_columns": INPUTS,
            "output_columns": ["late_probability"],
        },
        ground_truth={"s3_uri": f"s3://{world.captures}/truth", "waiting_hours": 2, "horizon_days": 1},
        monitors={
            "model_quality": {"problem_type": "BinaryClassification", "probability_attribute": "late_probability"}
        },
        retraining=policy,
    )
    return world


def traffic(world: World, hour: Window, *, right: float, rows: int = 600) -> None:
    """Capture and label an hour in which a flight is late if it left late, and the champion mostly says so or not."""
    chance = random.Random(3)
    lines, labels = [], []
    for number in range(rows):
        event, delay = str(uuid.uuid4()), round(chance.uniform(-10, 60), 1)
        label = int(delay > 25)
        answer = label if chance.random() < right else 1 - label
        request = ",".join(map(str, ["UA", "EWR", 1000, delay, 5, 50, 60, 8, 10, 0]))
        moment = hour.start + timedelta(seconds=number)
        record = {
            "captureData": {
                "endpointInput": {"data": request, "encoding": "CSV", "mode": "INPUT"},
                "endpointOutput": {"data": f"{0.5 + (answer - 0.5) * chance.random()}\n", "encoding": "CSV"},
            },
            "eventMetadata": {"eventId": event, "inferenceTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"},
            "eventVersion": "0",
        }
        truth = {"groundTruthData": {"data": str(label), "encoding": "CSV"}, "eventMetadata": {"eventId": event}}
        lines.append(json.dumps(record) + "\n")
        labels.append(json.dumps(truth) + "\n")
    world.capture_text(hour, "".join(lines), endpoint=ID)
    world.put(f"truth/{hour.start_path}/0.jsonl", "".join(labels))
    assert str(world.run("ground_truth").state) == "success"


def retrain() -> tuple[Any, AttemptRecord]:
    """Run the DAG by hand, looking more often than once in 15 seconds; return the run and its attempt."""
    dag = load_dag("retrain")
    for task in dag.tasks:
        if hasattr(task, "waiter_delay"):
            task.waiter_delay = 1
    moment = datetime.now(UTC)
    run = dag.test(run_after=moment, logical_date=moment, run_conf={"endpoints": [ID]})
    return run, open_deployment().actions.attempts(ID)[0]


def states(attempt: AttemptRecord) -> list[str]:
    return [event.state for event in attempt.history]


def package(world: World, attempt: AttemptRecord) -> str:
    found = world.sandbox.client("sagemaker").describe_model_package(ModelPackageName=attempt.model_package_arn)
    return str(found["ModelApprovalStatus"])


def in_service(world: World) -> str:
    return str(
        world.sandbox.client("sagemaker").describe_endpoint(EndpointName=f"{world.name}-{ID}")["EndpointConfigName"]
    )


def test_a_challenger_that_wins_comes_into_service_with_baselines_of_its_own(live: World, hour: Window) -> None:
    traffic(live, hour, right=0.6)
    run, attempt = retrain()
    assert states(attempt) == ["decided", "training", "trained", "compared", "promoted"], attempt.history[-1].why
    assert str(run.state) == "success"
    assert (attempt.decision, package(live, attempt)) == ("promote", "Approved")
    assert in_service(live) == attempt.new_config != attempt.previous_config
    folder = f"actions/{ID}/retrain/{attempt.attempt_id}"
    trained = live.read(f"{folder}/training/rows.csv").decode().splitlines()
    judged = live.read(f"{folder}/evaluation/rows.csv").decode().splitlines()
    assert len(trained) + len(judged) == 600 + 2
    assert json.loads(live.read(f"{folder}/evidence.json"))["row_count"] == len(judged) - 1
    baselines = open_deployment().baselines
    for monitor in ("data_quality", "model_quality"):
        manifest = baselines.manifest(ID, monitor, baselines.pointer(ID, monitor).current)
        assert manifest.model_version == attempt.model_package_arn
    (told,) = live.messages()
    assert told["Subject"] == f"{ID}: the challenger is promoted"


def test_a_challenger_that_is_no_better_stays_out_of_service(live: World, hour: Window) -> None:
    before = in_service(live)
    traffic(live, hour, right=1.0)
    run, attempt = retrain()
    assert states(attempt) == ["decided", "training", "trained", "compared", "rejected"], attempt.history[-1].why
    assert str(run.state) == "success"
    assert package(live, attempt) == "Rejected"
    assert in_service(live) == before
    skipped = {item.task_id for item in run.get_task_instances() if str(item.state) == "skipped"}
    promotion = {f"attempt.{step}" for step in ("approve_promotion", "promote", "renew_baselines")}
    assert skipped == promotion | {"back.approve_roll_back", "back.roll_back"}
    (told,) = live.messages()
    assert told["Subject"] == f"{ID}: the challenger is rejected"


def test_a_task_that_fails_fails_the_attempt_and_the_run(live: World, hour: Window) -> None:
    actions, earlier = open_deployment().actions, datetime.now(UTC) - timedelta(days=2)
    orphan = AttemptRecord(attempt_id="orphan", endpoint=ID, state="decided", decided_at=moment_text(earlier))
    actions.open_attempt(orphan, by="retrain somebody_ended_it", why="drift", now=earlier)
    traffic(live, hour, right=0.6, rows=50)
    run, attempt = retrain()
    closed = actions.read(ID, "orphan")
    assert closed is not None
    assert states(closed) == ["decided", "failed"], "a run that is over holds up nobody"
    assert str(run.state) == "failed"
    assert states(attempt) == ["decided", "failed"]
    assert attempt.history[-1].why == "task attempt.prepare failed: see its log"
    (told,) = live.messages()
    assert told["Subject"] == f"{ID}: the retraining attempt failed"
