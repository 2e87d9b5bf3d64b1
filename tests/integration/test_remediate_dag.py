"""Remediation in Airflow: an alarm's event in the queue, a roll back that is verified, and what people are told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.conftest import World, load_dag
from watchkeeper.aws import service_trigger
from watchkeeper.aws.event_inbox import ALARM_CHANGE
from watchkeeper.operators.monitor_base import open_deployment

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

ROLE = "arn:aws:iam::123456789012:role/sandbox-sagemaker"


class Stage:
    """An endpoint in the sandbox that had two configurations in service, and an alarm of it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.endpoint = f"{world.name}-flights"
        self.alarm = f"{world.name}/flights/AllTraffic/server_errors"
        self.client = world.sandbox.client("sagemaker")
        self.cloudwatch = world.sandbox.client("cloudwatch")
        self.sqs = world.sandbox.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=f"{world.name}-alarms")["QueueUrl"]
        include = world.folder.parent
        (include / "fleet.yaml").write_text("remediation: {maximum_endpoints_at_once: 1}\n")
        for name, value in {
            "INCLUDE": str(include),
            "RESOURCE_PREFIX": world.name,
            "ALARM_QUEUE_URL": self.queue,
        }.items():
            monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
        monkeypatch.setattr(service_trigger, "FIRST_EVENT_SECONDS", 0)
        artifact = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
        self.client.create_model(ModelName=world.name, ExecutionRoleArn=ROLE, PrimaryContainer=artifact)
        for config in ("good", "bad"):
            self.client.create_endpoint_config(
                EndpointConfigName=self.config(config),
                ProductionVariants=[
                    {
                        "VariantName": "AllTraffic",
                        "ModelName": world.name,
                        "InitialInstanceCount": 1,
                        "InstanceType": "ml.m5.large",
                    }
                ],
                DataCaptureConfig={
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 100,
                    "DestinationS3Uri": f"s3://{world.captures}/data",
                    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                },
            )
        self.client.create_endpoint(EndpointName=self.endpoint, EndpointConfigName=self.config("good"))
        self.settle()
        self.cloudwatch.put_metric_alarm(
            AlarmName=self.alarm,
            Namespace="Sandbox/Nothing",
            MetricName=world.name,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",
        )
        self.set("OK")

    def policy(self, *steps: str, mode: str = "automatic", **fields: Any) -> None:
        rule = {"name": "errors", "alarms": ["server_errors"], "do": list(steps)}
        self.world.endpoint("flights", remediation={"mode": mode, "rules": [rule]} | fields)

    def config(self, name: str) -> str:
        return f"{self.world.name}-{name}"

    def settle(self) -> None:
        for _ in range(60):
            if self.client.describe_endpoint(EndpointName=self.endpoint)["EndpointStatus"] == "InService":
                return
            time.sleep(0.5)
        pytest.fail("the endpoint does not settle")

    def deploy(self, name: str) -> None:
        self.client.update_endpoint(EndpointName=self.endpoint, EndpointConfigName=self.config(name))
        self.settle()

    def set(self, state: str) -> None:
        self.cloudwatch.set_alarm_state(AlarmName=self.alarm, StateValue=state, StateReason=f"the test says {state}")

    def ring(self, times: int = 1) -> None:
        body = {
            "id": f"{self.world.name}-1",
            "detail-type": ALARM_CHANGE,
            "source": "aws.cloudwatch",
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "detail": {"alarmName": self.alarm, "state": {"value": "ALARM"}},
        }
        for _ in range(times):
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps(body))

    @property
    def serving(self) -> str:
        return str(self.client.describe_endpoint(EndpointName=self.endpoint)["EndpointConfigName"])

    def run(self, **params: Any) -> Any:
        """Run the DAG to its end, looking more often than once in 15 seconds."""
        dag = load_dag("remediate")
        for task in dag.tasks:
            if hasattr(task, "waiter_delay"):
                task.waiter_delay = 1
        moment = datetime.now(UTC)
        return dag.test(run_after=moment, logical_date=moment, run_conf=params)

    @contextmanager
    def errors_end_with(self, config: str) -> Iterator[None]:
        """Let the alarm be OK as soon as a configuration serves: what the endpoint's own metric would bring about."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                if self.serving == self.config(config):
                    self.set("OK")
                    return

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def stages(self) -> list[str]:
        attributes = [message["MessageAttributes"] for message in self.world.messages()]
        return [one["stage"]["Value"] for one in attributes if "stage" in one]


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> Stage:
    here = Stage(world, monkeypatch)
    here.policy("roll_back")
    assert str(here.run().state) == "success"
    here.deploy("bad")
    assert str(here.run().state) == "success"
    return here


def test_an_alarms_event_leads_to_a_roll_back_that_is_verified(stage: Stage) -> None:
    stage.set("ALARM")
    stage.ring(times=5)
    with stage.errors_end_with("good"):
        run = stage.run()
    (incident,) = open_deployment().incidents.incidents("flights")
    assert incident.state == "recovered", incident.why
    assert str(run.state) == "success"
    assert stage.serving == stage.config("good")
    (step,) = incident.steps
    assert (step.action, step.outcome) == ("roll_back", "verified")
    assert (step.before["config"], step.after["config"]) == (stage.config("bad"), stage.config("good"))
    assert step.after["instances"] == step.before["instances"] == {"AllTraffic": 1}
    assert incident.event_ids == (f"{stage.world.name}-1",)
    assert stage.stages() == ["opened", "recovered"]
    left = stage.sqs.get_queue_attributes(QueueUrl=stage.queue, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"


def test_an_alarms_change_comes_through_eventbridge_by_itself(stage: Stage) -> None:
    events, name = stage.world.sandbox.client("events"), stage.world.name
    pattern = {"source": ["aws.cloudwatch"], "detail-type": [ALARM_CHANGE], "detail": {"alarmName": [stage.alarm]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    arn = stage.sqs.get_queue_attributes(QueueUrl=stage.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    stage.policy("notify")
    stage.set("ALARM")
    assert str(stage.run().state) == "success"
    stage.set("OK")
    assert str(stage.run().state) == "success"
    (incident,) = open_deployment().incidents.incidents("flights")
    assert (incident.state, len(incident.event_ids)) == ("closed", 2)
    assert open_deployment().inbox.pending("alarms") == []
    assert stage.stages() == ["opened", "recovered"]


def test_a_dry_run_tells_and_does_nothing(stage: Stage) -> None:
    stage.policy("roll_back", mode="dry_run")
    stage.set("ALARM")
    stage.ring()
    assert str(stage.run().state) == "success"
    (incident,) = open_deployment().incidents.incidents("flights")
    assert (incident.state, incident.steps) == ("open", ())
    assert stage.serving == stage.config("bad")
    assert stage.stages() == ["opened", "0-dry_run"]


def test_an_action_that_cannot_be_done_turns_the_run_red_and_is_left_to_people(stage: Stage) -> None:
    stage.policy("scale_out", scale_out={"maximum_instances": 1})
    stage.set("ALARM")
    stage.ring()
    assert str(stage.run().state) == "failed"
    (incident,) = open_deployment().incidents.incidents("flights")
    assert (incident.state, incident.step.outcome if incident.step else None) == ("unresolved", "refused")
    assert str(stage.run().state) == "success"
    (incident,) = open_deployment().incidents.incidents("flights")
    assert incident.state == "escalated"
    assert stage.stages() == ["opened", "1-refused", "escalated"]


def test_a_retraining_is_started_in_its_own_dag(stage: Stage) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    load_dag("retrain")
    retraining = {"pipeline_name": "p", "model_package_group": stage.world.name, "definition": None}
    stage.world.endpoint(
        "flights",
        retraining=retraining,
        remediation={"mode": "automatic", "rules": [{"name": "d", "alarms": ["server_errors"], "do": ["retrain"]}]},
    )
    stage.set("ALARM")
    stage.ring()
    assert str(stage.run().state) == "success"
    (incident,) = open_deployment().incidents.incidents("flights")
    assert incident.state == "open"
    step = incident.step
    assert step is not None
    assert step.watched_until is not None
    with create_session() as session:
        started = session.query(DagRun).filter(DagRun.run_id == step.target["run_id"]).one()
        assert (started.dag_id, started.conf) == ("retrain", {"endpoints": ["flights"]})
