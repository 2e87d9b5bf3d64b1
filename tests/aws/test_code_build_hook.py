"""CodeBuild builds as CodeBuild answers them."""

import asyncio

import pytest

from tests.scripted_aws import Refusal, scripted_aws
from watchkeeper.aws.code_build_hook import PURPOSE_VARIABLE, CodeBuildHook
from watchkeeper.aws.code_build_trigger import CodeBuildTrigger
from watchkeeper.errors import PermissionMissingError, PipelineError


@pytest.fixture
def aws_script(monkeypatch):
    with scripted_aws(monkeypatch) as script:
        script.answers |= {
            "ListBuildsForProject": [{"ids": []}],
            "BatchGetBuilds": [{"builds": []}],
            "StartBuild": [{"build": {"id": "p:new"}}],
        }
        yield script


@pytest.fixture
def hook(aws_script) -> CodeBuildHook:
    return CodeBuildHook(aws_conn_id=None, region_name="us-east-1")


def build(build_id: str, status: str, purpose: str | None = None, **more):
    variables = [{"name": PURPOSE_VARIABLE, "value": purpose}] if purpose else []
    fields = {"id": build_id, "buildStatus": status, "projectName": "p"}
    return {**fields, "environment": {"environmentVariables": variables}, **more}


def let_there_be(script, *builds):
    script.answers["ListBuildsForProject"] = [{"ids": [item["id"] for item in builds], "nextToken": "more"}]
    script.answers["BatchGetBuilds"] = [{"builds": list(builds)}]


@pytest.mark.parametrize("status", ["IN_PROGRESS", "SUCCEEDED"])
def test_a_purposes_own_build_is_adopted_however_long_ago_it_was_started(hook, aws_script, status):
    let_there_be(aws_script, build("p:2", "IN_PROGRESS", "other"), build("p:1", status, "mine"))
    assert hook.start_build("p", "mine") == "p:1"
    assert aws_script.asked("StartBuild") == []


def test_a_failed_build_is_followed_by_another_under_another_token(hook, aws_script):
    assert hook.start_build("p", "mine", {"environmentVariablesOverride": [{"name": "A", "value": "1"}]}) == "p:new"
    let_there_be(aws_script, build("p:1", "FAILED", "mine"))
    assert hook.start_build("p", "mine", {"sourceVersion": "abc"}) == "p:new"
    hook.start_build("p", "mine")
    first, second, same = aws_script.asked("StartBuild")
    assert first["idempotencyToken"] != second["idempotencyToken"] == same["idempotencyToken"]
    mark = {"name": PURPOSE_VARIABLE, "value": "mine", "type": "PLAINTEXT"}
    assert first["environmentVariablesOverride"] == [{"name": "A", "value": "1"}, mark]
    assert (second["sourceVersion"], second["environmentVariablesOverride"]) == ("abc", [mark])


def test_a_failed_build_names_its_failed_phases_and_its_log(hook, aws_script):
    phases = [
        {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"},
        {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 1."}]},
        {"phaseType": "UPLOAD_ARTIFACTS", "phaseStatus": "CLIENT_ERROR"},
    ]
    logs = {"groupName": "/aws/codebuild/p", "streamName": "s"}
    let_there_be(aws_script, build("p:1", "FAILED", phases=phases, logs=logs))
    facts = hook.build("p:1")
    assert facts.reason == "the build is FAILED: BUILD: exit status 1; UPLOAD_ARTIFACTS: no reason is given"
    assert (facts.log_group, facts.log_stream, facts.has_ended) == ("/aws/codebuild/p", "s", True)


def test_only_a_build_that_runs_is_stopped(hook, aws_script):
    aws_script.answers["StopBuild"] = [{"build": {"id": "p:1"}}]
    let_there_be(aws_script, build("p:1", "SUCCEEDED"))
    assert not hook.stop_build("p:1")
    let_there_be(aws_script, build("p:1", "IN_PROGRESS"))
    assert hook.stop_build("p:1")
    assert aws_script.asked("StopBuild") == [{"id": "p:1"}]


def test_what_does_not_exist_and_what_is_refused_is_told(hook, aws_script):
    with pytest.raises(PipelineError, match="p:9: CodeBuild knows no such build"):
        hook.build("p:9")
    aws_script.answers["ListBuildsForProject"] = [
        Refusal("ResourceNotFoundException"),
        Refusal("AccessDeniedException"),
    ]
    with pytest.raises(PipelineError, match="p: CodeBuild in us-east-1 knows no such project"):
        hook.start_build("p", "mine")
    with pytest.raises(PermissionMissingError, match="codebuild:ListBuildsForProject on p"):
        hook.start_build("p", "mine")


def test_the_trigger_waits_until_the_build_has_ended(aws_script):
    aws_script.answers["BatchGetBuilds"] = [
        {"builds": [build("p:1", "IN_PROGRESS")]},
        {"builds": [build("p:1", "TIMED_OUT")]},
    ]
    trigger = CodeBuildTrigger(build_id="p:1", waiter_delay=0, aws_conn_id=None)

    async def first_event():
        return await anext(trigger.run())

    assert asyncio.run(first_event()).payload == {"status": "success", "run_id": "p:1"}
    assert len(aws_script.asked("BatchGetBuilds")) == 2


def test_a_killed_trigger_stops_the_build(aws_script):
    aws_script.answers["StopBuild"] = [{"build": {"id": "p:1"}}]
    asyncio.run(CodeBuildTrigger(build_id="p:1", aws_conn_id=None, cancel_on_kill=False).on_kill())
    assert aws_script.calls == []
    asyncio.run(CodeBuildTrigger(build_id="p:1", aws_conn_id=None).on_kill())
    assert aws_script.asked("StopBuild") == [{"id": "p:1"}]
