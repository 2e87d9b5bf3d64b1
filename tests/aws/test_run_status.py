"""How far a run is and when one last started, as each service answers."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import Stubber

from tests.aws import job_answers as answers
from tests.aws.job_answers import END, EXECUTION, START
from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.job_hook import JobHook
from watchkeeper.aws.run_status import last_start, run_status
from watchkeeper.errors import PermissionMissingError

BUILD = "arn:aws:codebuild:us-east-1:123456789012:build/flights-image:0a1b-22"
STATES = "arn:aws:states:us-east-1:123456789012:execution:nightly-features:run-41"


def stubbed(access: AwsAccess, service: str) -> Stubber:
    return Stubber(access.client(service))


def test_a_code_pipelines_execution(access):
    with stubbed(access, "codepipeline") as stub:
        for status in ("InProgress", "Succeeded", "Cancelled"):
            execution = {
                "pipelineExecution": {"pipelineName": "release", "pipelineExecutionId": "7c", "status": status}
            }
            stub.add_response(
                "get_pipeline_execution", execution, {"pipelineName": "release", "pipelineExecutionId": "7c"}
            )
        found = [run_status(access, "code_pipeline", "release", "7c") for _ in range(3)]
        assert [one.outcome for one in found] == ["running", "succeeded", "stopped"]
        stub.add_client_error("get_pipeline_execution", "PipelineExecutionNotFoundException")
        assert run_status(access, "code_pipeline", "release", "7c") is None


def test_a_build(access):
    with stubbed(access, "codebuild") as stub:
        build = {"id": "flights-image:0a1b-22", "buildStatus": "TIMED_OUT", "endTime": END}
        stub.add_response("batch_get_builds", {"builds": [build]}, {"ids": [BUILD]})
        found = run_status(access, "code_build", "flights-image", BUILD)
        assert (found.status, found.outcome, found.ended_at) == ("TIMED_OUT", "failed", END)
        stub.add_response("batch_get_builds", {"builds": [], "buildsNotFound": [BUILD]}, {"ids": [BUILD]})
        assert run_status(access, "code_build", "flights-image", BUILD) is None


def test_a_state_machines_execution(access):
    answer = {
        "executionArn": STATES,
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:nightly-features",
        "status": "RUNNING",
        "startDate": START,
    }
    with stubbed(access, "stepfunctions") as stub:
        stub.add_response("describe_execution", answer, {"executionArn": STATES})
        found = run_status(access, "state_machine", "nightly-features", STATES)
        assert (found.outcome, found.ended_at) == ("started", None)
        stub.add_client_error("describe_execution", "AccessDeniedException")
        with pytest.raises(PermissionMissingError, match="states:DescribeExecution"):
            run_status(access, "state_machine", "nightly-features", STATES)


def test_a_job_is_asked_by_its_arns_name(access):
    answer = answers.training("Stopped")

    def reply(model, params, **_):
        assert '"TrainingJobName": "flights-train-20261120"' in params["body"].decode()
        return type("Answer", (), {"status_code": 200})(), answer

    session = access.open(JobHook).get_session()
    session.events.register("before-call.sagemaker.DescribeTrainingJob", reply)
    found = run_status(access, "training_job", "flights-train-20261120", answer["TrainingJobArn"])
    assert (found.outcome, found.ended_at) == ("stopped", END)
    assert run_status(access, "processing_job", "gone", answers.ACCOUNT_ARN + ":processing-job/gone") is None
    assert run_status(access, "pipeline", "gone", EXECUTION) is None


def test_when_a_pipeline_last_started(access):
    since = START - timedelta(hours=1)
    with stubbed(access, "sagemaker") as stub:
        asked = {
            "PipelineName": "score",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 1,
        }
        summaries = [{"PipelineExecutionArn": EXECUTION, "StartTime": START}]
        for _ in range(2):
            stub.add_response("list_pipeline_executions", {"PipelineExecutionSummaries": summaries}, asked)
        assert last_start(access, "pipeline", "score", since) == START
        assert last_start(access, "pipeline", "score", START + timedelta(seconds=1)) is None
        stub.add_response("list_pipeline_executions", {"PipelineExecutionSummaries": []}, asked)
        assert last_start(access, "pipeline", "score", since) is None
        stub.add_client_error("list_pipeline_executions", "ResourceNotFound")
        assert last_start(access, "pipeline", "score", since) is None


def test_when_a_code_pipeline_and_a_build_last_started(access):
    since = datetime(2026, 1, 1, tzinfo=UTC)
    with stubbed(access, "codepipeline") as stub:
        summaries = [{"pipelineExecutionId": "7c", "status": "Succeeded", "startTime": START}]
        asked = {"pipelineName": "release", "maxResults": 1}
        stub.add_response("list_pipeline_executions", {"pipelineExecutionSummaries": summaries}, asked)
        assert last_start(access, "code_pipeline", "release", since) == START
    with stubbed(access, "codebuild") as stub:
        asked = {"projectName": "image", "sortOrder": "DESCENDING"}
        stub.add_response("list_builds_for_project", {"ids": ["image:2", "image:1"]}, asked)
        stub.add_response("batch_get_builds", {"builds": [{"id": "image:2", "startTime": END}]}, {"ids": ["image:2"]})
        assert last_start(access, "code_build", "image", since) == END
        stub.add_response("list_builds_for_project", {}, asked)
        assert last_start(access, "code_build", "image", since) is None


@pytest.mark.parametrize(
    ("kind", "name"), [("pipeline", "score-*"), ("state_machine", "nightly"), ("training_job", "x")]
)
def test_what_cannot_be_asked_for_says_so(access, kind, name):
    with pytest.raises(LookupError, match="AWS cannot be asked when"):
        last_start(access, kind, name, START)
