"""The DAG of the platform's events in the sandbox: from the queue to people, ledger and one run of another DAG."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.integration.conftest import World
from tests.registry import event_samples as samples
from watchkeeper import api

pytestmark = pytest.mark.sandbox
JUST_NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


@pytest.fixture
def queue(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    url = str(world.sqs.create_queue(QueueName=f"{world.name}-events")["QueueUrl"])
    include = world.folder.parent / "include"
    include.mkdir()
    rule = {
        "match": {"kinds": ["code_build"], "outcomes": ["failed"]},
        "start": {"dag_id": "roll_back", "conf": {"endpoint": "flights", "reason": "{kind} {name} is {status}"}},
    }
    (include / "fleet.yaml").write_text(yaml.safe_dump({"events": {"rules": {"back": rule}}}))
    monkeypatch.setenv("WATCHKEEPER_EVENT_QUEUE_URL", url)
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(include))
    world.endpoint()
    return url


def send(world: World, queue: str, event: dict[str, Any], event_id: str) -> None:
    body = event | {"id": event_id, "time": f"{JUST_NOW:%Y-%m-%dT%H:%M:%SZ}"}
    world.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))


def started_runs(dag_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return run ids and conf of the runs that events started."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id)).all()
        return [(run.run_id, dict(run.conf or {})) for run in runs if run.run_id.startswith("event__")]


def states(run: Any) -> dict[str, str]:
    return {item.task_id: str(item.state) for item in run.get_task_instances()}


def test_an_event_is_told_recorded_and_starts_one_run_however_often_it_comes(world: World, queue: str) -> None:
    name = f"image-{world.name}"
    build = samples.code_build()
    build["detail"] = build["detail"] | {"project-name": name}
    for _ in range(3):
        send(world, queue, build, f"{world.name}-b")
    run = world.run("platform_events")
    assert str(run.state) == "success"
    send(world, queue, build, f"{world.name}-b")
    send(world, queue, samples.endpoint("IN_SERVICE", name=f"{world.name}-flights", at=JUST_NOW), f"{world.name}-e")
    again = world.run("platform_events")
    assert str(again.state) == "success"
    assert states(again)["start"] == "skipped", "nothing is to be started twice"

    mine = [conf for _, conf in started_runs("roll_back") if name in conf.get("reason", "")]
    assert mine == [{"endpoint": "flights", "reason": f"code_build {name} is FAILED"}]
    (message,) = world.messages()
    assert message["Subject"] == f"{name}: code build {name} is FAILED"
    rows = api.read_events(days=1)
    assert sorted(zip(rows["kind"], rows["endpoint"].fillna(""), strict=True)) == [
        ("code_build", ""),
        ("endpoint", "flights"),
    ]
    assert world.stored("events/inbox/") == {}
    assert len(world.stored("events/archive/")) == 2
    beats = world.sandbox.client("cloudwatch").list_metrics(Namespace="Watchkeeper/Runs")["Metrics"]
    assert {"Name": "Dag", "Value": "platform_events"} in [item for beat in beats for item in beat["Dimensions"]]


def test_a_dag_that_is_not_there_fails_the_run_and_keeps_the_event(world: World, queue: str) -> None:
    include = world.folder.parent / "include" / "fleet.yaml"
    broken = yaml.safe_load(include.read_text())
    broken["events"]["rules"]["back"]["start"]["dag_id"] = "nowhere"
    include.write_text(yaml.safe_dump(broken))
    send(world, queue, samples.code_build(), f"{world.name}-b")
    run = world.run("platform_events")
    assert str(run.state) == "failed"
    assert states(run)["report"] == "success"
    assert len(world.stored("events/inbox/")) == 1
    assert len(world.messages()) == 1


def test_a_job_that_sagemaker_tells_of_is_recorded_with_its_figures(world: World, queue: str) -> None:
    """From the service through EventBridge's rule and the queue, nothing of it sent by the test."""
    events, name = world.sandbox.client("events"), f"flights-train-{world.name}"
    arn = world.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=world.name, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    events.put_targets(Rule=world.name, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        world.sandbox.client("sagemaker").create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::123456789012:role/x",
            OutputDataConfig={"S3OutputPath": f"s3://{world.captures}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            run = world.run("platform_events")
            jobs = api.read_events(days=1, kinds=["job"])
            if name in set(jobs["name"]):
                break
            time.sleep(1)
    finally:
        events.remove_targets(Rule=world.name, Ids=["queue"])
        events.delete_rule(Name=world.name)
    assert str(run.state) == "success"
    (job,) = jobs[jobs["name"] == name].to_dict("records")
    assert (job["job_type"], job["outcome"], job["instance_type"]) == ("training_job", "succeeded", "ml.m5.large")
    told = api.read_events(days=1, kinds=["training_job"])
    assert told[told["name"] == name]["problem"].isna().all()
