"""CodePipeline executions as CodePipeline answers them."""

import asyncio

import pytest
from botocore.exceptions import ClientError

from tests.scripted_aws import Refusal, scripted_aws
from watchkeeper.aws.code_pipeline_hook import CodePipelineHook
from watchkeeper.aws.code_pipeline_trigger import CodePipelineTrigger
from watchkeeper.errors import PermissionMissingError, PipelineError


@pytest.fixture
def aws_script(monkeypatch):
    with scripted_aws(monkeypatch) as script:
        yield script


@pytest.fixture
def hook(aws_script) -> CodePipelineHook:
    return CodePipelineHook(aws_conn_id=None, region_name="us-east-1")


def execution(status: str, **more):
    return {"pipelineExecution": {"pipelineExecutionId": "e", "status": status, **more}}


def test_the_same_purpose_asks_under_the_same_token(hook, aws_script):
    aws_script.answers["StartPipelineExecution"] = [{"pipelineExecutionId": "e"}]
    assert hook.start_execution("deploy", "run 1", {"b": "2", "a": "1"}) == "e"
    hook.start_execution("deploy", "run 1")
    hook.start_execution("deploy", "run 1", attempt=1)
    hook.start_execution("deploy", "run 2")
    first, same, again, other = aws_script.asked("StartPipelineExecution")
    assert first["variables"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    assert "variables" not in same
    tokens = [request["clientRequestToken"] for request in (first, same, again, other)]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
    assert all(token.isalnum() and len(token) <= 128 for token in tokens)


def test_a_failed_execution_names_its_failed_actions(hook, aws_script):
    def action(name: str, status: str, **result):
        return {"stageName": "Build", "actionName": name, "status": status, "output": {"executionResult": result}}

    aws_script.answers["GetPipelineExecution"] = [execution("Failed", statusSummary="a summary")]
    aws_script.answers["ListActionExecutions"] = [
        {"actionExecutionDetails": [action("compile", "Succeeded")], "nextToken": "more"},
        {
            "actionExecutionDetails": [
                action("test", "Failed", errorDetails={"code": "x", "message": "3 tests failed."}),
                action("lint", "Failed", externalExecutionSummary="style"),
                action("pack", "Failed"),
            ]
        },
    ]
    facts = hook.execution("deploy", "e")
    assert (facts.has_ended, facts.has_succeeded) == (True, False)
    assert facts.reason == (
        "the execution is Failed: Build/test: 3 tests failed; Build/lint: style; Build/pack: no reason is given"
    )


@pytest.mark.parametrize(
    ("status", "ended", "succeeded"),
    [
        ("InProgress", False, False),
        ("Stopping", False, False),
        ("Succeeded", True, True),
        ("Stopped", True, False),
        ("Superseded", True, False),
        ("Cancelled", True, False),
    ],
)
def test_what_each_status_means(hook, aws_script, status, ended, succeeded):
    aws_script.answers["GetPipelineExecution"] = [execution(status, statusSummary="somebody said so")]
    facts = hook.execution("deploy", "e")
    assert (facts.has_ended, facts.has_succeeded) == (ended, succeeded)
    assert facts.reason == f"the execution is {status}: somebody said so"


def test_an_execution_is_stopped_once(hook, aws_script):
    aws_script.answers["StopPipelineExecution"] = [
        {"pipelineExecutionId": "e"},
        Refusal("DuplicatedStopRequestException"),
        Refusal("PipelineExecutionNotStoppableException"),
        Refusal("ConflictException"),
    ]
    assert hook.stop_execution("deploy", "e", "no longer wanted")
    assert not hook.stop_execution("deploy", "e", "no longer wanted")
    assert not hook.stop_execution("deploy", "e", "no longer wanted")
    with pytest.raises(ClientError, match="ConflictException"):
        hook.stop_execution("deploy", "e", "no longer wanted")


def test_what_does_not_exist_and_what_is_refused_is_told(hook, aws_script):
    aws_script.answers["StartPipelineExecution"] = [
        Refusal("PipelineNotFoundException"),
        Refusal("AccessDeniedException"),
    ]
    aws_script.answers["GetPipelineExecution"] = [Refusal("PipelineExecutionNotFoundException")]
    with pytest.raises(PipelineError, match="deploy: CodePipeline in us-east-1 knows no such pipeline"):
        hook.start_execution("deploy", "p")
    with pytest.raises(PermissionMissingError, match="codepipeline:StartPipelineExecution on deploy"):
        hook.start_execution("deploy", "p")
    with pytest.raises(PipelineError, match="knows no such execution of it"):
        hook.execution("deploy", "e")


def test_the_trigger_waits_until_the_execution_has_ended(aws_script):
    aws_script.answers["GetPipelineExecution"] = [execution("InProgress"), execution("Stopping"), execution("Stopped")]
    trigger = CodePipelineTrigger(pipeline="deploy", execution_id="e", waiter_delay=0, aws_conn_id=None)

    async def first_event():
        return await anext(trigger.run())

    assert asyncio.run(first_event()).payload == {"status": "success", "run_id": "e"}
    assert len(aws_script.asked("GetPipelineExecution")) == 3


def test_a_killed_trigger_stops_the_execution(aws_script):
    aws_script.answers["StopPipelineExecution"] = [{"pipelineExecutionId": "e"}]
    arguments = {"pipeline": "deploy", "execution_id": "e", "aws_conn_id": None}
    asyncio.run(CodePipelineTrigger(**arguments, cancel_on_kill=False).on_kill())
    assert aws_script.calls == []
    asyncio.run(CodePipelineTrigger(**arguments).on_kill())
    (request,) = aws_script.asked("StopPipelineExecution")
    assert (request["pipelineName"], request["pipelineExecutionId"], request["abandon"]) == ("deploy", "e", False)
