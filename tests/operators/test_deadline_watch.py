"""Runs that are late or stuck: told once each, after AWS was asked whether it is so."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber

from tests.operators.conftest import REGION
from tests.operators.test_work_off_events import Platform, now_event
from tests.operators.training_jobs import training_job
from tests.registry import event_samples as samples
from watchkeeper import api
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.operators.deadline_watch import watch_deadlines
from watchkeeper.operators.message_text import RunOrigin

NOW = datetime.now(UTC).replace(microsecond=0)
DUE = NOW - timedelta(minutes=30)
RUN = RunFacts(run_id="r1", dag_id="platform_events", recorded_at=NOW)


@pytest.fixture
def platform(place, monkeypatch):
    return Platform(place, monkeypatch)


def watch(platform, now=NOW, deployment=None):
    said = []
    deployment = deployment or platform.place.deployment
    faults = watch_deadlines(
        deployment, RUN, RunOrigin(), now=now, warn=lambda text, *values: said.append(text % values)
    )
    return faults, said


def begun(name, minutes_ago, **more):
    at = NOW - timedelta(minutes=minutes_ago)
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{name}"
    event = samples.training_job("InProgress", name=name, at=at, SecondaryStatus="Starting", TrainingJobArn=arn, **more)
    return now_event(event, name, at)


def stuck(kind="training_job", name="flights-*", minutes=30, **more):
    return {"kind": kind, "name": name, "runs_at_most_minutes": minutes} | more


def test_a_run_that_takes_too_long_is_told_once(platform):
    platform.fleet(deadlines={"short": stuck(severity="critical", owner="mlops")})
    training_job("flights-a", "InProgress")
    platform.send(begun("flights-a", 45), begun("churn-a", 45), begun("flights-b", 10))
    platform.run()
    (message,) = platform.place.messages()
    assert message["Subject"] == "flights-a: training job flights-a runs longer than it should"
    assert message["MessageAttributes"]["severity"]["Value"] == "critical"
    assert message["MessageAttributes"]["owner"]["Value"] == "mlops"
    assert "run_stuck.md" in message["Message"]
    platform.run()
    assert platform.subjects() == []


def test_a_run_that_has_ended_unheard_is_recorded_and_told_to_nobody(platform):
    platform.fleet(deadlines={"short": stuck()})
    training_job("flights-a", "Completed", end=NOW - timedelta(minutes=20))
    platform.send(begun("flights-a", 45))
    _, summary = platform.run()
    assert summary["faults"] == []
    assert platform.subjects() == []
    rows = api.read_events(days=1, kinds=["training_job"]).query("event_id.str.startswith('described-')")
    assert rows["status"].to_list() == ["Completed"]
    before = platform.stored("ledger_events/")
    platform.run()
    assert platform.stored("ledger_events/") == before


def test_a_run_of_another_account_is_told_by_its_events(platform):
    platform.fleet(deadlines={"short": stuck()})
    platform.send(begun("flights-theirs", 45))
    platform.run()
    (message,) = platform.place.messages()
    assert "AWS knows no such run, asked through this deployment's connection" in message["Message"]


def test_aws_that_cannot_be_asked_is_said_and_the_deadline_told(platform):
    platform.fleet(deadlines={"short": stuck()})
    platform.send(begun("flights-a", 45))
    platform.work_off()
    deployment = platform.place.deployment

    def refuse(model, **_):
        error = {"Code": "AccessDeniedException", "Message": "no"}
        return type("Answer", (), {"status_code": 400})(), {"Error": error}

    deployment.access.client("s3")
    deployment.access._made["session"].events.register("before-call.sagemaker.DescribeTrainingJob", refuse)
    faults, said = watch(platform, deployment=deployment)
    assert faults == []
    assert "sagemaker:DescribeTrainingJob" in said[0]
    (message,) = platform.place.messages()
    assert "AWS could not be asked about it (PermissionMissingError)" in message["Message"]


def late(kind="pipeline", name="score", **more):
    return {"kind": kind, "name": name, "starts_by": f"{DUE:%H:%M}"} | more


def pipeline(started: bool):
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    sagemaker.create_pipeline(
        PipelineName="score",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": []}),
        ClientRequestToken="t" * 32,
        RoleArn="arn:aws:iam::123456789012:role/training",
    )
    if started:
        sagemaker.start_pipeline_execution(PipelineName="score", ClientRequestToken="s" * 32)


def test_a_pipeline_that_has_not_started_is_told_once(platform):
    platform.fleet(deadlines={"nightly": late(endpoint="flights")})
    pipeline(started=False)
    for _ in range(2):
        _, summary = platform.run()
        assert summary["faults"] == []
    (message,) = platform.place.messages()
    assert message["Subject"] == "flights: pipeline score has not started"
    assert "run_late.md" in message["Message"]
    assert message["MessageAttributes"]["condition"]["Value"] == "late"


def test_a_start_that_no_event_told_of_counts(platform):
    platform.fleet(deadlines={"nightly": late()})
    pipeline(started=True)
    platform.run()
    assert platform.subjects() == []


def test_a_pattern_is_judged_by_events_and_not_before_anybody_listened(platform):
    platform.fleet(deadlines={"nightly": late("state_machine", "nightly-*")})
    faults, said = watch(platform)
    assert faults == []
    assert said == ["Deadline nightly: nobody listened yet when nightly-* was to start"]
    two_days_later = NOW + timedelta(days=2)
    faults, said = watch(platform, two_days_later)
    assert (faults, said) == ([], [])
    (message,) = platform.place.messages()
    assert "this is what the events tell" in message["Message"]


def test_a_fleet_without_deadlines_asks_for_nothing(platform):
    deployment = platform.place.deployment
    with Stubber(deployment.access.client("sagemaker")):
        assert watch(platform, deployment=deployment) == ([], [])
    assert platform.stored("events/") == []
