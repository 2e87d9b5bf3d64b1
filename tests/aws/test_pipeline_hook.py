"""Pipelines and packages. moto keeps both; executions that run, fail or stop are stubbed."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from tests.aws.conftest import REGION
from watchkeeper.aws.pipeline_hook import PipelineHook
from watchkeeper.errors import PermissionMissingError, PipelineError

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/training-of-models"
PIPELINE = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/churn"
EXECUTION = f"{PIPELINE}/execution/abcdefghijkl"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/3"
DEFINITION = json.dumps({"Version": "2020-12-01", "Parameters": [{"Name": "EndpointId"}], "Steps": []}, indent=1)


@pytest.fixture
def client():
    return boto3.client("sagemaker", region_name=REGION)


@pytest.fixture
def hook():
    return PipelineHook(aws_conn_id=None, region_name=REGION)


@pytest.fixture
def stub(hook):
    with Stubber(hook.client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_definition_is_put_in_force_once(hook, client):
    assert hook.put_pipeline("churn", DEFINITION, ROLE)
    made = client.describe_pipeline(PipelineName="churn")
    assert made["PipelineDefinition"] == DEFINITION
    assert "definition sha256:" in made["PipelineDescription"]
    assert not hook.put_pipeline("churn", DEFINITION, ROLE)
    assert not hook.put_pipeline("churn", json.dumps(json.loads(DEFINITION)), ROLE)
    assert hook.pipeline_parameters("churn") == {"EndpointId"}


def test_a_change_or_an_edit_by_hand_is_brought_back(hook, client):
    hook.put_pipeline("churn", DEFINITION, ROLE)
    changed = json.dumps(json.loads(DEFINITION) | {"Metadata": {}})
    assert hook.put_pipeline("churn", changed, ROLE)
    client.update_pipeline(PipelineName="churn", PipelineDefinition=DEFINITION)
    assert hook.put_pipeline("churn", changed, ROLE)
    assert client.describe_pipeline(PipelineName="churn")["PipelineDefinition"] == changed
    assert hook.put_pipeline("churn", changed, ROLE.replace("training", "other"))


def test_what_cannot_be_is_told(hook):
    with pytest.raises(PipelineError, match="its definition is not JSON"):
        hook.put_pipeline("churn", "{", ROLE)
    with pytest.raises(PipelineError, match="us-east-1 knows no such pipeline"):
        hook.pipeline_parameters("churn")
    with pytest.raises(PipelineError, match="there is no such model package"):
        hook.package(PACKAGE)


def test_a_refusal_names_action_and_pipeline(hook, stub):
    stub.add_client_error("describe_pipeline", "AccessDeniedException", http_status_code=400)
    with pytest.raises(PermissionMissingError, match="sagemaker:DescribePipeline on pipeline/churn"):
        hook.put_pipeline("churn", DEFINITION, ROLE)


def summaries(*statuses, name="20261120T05-attempt"):
    return {
        "PipelineExecutionSummaries": [
            {
                "PipelineExecutionArn": f"{EXECUTION}{place}",
                "PipelineExecutionStatus": status,
                "PipelineExecutionDisplayName": name,
            }
            for place, status in enumerate(statuses)
        ]
    }


def start(hook):
    return hook.start_execution("churn", "20261120T05_attempt", {"B": "2", "A": "1"})


def test_an_attempt_is_started_with_a_token_of_its_own(hook, stub):
    tokens = []

    def taken(params, **_):
        tokens.append(params["ClientRequestToken"])

    hook.client.meta.events.register("provide-client-params.sagemaker.StartPipelineExecution", taken)
    for earlier in ((), (), ("Failed",)):
        stub.add_response("list_pipeline_executions", summaries(*earlier))
        stub.add_response(
            "start_pipeline_execution",
            {"PipelineExecutionArn": EXECUTION},
            {
                "PipelineName": "churn",
                "PipelineExecutionDisplayName": "20261120T05-attempt",
                "PipelineParameters": [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}],
                "ClientRequestToken": ANY,
            },
        )
        assert start(hook) == EXECUTION
    assert tokens[0] == tokens[1] != tokens[2]
    assert 32 <= len(tokens[0]) <= 128


@pytest.mark.parametrize("statuses", [("Executing",), ("Succeeded",), ("Stopping", "Failed"), ("Failed", "Executing")])
def test_what_runs_or_has_succeeded_is_adopted(hook, stub, statuses):
    stub.add_response("list_pipeline_executions", summaries(*statuses))
    place = next(place for place, status in enumerate(statuses) if status != "Failed")
    assert start(hook) == f"{EXECUTION}{place}"


def test_executions_of_other_attempts_are_not_adopted(hook, stub):
    stub.add_response("list_pipeline_executions", summaries("Executing", name="another"))
    stub.add_response("start_pipeline_execution", {"PipelineExecutionArn": EXECUTION})
    assert start(hook) == EXECUTION


def describe(stub, status, steps, **fields):
    stub.add_response(
        "describe_pipeline_execution",
        {"PipelineExecutionArn": EXECUTION, "PipelineExecutionStatus": status, **fields},
    )
    stub.add_response("list_pipeline_execution_steps", {"PipelineExecutionSteps": steps})


def test_the_reason_is_that_of_the_step_that_failed(hook, stub):
    steps = [
        {"StepName": "TrainModel", "StepStatus": "Succeeded"},
        {"StepName": "EvaluateModel", "StepStatus": "Failed", "FailureReason": "ClientError: no rows."},
    ]
    describe(stub, "Failed", steps, FailureReason="Step failure: One or multiple steps failed.")
    facts = hook.execution(EXECUTION)
    assert (facts.has_ended, facts.has_succeeded) == (True, False)
    assert facts.reason == "the execution is Failed: EvaluateModel: ClientError: no rows"
    describe(stub, "Stopped", [])
    assert hook.execution(EXECUTION).reason == "the execution is Stopped: no reason is given"


def test_the_model_package_is_the_one_that_a_step_registered(hook, stub):
    steps = [{"StepName": "Register", "StepStatus": "Succeeded", "Metadata": {"RegisterModel": {"Arn": PACKAGE}}}]
    describe(stub, "Succeeded", steps)
    assert hook.execution(EXECUTION).model_package_arn == PACKAGE


def test_stopping_what_has_ended_is_no_error(hook, stub):
    stub.add_response("stop_pipeline_execution", {"PipelineExecutionArn": EXECUTION})
    assert hook.stop_execution(EXECUTION)
    for status, told in (("Succeeded", False), ("Executing", None)):
        stub.add_client_error("stop_pipeline_execution", "ValidationException", "has ended")
        stub.add_response("describe_pipeline_execution", {"PipelineExecutionStatus": status})
        if told is None:
            with pytest.raises(ClientError):
                hook.stop_execution(EXECUTION)
        else:
            assert hook.stop_execution(EXECUTION) is told


@pytest.mark.parametrize(
    ("statuses", "ends"), [(["Executing", "Stopping", "Stopped"], True), (["Failed"], True), (["Executing"] * 3, False)]
)
def test_our_waiter_ends_with_the_execution_whatever_became_of_it(hook, stub, statuses, ends):
    for status in statuses:
        stub.add_response("describe_pipeline_execution", {"PipelineExecutionStatus": status})
    wait = hook.get_waiter("pipeline_execution_ended").wait
    config = {"Delay": 0, "MaxAttempts": 3}
    if ends:
        wait(PipelineExecutionArn=EXECUTION, WaiterConfig=config)
    else:
        with pytest.raises(Exception, match="Max attempts exceeded"):
            wait(PipelineExecutionArn=EXECUTION, WaiterConfig=config)


@pytest.fixture
def package(client):
    client.create_model_package_group(ModelPackageGroupName="churn")
    return client.create_model_package(
        ModelPackageGroupName="churn",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        CustomerMetadataProperties={"training_data_uri": "s3://b/training/", "baseline_uri": "s3://b/baseline"},
    )["ModelPackageArn"]


def test_a_package_is_approved_or_rejected_with_the_reason(hook, client, package):
    facts = hook.package(package)
    assert (facts.training_data_uri, facts.baseline_uri, facts.version) == ("s3://b/training/", "s3://b/baseline", "1")
    assert hook.decide_package(package, "Rejected", "Keep the champion:\nworse by 0.1.")
    facts = hook.package(package)
    assert (facts.approval_status, facts.approval_description) == ("Rejected", "Keep the champion: worse by 0.1.")
    assert not hook.decide_package(package, "Rejected", "Keep the champion: worse by 0.1.")
    assert hook.decide_package(package, "Approved", "x" * 2000)
    assert len(client.describe_model_package(ModelPackageName=package)["ApprovalDescription"]) == 1024


def test_without_metadata_the_executions_parameters_say_where_the_data_lies(hook, stub):
    described = {
        "ModelPackageName": "churn",
        "ModelPackageArn": PACKAGE,
        "CreationTime": MOMENT,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
    }
    stub.add_response("describe_model_package", described)
    stub.add_response(
        "list_pipeline_parameters_for_execution",
        {"PipelineParameters": [{"Name": "TrainingDataUri", "Value": "s3://b/t/"}]},
        {"PipelineExecutionArn": EXECUTION},
    )
    facts = hook.package(PACKAGE, EXECUTION)
    assert (facts.training_data_uri, facts.baseline_uri) == ("s3://b/t/", None)


def test_what_is_started_once_carries_its_token(hook, stub):
    token = "0" * 40
    asked = {
        "PipelineName": "score",
        "PipelineExecutionDisplayName": f"event-{token}",
        "PipelineParameters": [{"Name": "Build", "Value": "7"}],
        "ClientRequestToken": token,
    }
    arn = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/score/execution/k3v9q1x7m2ab"
    stub.add_response("start_pipeline_execution", {"PipelineExecutionArn": arn}, asked)
    assert hook.start_once("score", token, {"Build": "7"}) == arn
    stub.add_client_error("start_pipeline_execution", "ResourceNotFound", "Pipeline 'score' does not exist.")
    with pytest.raises(PipelineError, match="score: SageMaker in us-east-1 knows no such pipeline"):
        hook.start_once("score", token, {"Build": "7"})
