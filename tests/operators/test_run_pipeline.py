"""Running a retraining pipeline: moto keeps pipelines; what their executions do is decided here."""

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from botocore.exceptions import WaiterError

from tests.operators.conftest import BUCKET, REGION, context
from watchkeeper.aws import pipeline_trigger
from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.operators.run_pipeline import RunRetrainingPipelineOperator

ATTEMPT = "20261120T05-20261120T06-abc"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/1"
DEFINITION = json.dumps(
    {"Parameters": [{"Name": name} for name in ("EndpointId", "RoleArn", "TrainingDataUri", "Size")]}
)
RETRAINING = {
    "pipeline_name": "flights-retraining",
    "definition": "flights.json",
    "model_package_group": "flights",
    "role_arn": "arn:aws:iam::123456789012:role/training",
    "parameters": {"Size": "small"},
}
GIVEN = {"TrainingDataUri": "s3://b/t/", "BaselineUri": "s3://b/baseline"}


@pytest.fixture
def world(place, tmp_path, monkeypatch):
    """A deployment whose executions are as the test says: their status, steps, and requests to stop."""
    from moto.core.responses import ActionResult
    from moto.sagemaker.models import FakePipelineExecution
    from moto.sagemaker.responses import SageMakerResponse

    include = tmp_path / "include"
    (include / "endpoints").mkdir(parents=True)
    (include / "pipelines").mkdir()
    (include / "pipelines" / "flights.json").write_text(DEFINITION)
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(include))
    place.endpoint(retraining=RETRAINING)
    here = SimpleNamespace(place=place, status=["Executing"], steps=[], stopped=[])
    here.sagemaker = boto3.client("sagemaker", region_name=REGION)

    def executions():
        return here.sagemaker.list_pipeline_executions(PipelineName="flights-retraining")["PipelineExecutionSummaries"]

    def status(_):
        return here.status.pop(0) if len(here.status) > 1 else here.status[0]

    def stop(response):
        here.stopped.append(response._get_param("PipelineExecutionArn"))
        return ActionResult({"PipelineExecutionArn": here.stopped[-1]})

    here.executions = executions
    monkeypatch.setattr(
        FakePipelineExecution, "pipeline_execution_status", property(status, lambda *_: None), raising=False
    )
    monkeypatch.setattr(
        SageMakerResponse,
        "list_pipeline_execution_steps",
        lambda _: ActionResult({"PipelineExecutionSteps": here.steps}),
        raising=False,
    )
    monkeypatch.setattr(SageMakerResponse, "stop_pipeline_execution", stop, raising=False)
    begin(here, ATTEMPT)
    return here


def begin(world, attempt_id):
    world.place.deployment.actions.open_attempt(
        AttemptRecord(attempt_id=attempt_id, endpoint="flights", state="decided", decided_at="2026-11-20T06:12:00Z"),
        by="test",
        why="drift",
        now=datetime(2026, 11, 20, 6, 12, tzinfo=UTC),
    )


def operator(**fields):
    defaults = {"deferrable": False, "waiter_delay": 0, "waiter_max_attempts": 3, "parameters": GIVEN}
    return RunRetrainingPipelineOperator(task_id="train", endpoint="flights", attempt_id=ATTEMPT, **(defaults | fields))


def registered():
    return [{"StepName": "Register", "StepStatus": "Succeeded", "Metadata": {"RegisterModel": {"Arn": PACKAGE}}}]


def record(world):
    return world.place.deployment.actions.read("flights", ATTEMPT)


def test_the_execution_is_started_waited_for_and_its_package_returned(world):
    world.status, world.steps = ["Executing", "Executing", "Succeeded"], registered()
    result = operator().execute(context())
    (execution,) = world.executions()
    assert result == {
        "attempt_id": ATTEMPT,
        "execution_arn": execution["PipelineExecutionArn"],
        "model_package_arn": PACKAGE,
    }
    given = world.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=result["execution_arn"])
    assert {item["Name"]: item["Value"] for item in given["PipelineParameters"]} == {
        "EndpointId": "flights",
        "RoleArn": RETRAINING["role_arn"],
        "Size": "small",
        "TrainingDataUri": "s3://b/t/",
    }
    done = record(world)
    assert [event.state for event in done.history] == ["decided", "training", "trained"]
    assert (done.execution_arn, done.model_package_arn) == (result["execution_arn"], PACKAGE)
    assert done.history[1].by == "monitor_hourly scheduled__1"


def test_a_rendered_definition_is_put_in_force_over_the_shipped_one_and_either_is_kept(world):
    def in_force():
        return world.sagemaker.describe_pipeline(PipelineName="flights-retraining")["PipelineDefinition"]

    def kept(uri):
        key = uri.removeprefix(f"s3://{BUCKET}/")
        return world.place.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    world.status, world.steps = ["Succeeded"], registered()
    operator(definitions={"others.json": "{}"}).execute(context())
    shipped = record(world).definition_uri
    assert in_force() == kept(shipped) == DEFINITION
    assert shipped.startswith(f"s3://{BUCKET}/wk/pipelines/flights/")
    rendered = json.dumps(json.loads(DEFINITION) | {"Version": "2020-12-01"})
    task = operator(definitions={"flights.json": rendered})
    task.attempt_id = "hand-1"
    begin(world, "hand-1")
    task.execute(context())
    made = world.place.deployment.actions.read("flights", "hand-1").definition_uri
    assert in_force() == kept(made) == rendered
    assert made != shipped


