"""CodePipeline and CodeBuild as tasks: adopted by a retry, waited for in the triggerer, stopped with the task."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from botocore.exceptions import WaiterError

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from tests.scripted_aws import Refusal, scripted_aws
from watchkeeper.operators.start_code_build import CodeBuildStartBuildOperator
from watchkeeper.operators.start_code_pipeline import CodePipelineStartExecutionOperator

ROLE = "arn:aws:iam::210987654321:role/watchkeeper"


@pytest.fixture
def aws_script(monkeypatch):
    with scripted_aws(monkeypatch) as script:
        yield script


def context(try_number: int = 1, map_index: int = -1):
    fields = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": map_index, "try_number": try_number}
    return {"ti": SimpleNamespace(**fields)}


def execution(status: str):
    return {"pipelineExecution": {"pipelineExecutionId": "e", "status": status, "statusSummary": "why"}}


def build(status: str, purpose: str = "d/r/t/-1"):
    variables = [{"name": "WATCHKEEPER_PURPOSE", "value": purpose}]
    return {"id": "p:1", "buildStatus": status, "environment": {"environmentVariables": variables}}


def pipeline(**fields):
    return CodePipelineStartExecutionOperator(task_id="t", pipeline="deploy", waiter_delay=0, **fields)


def code_build(**fields):
    return CodeBuildStartBuildOperator(task_id="t", project="p", waiter_delay=0, **fields)


def test_an_execution_is_waited_for_in_the_triggerer_and_read_when_it_comes_back(aws_script):
    aws_script.answers |= {
        "StartPipelineExecution": [{"pipelineExecutionId": "e"}],
        "GetPipelineExecution": [execution("InProgress")],
    }
    with pytest.raises(TaskDeferred) as deferred:
        pipeline(deferrable=True, region_name="eu-west-1").execute(context())
    fields = deferred.value.trigger.serialize()[1]
    assert (fields["pipeline"], fields["execution_id"], fields["region_name"]) == ("deploy", "e", "eu-west-1")
    assert deferred.value.method_name == "execute_complete"
    aws_script.answers["GetPipelineExecution"] = [execution("Succeeded")]
    event = {"status": "success", "run_id": "e"}
    assert pipeline().execute_complete({}, event) == {"execution_id": "e", "status": "Succeeded"}


def test_nothing_defers_when_the_answer_is_there_already(aws_script):
    aws_script.answers |= {
        "StartPipelineExecution": [{"pipelineExecutionId": "e"}],
        "GetPipelineExecution": [execution("Succeeded")],
    }
    assert pipeline(deferrable=True).execute(context())["status"] == "Succeeded"


def test_a_retry_adopts_what_runs_and_follows_what_failed(aws_script):
    aws_script.answers["StartPipelineExecution"] = [{"pipelineExecutionId": "e"}]
    aws_script.answers["GetPipelineExecution"] = [execution("Succeeded")]
    pipeline().execute(context(1))
    pipeline().execute(context(3))
    first, adopted = aws_script.asked("StartPipelineExecution")
    assert first["clientRequestToken"] == adopted["clientRequestToken"]
    aws_script.calls.clear()
    aws_script.answers["ListActionExecutions"] = [{"actionExecutionDetails": []}]
    aws_script.answers["GetPipelineExecution"] = [execution("Failed"), execution("Succeeded")]
    pipeline().execute(context(2))
    again, another = aws_script.asked("StartPipelineExecution")
    assert again["clientRequestToken"] == first["clientRequestToken"] != another["clientRequestToken"]
    pipeline().execute(context(1, map_index=4))
    assert aws_script.asked("StartPipelineExecution")[-1]["clientRequestToken"] != first["clientRequestToken"]


def test_a_failed_execution_fails_at_once_with_its_reason(aws_script):
    aws_script.answers |= {
        "StartPipelineExecution": [{"pipelineExecutionId": "e"}],
        "GetPipelineExecution": [execution("Failed")],
        "ListActionExecutions": [{"actionExecutionDetails": []}],
    }
    with pytest.raises(AirflowFailException, match=r"deploy e: the execution is Failed: why\. Mend the cause"):
        pipeline().execute(context())


def test_who_does_not_wait_gets_the_id(aws_script):
    aws_script.answers |= {
        "StartPipelineExecution": [{"pipelineExecutionId": "e"}],
        "GetPipelineExecution": [execution("InProgress")],
    }
    result = pipeline(deferrable=True, wait_for_completion=False).execute(context())
    assert result == {"execution_id": "e", "status": "InProgress"}


def test_an_execution_that_outlasts_the_wait_is_stopped(aws_script):
    aws_script.answers |= {
        "StartPipelineExecution": [{"pipelineExecutionId": "e"}],
        "GetPipelineExecution": [execution("InProgress")],
        "StopPipelineExecution": [{"pipelineExecutionId": "e"}],
    }
    with pytest.raises(WaiterError):
        pipeline(deferrable=False, waiter_max_attempts=2).execute(context())
    assert len(aws_script.asked("StopPipelineExecution")) == 1
    with pytest.raises(AirflowException, match="Waiting ended with"):
        pipeline().execute_complete({}, {"status": "error", "run_id": "e", "message": "max attempts"})
    assert len(aws_script.asked("StopPipelineExecution")) == 2


@pytest.mark.parametrize(("cancel_on_kill", "stops"), [(True, 1), (False, 0)])
def test_a_killed_task_stops_its_execution(aws_script, cancel_on_kill, stops):
    aws_script.answers["StopPipelineExecution"] = [{"pipelineExecutionId": "e"}]
    operator = pipeline(cancel_on_kill=cancel_on_kill)
    operator.on_kill()
    operator.run_id = "e"
    operator.on_kill()
    assert len(aws_script.asked("StopPipelineExecution")) == stops


def test_a_refusal_names_what_is_missing_and_is_not_tried_again(aws_script):
    aws_script.answers["StartPipelineExecution"] = [Refusal("AccessDeniedException")]
    with pytest.raises(AirflowFailException, match="codepipeline:StartPipelineExecution on deploy: AWS refused"):
        pipeline().execute(context())


def test_a_build_is_adopted_waited_for_and_read(aws_script):
    aws_script.answers |= {
        "ListBuildsForProject": [{"ids": ["p:1"]}],
        "BatchGetBuilds": [{"builds": [build("IN_PROGRESS")]}],
    }
    with pytest.raises(TaskDeferred) as deferred:
        code_build(deferrable=True, role_arn=None).execute(context())
    assert deferred.value.trigger.serialize()[1]["build_id"] == "p:1"
    assert aws_script.asked("StartBuild") == []
    done = build("SUCCEEDED") | {"logs": {"groupName": "g", "streamName": "s"}}
    aws_script.answers["BatchGetBuilds"] = [{"builds": [done]}]
    result = code_build().execute_complete({}, {"status": "success", "run_id": "p:1"})
    assert result == {"build_id": "p:1", "status": "SUCCEEDED", "log_group": "g", "log_stream": "s"}


def test_a_failed_build_names_its_phase(aws_script):
    phases = [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 1"}]}]
    aws_script.answers |= {
        "ListBuildsForProject": [{"ids": []}],
        "StartBuild": [{"build": {"id": "p:1"}}],
        "BatchGetBuilds": [{"builds": [build("FAILED") | {"phases": phases}]}],
    }
    with pytest.raises(AirflowFailException, match="p:1: the build is FAILED: BUILD: exit status 1"):
        code_build(request={"sourceVersion": "abc"}, purpose="nightly").execute(context())
    (request,) = aws_script.asked("StartBuild")
    assert request["sourceVersion"] == "abc"
    assert request["environmentVariablesOverride"][0]["value"] == "nightly"


def test_the_trigger_goes_on_with_the_tasks_role():
    operator = code_build(role_arn=ROLE, aws_conn_id=None)
    assert operator.trigger("p:1").serialize()[1]["role_arn"] == ROLE
