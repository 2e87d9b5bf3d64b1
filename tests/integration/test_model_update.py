"""A model package into service and out again on an endpoint of the sandbox, whose updates take time."""

import asyncio
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from tests.aws.result_samples import finding
from tests.aws.result_samples import result as window_result
from watchkeeper.aws import service_trigger
from watchkeeper.aws.action_store import AttemptRecord
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.operators.monitor_base import open_deployment
from watchkeeper.operators.promote_model import PromoteModelOperator
from watchkeeper.operators.roll_back_model import RollBackModelOperator
from watchkeeper.registry.capture_window import HOUR, Window

pytestmark = pytest.mark.sandbox

ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.fixture
def live(world):
    """Put an endpoint with capture in service, and a package in the registry; a tag decides about rollbacks."""
    client = world.sandbox.client("sagemaker")

    def create(*tags):
        name = f"{world.name}-flights"
        artifact = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
        client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=artifact)
        variant = {"VariantName": "AllTraffic", "ModelName": name}
        client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant | {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}],
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": 40,
                "DestinationS3Uri": f"s3://{world.captures}/data",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            },
        )
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=list(tags))
        client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        client.create_model_package_group(ModelPackageGroupName=world.name)
        package = client.create_model_package(
            ModelPackageGroupName=world.name,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [artifact],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        retraining = {"pipeline_name": "p", "model_package_group": world.name, "role_arn": ROLE, "mode": "automatic"}
        deployment = {"mode": "automatic", "roll_back": {"violated_windows": 1, "within_days": 1}}
        world.endpoint(retraining=retraining | {"deployment": deployment})
        now = datetime.now(UTC)
        open_deployment().actions.open_attempt(
            AttemptRecord(
                attempt_id="a",
                endpoint="flights",
                state="compared",
                decided_at=f"{now:%FT%TZ}",
                model_package_arn=package,
            ),
            by="test",
            why="won",
            now=now,
        )
        return client

    return create


def promote(**fields):
    return PromoteModelOperator(task_id="promote", endpoint="flights", attempt_id="a", waiter_delay=1, **fields)


def described(world, client):
    return client.describe_endpoint(EndpointName=f"{world.name}-flights")


def test_a_package_is_promoted_once_and_taken_back(world, live):
    client = live()
    result = promote(deferrable=False).execute({})
    there = described(world, client)
    assert (there["EndpointStatus"], there["EndpointConfigName"]) == ("InService", result["config_name"])
    assert there["DataCaptureConfig"]["CurrentSamplingPercentage"] == 40
    assert promote(deferrable=False).execute({}) == result
    assert described(world, client)["LastModifiedTime"] == there["LastModifiedTime"]
    back = RollBackModelOperator(task_id="back", endpoint="flights", waiter_delay=1, deferrable=False).execute({})
    assert back["config_name"] == f"{world.name}-flights" == described(world, client)["EndpointConfigName"]
    states = [event.state for event in open_deployment().actions.read("flights", "a").history]
    assert states == ["compared", "promoted", "rolled_back"]


def test_the_trigger_waits_until_the_update_is_over(world, live, monkeypatch):
    live()
    monkeypatch.setattr(service_trigger, "FIRST_EVENT_SECONDS", 0)
    with pytest.raises(TaskDeferred) as deferred:
        promote(deferrable=True).execute({})

    async def wait():
        return (await anext(deferred.value.trigger.run())).payload

    event = asyncio.run(wait())
    result = promote(deferrable=True).execute_complete({}, event, **deferred.value.kwargs)
    assert result["previous_config"] == f"{world.name}-flights"


def test_a_silent_rollback_is_found_out(world, live):
    live({"Key": "sandbox:update", "Value": "rollback"})
    with pytest.raises(AirflowFailException, match="the update was rolled back: configuration"):
        promote(deferrable=False).execute({})
    assert open_deployment().actions.read("flights", "a").state == "failed"


@pytest.fixture
def violated(world, monkeypatch):
    """Let the hour after the newest promotion be violated."""
    monkeypatch.setattr(service_trigger, "FIRST_EVENT_SECONDS", 0)

    def record():
        now = datetime.now(UTC)
        result = window_result(Window.hour_of(now + HOUR), verdict="violated", severity="high", findings=(finding(),))
        run = RunFacts(run_id="r", dag_id="monitor_hourly", recorded_at=now)
        open_deployment().ledger.record([(result, "uri")], run)

    return record


def states(run):
    return {f"{item.task_id}[{item.map_index}]": str(item.state) for item in run.get_task_instances()}


def test_a_run_takes_a_promotion_back_by_policy_and_decides_then(world, live, violated):
    client = live()
    promote(deferrable=False).execute({})
    violated()
    run = world.run("retrain")
    found = states(run)
    assert (str(run.state), found["back.roll_back[0]"], found["decide[-1]"]) == ("success", "success", "success")
    assert described(world, client)["EndpointConfigName"] == f"{world.name}-flights"
    record = open_deployment().actions.read("flights", "a")
    assert record.state == "rolled_back"
    assert record.history[-1].why.startswith("Roll back: 1 hours of a monitor are violated within 1 days")
    assert len(open_deployment().actions.attempts("flights")) == 1  # the windows of the model that left do not count


def test_a_roll_back_that_fails_makes_the_run_red_and_the_decision_is_made_all_the_same(world, live, violated):
    client = live()
    promote(deferrable=False).execute({})
    client.delete_endpoint_config(EndpointConfigName=f"{world.name}-flights")
    violated()
    run = world.run("retrain")
    found = states(run)
    assert (str(run.state), found["back.roll_back[0]"], found["decide[-1]"]) == ("failed", "failed", "success")
    assert open_deployment().actions.read("flights", "a").state == "promoted"


def test_with_nothing_to_take_back_a_run_goes_on(world, live):
    live()
    run = world.run("retrain")
    assert str(run.state) == "success"
    found = states(run)
    assert {name: state for name, state in found.items() if "back." in name} == {
        "back.approve_roll_back[-1]": "skipped",
        "back.roll_back[-1]": "skipped",
    }
    assert found["decide[-1]"] == "success"