def test_a_retry_adopts_what_runs_or_is_done_and_writes_nothing_again(world):
    world.status, world.steps = ["Succeeded"], registered()
    first = operator().execute(context())
    world.place.deployment.actions.advance(
        "flights", ATTEMPT, AttemptState.COMPARED, by="t", why="w", now=datetime.now(UTC)
    )
    assert operator().execute(context()) == first
    assert len(world.executions()) == 1
    assert record(world).state == "compared"


def test_a_failure_says_which_step_and_why_and_clearing_starts_another(world):
    world.status = ["Failed"]
    world.steps = [{"StepName": "TrainModel", "StepStatus": "Failed", "FailureReason": "5 usable rows"}]
    with pytest.raises(AirflowFailException, match="TrainModel: 5 usable rows"):
        operator().execute(context())
    assert record(world).state == "failed"
    assert record(world).history[-1].why == "the execution is Failed: TrainModel: 5 usable rows"
    with pytest.raises(AirflowFailException):
        operator().execute(context())
    assert len(world.executions()) == 2


def test_success_without_a_package_is_a_failure(world):
    world.status = ["Succeeded"]
    with pytest.raises(AirflowFailException, match="no step of it registered a model package"):
        operator().execute(context())


def test_a_deferred_wait_comes_back_from_the_trigger(world, monkeypatch):
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True, waiter_delay=7).execute(context())
    trigger = deferred.value.trigger
    (execution,) = world.executions()
    assert trigger.serialized_fields == {
        "execution_arn": execution["PipelineExecutionArn"],
        "cancel_on_kill": True,
    }
    assert deferred.value.timeout.total_seconds() > 7 * 3
    world.status, world.steps = ["Succeeded"], registered()
    event = {"status": "success", "execution_arn": execution["PipelineExecutionArn"]}
    assert operator(deferrable=True).execute_complete(context(), event)["model_package_arn"] == PACKAGE


def test_what_has_ended_already_is_not_waited_for(world):
    world.status, world.steps = ["Succeeded"], registered()
    assert operator(deferrable=True).execute(context())["model_package_arn"] == PACKAGE


def test_an_execution_that_takes_too_long_is_stopped(world):
    with pytest.raises(WaiterError):
        operator().execute(context())
    (execution,) = world.executions()
    assert world.stopped == [execution["PipelineExecutionArn"]]
    with pytest.raises(AirflowException, match="ended with"):
        operator(deferrable=True).execute_complete(
            context(), {"status": "error", "execution_arn": execution["PipelineExecutionArn"]}
        )
    assert len(world.stopped) == 2


def test_a_killed_worker_stops_the_execution_and_only_if_it_may(world):
    operator().on_kill()
    task = operator(deferrable=True)
    with pytest.raises(TaskDeferred):
        task.execute(context())
    task.cancel_on_kill = False
    task.on_kill()
    assert world.stopped == []
    task.cancel_on_kill = True
    task.on_kill()
    assert world.stopped == [task.execution_arn]


@pytest.fixture
def stops(monkeypatch):
    """Take down what a trigger asks SageMaker to stop."""
    asked = []

    class Client:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

        async def stop_pipeline_execution(self, **request):
            asked.append(request["PipelineExecutionArn"])

    class Hook:
        async def get_async_conn(self):
            return Client()

    monkeypatch.setattr(pipeline_trigger.PipelineEndedTrigger, "hook", lambda _: Hook())
    return asked


def cancelled(trigger, *, by_a_person):
    """Run a trigger as Airflow's triggerer does, and cancel it as a person or as the triggerer's own end does."""
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    async def run():
        runner = TriggerRunner()
        task = asyncio.create_task(runner.run_trigger(1, trigger))
        runner.triggers[1] = {"task": task, "is_watcher": False, "name": "t", "events": 0}
        await asyncio.sleep(0.05)
        if by_a_person:
            runner.to_cancel.append(1)
            await runner.cancel_triggers()
        else:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.parametrize(
    ("by_a_person", "cancel_on_kill", "expected"),
    [(True, True, ["arn:execution"]), (True, False, []), (False, True, [])],
    ids=["a person ends the task", "it may go on", "the triggerer restarts"],
)
def test_only_a_person_who_ends_the_deferred_task_stops_the_execution(
    stops, monkeypatch, by_a_person, cancel_on_kill, expected
):
    monkeypatch.setenv("AIRFLOW_DISABLE_GREENBACK_PORTAL", "true")
    trigger = pipeline_trigger.PipelineEndedTrigger(execution_arn="arn:execution", cancel_on_kill=cancel_on_kill)
    cancelled(trigger, by_a_person=by_a_person)
    assert stops == expected


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"retraining": None}, "its file has no section retraining"),
        ({"retraining": RETRAINING | {"definition": "none.json"}}, "none.json: there is no such file"),
        (
            {"retraining": RETRAINING | {"parameters": {"Sise": "x"}}},
            "takes no parameter Sise; it takes EndpointId, RoleArn, Size, TrainingDataUri",
        ),
        ({"retraining": RETRAINING | {"definition": None}}, "knows no such pipeline"),
    ],
)
def test_what_cannot_run_fails_at_once_with_the_remedy(world, changes, told):
    world.place.endpoint(**changes)
    with pytest.raises(AirflowFailException, match=told):
        operator().execute(context())


def test_without_a_record_the_pipeline_runs_all_the_same(world):
    world.status, world.steps = ["Succeeded"], registered()
    task = operator()
    task.attempt_id = "hand-1"
    assert task.execute(context())["attempt_id"] == "hand-1"
    assert world.place.deployment.actions.read("flights", "hand-1") is None
