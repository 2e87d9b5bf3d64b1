"""What is read from the events of every service, and that nothing in an event can break the reading."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.registry import event_samples as samples
from tests.registry.event_samples import AT, EXECUTION_ARN, INDEX, PIPELINE_ARN, SPEC, read
from watchkeeper.registry.endpoint_index import EndpointIndex
from watchkeeper.registry.event_kind import API_CALL, EVENT_KINDS, SHAPES
from watchkeeper.registry.platform_event import PlatformEvent, read_platform_event

TRAIN = "flights-train-2026-11-20-04-00-00-123"


@pytest.mark.parametrize(
    ("event", "kind", "name", "status", "outcome", "reason"),
    [
        (samples.code_pipeline(), "code_pipeline", "flights-release", "FAILED", "failed", None),
        (samples.code_pipeline("SUPERSEDED"), "code_pipeline", "flights-release", "SUPERSEDED", "stopped", None),
        (
            samples.code_pipeline_action(), "code_pipeline_action", "flights-release", "FAILED", "failed",
            "JobFailed; Stack flights is in ROLLBACK_COMPLETE",
        ),
        (samples.code_build(), "code_build", "flights-image", "FAILED", "failed", "BUILD: exit status 2"),
        (samples.code_build("IN_PROGRESS"), "code_build", "flights-image", "IN_PROGRESS", "started",
         "BUILD: exit status 2"),
        (
            samples.state_machine(), "state_machine", "nightly-features", "FAILED", "failed",
            "States.TaskFailed; the query ended with an error",
        ),
        (samples.state_machine("TIMED_OUT"), "state_machine", "nightly-features", "TIMED_OUT", "failed",
         "States.TaskFailed; the query ended with an error"),
        (samples.training_job(), "training_job", TRAIN, "Failed", "failed", "AlgorithmError: exit code 1"),
        (
            samples.training_job("InProgress", SecondaryStatus="Starting"),
            "training_job", TRAIN, "InProgress", "started", None,
        ),
        (
            samples.training_job("InProgress", SecondaryStatus="Training"),
            "training_job", TRAIN, "InProgress", "running", None,
        ),
        (samples.tuning_job("Completed"), "tuning_job", TRAIN, "Completed", "succeeded", None),
        (
            samples.processing_job(ExitMessage="no rows"), "processing_job", TRAIN, "Failed", "failed",
            "AlgorithmError: exit code 1; no rows",
        ),
        (samples.transform_job("Stopped"), "transform_job", TRAIN, "Stopped", "stopped", None),
        (samples.labeling_job("Completed"), "labeling_job", "delays-2026", "Completed", "succeeded", None),
        (samples.pipeline(), "pipeline", "flights-retraining", "Failed", "failed", None),
        (
            samples.pipeline_step(), "pipeline_step", "flights-retraining", "Failed", "failed",
            "ClientError: no such image",
        ),
        (samples.endpoint("IN_SERVICE"), "endpoint", "flights-delay", "IN_SERVICE", "succeeded", None),
        (samples.endpoint("RollingBack"), "endpoint", "flights-delay", "RollingBack", "running", None),
        (samples.endpoint("UPDATE_ROLLBACK_FAILED"), "endpoint", "flights-delay", "UPDATE_ROLLBACK_FAILED", "failed",
         None),
        (samples.endpoint_config(), "endpoint_config", "flights-delay-2", "", "changed", None),
        (samples.model(), "model", "flights-7", "", "changed", None),
        (samples.model_package(), "model_package", "flights/7", "Approved", "changed", "wins on the held-out rows"),
        (samples.model_package(status="Failed"), "model_package", "flights/7", "Failed", "failed",
         "wins on the held-out rows"),
        (samples.feature_group(), "other", "delays", "", "changed", None),
    ],
)  # fmt: skip
def test_each_kind_says_what_happened(event, kind, name, status, outcome, reason):
    found = read(event)
    assert (found.kind, found.name, found.status, found.outcome) == (kind, name, status, outcome)
    assert found.reason == reason
    assert found.problem is None
    assert (found.account, found.region, found.event_id) == (samples.ACCOUNT, samples.REGION, "e-1")


def test_every_kind_has_a_sample():
    made = {read(event()).kind for name, event in vars(samples).items() if name in EVENT_KINDS}
    made |= {read(samples.feature_group()).kind, "code_pipeline_stage"}
    assert made == set(EVENT_KINDS)


def test_an_api_call_says_who_did_what_from_where():
    found = read(samples.api_call())
    assert (found.kind, found.status, found.name) == ("api_call", "UpdateEndpoint", "flights-delay")
    assert found.actor == "arn:aws:sts::123456789012:assumed-role/ml-admin/mira"
    assert found.address == "198.51.100.7"
    assert found.reason == "to the configuration flights-delay-3"
    assert (found.endpoint, found.outcome) == ("flights", "changed")
    assert found.at == datetime(2026, 11, 20, 4, 59, 30, tzinfo=UTC)


def test_an_api_call_tells_weights_and_alarms_and_refusals():
    weights = [{"variantName": "A", "desiredWeight": 0.2}, {"variantName": "B", "desiredInstanceCount": 3}]
    request = {"endpointName": "flights-delay", "desiredWeightsAndCapacities": weights}
    shifted = read(samples.api_call("UpdateEndpointWeightsAndCapacities", request=request))
    assert shifted.reason == "variant A: weight 0.2; variant B: instances 3"
    alarm = read(samples.api_call("PutMetricAlarm", request={"alarmName": "watchkeeper/flights/_all/incident"}))
    assert (alarm.name, alarm.endpoint) == ("watchkeeper/flights/_all/incident", "flights")
    refused = read(samples.api_call("DeleteEndpoint", errorCode="AccessDenied"))
    assert (refused.outcome, refused.reason) == (
        "failed",
        "to the configuration flights-delay-3; refused: AccessDenied",
    )
    package = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/flights/7"
    assert read(samples.api_call("UpdateModelPackage", request={"modelPackageArn": package})).name == "7"
    assert read(samples.api_call("ListEndpoints", request={"maxResults": 3})).name == ""
    service = read(samples.api_call("DeleteEndpoint", userIdentity={"invokedBy": "cloudformation.amazonaws.com"}))
    assert service.actor == "cloudformation.amazonaws.com"


def test_the_run_of_a_pipeline_is_its_execution_and_the_name_is_the_pipelines():
    found = read(samples.pipeline())
    assert (found.run, found.arn, found.endpoint) == (EXECUTION_ARN, PIPELINE_ARN, "flights")
    assert read(samples.pipeline_step()).part == "Train"
    assert read(samples.code_pipeline_action()).part == "Deploy/UpdateEndpoint"


def test_a_job_of_a_pipeline_is_told_by_its_name():
    assert read(samples.training_job(name="pipelines-k3v9q1x7m2ab-Train-x8Yz")).in_pipeline == "k3v9q1x7m2ab"
    assert read(samples.training_job()).in_pipeline is None


def test_no_payload_is_kept():
    kept = json.dumps([vars(read(event)) for event in (samples.training_job(), samples.state_machine())], default=str)
    assert "hunter2" not in kept
    assert "secret-4711" not in kept


def test_an_endpoint_is_found_by_name_tag_and_place():
    assert read(samples.endpoint()).endpoint == "flights"
    unknown = read(samples.endpoint(name="strangers"))
    assert (unknown.endpoint, unknown.endpoint_name) == (None, "strangers")
    tags = [{"Key": "watchkeeper:endpoint", "Value": "flights"}, {"Key": "odd"}, 3]
    assert read(samples.training_job(Tags=tags)).endpoint == "flights"
    assert read(samples.training_job(Tags={"watchkeeper:endpoint": "nobody"})).endpoint is None
    assert read(samples.model_package()).endpoint == "flights"
    elsewhere = SPEC.model_copy(update={"region_name": "us-east-1", "registry_id": "elsewhere"})
    role = "arn:aws:iam::999999999999:role/watch"
    foreign = SPEC.model_copy(update={"role_arn": role, "registry_id": "foreign"})
    assert read(samples.endpoint(), EndpointIndex.of([elsewhere, foreign])).endpoint is None
    assert read(samples.endpoint(), EndpointIndex.of([elsewhere, foreign, SPEC])).endpoint == "flights"
    shared = SPEC.model_copy(update={"registry_id": "second", "endpoint_name": "second"})
    assert read(samples.pipeline(), EndpointIndex.of([SPEC, shared])).endpoint is None, "a pipeline of both is of none"


@pytest.mark.parametrize(
    ("event", "missing"),
    [
        (samples.training_job() | {"detail": {}, "resources": []}, "TrainingJobName"),
        (samples.pipeline() | {"detail": {"pipelineArn": PIPELINE_ARN}}, "pipelineExecutionArn"),
        (samples.endpoint() | {"detail": {"EndpointName": "flights-delay"}}, "EndpointStatus"),
        (samples.endpoint("Melted"), "EndpointStatus is none that is known"),
        (samples.api_call() | {"detail": {}}, "eventName"),
        (samples.model() | {"time": "yesterday"}, "time"),
    ],
)
def test_what_is_missing_is_told_and_the_rest_is_kept(event, missing):
    found = read(event)
    assert found.problem is not None
    assert missing in found.problem
    assert found.kind != "other"


def test_several_events_of_one_change_of_state_are_one_change():
    first = read(samples.training_job() | {"id": "a"})
    again = read(samples.training_job(LastModifiedTime=samples.milliseconds(AT) + 900) | {"id": "b"})
    assert first.change_id == again.change_id
    assert read(samples.training_job("Completed")).change_id != first.change_id
    assert read(samples.training_job(name="another")).change_id != first.change_id
    later = AT + timedelta(hours=2)
    served, twice, later_on = (
        read(samples.endpoint("IN_SERVICE", at=at) | {"id": name}) for at, name in ((AT, "a"), (AT, "b"), (later, "c"))
    )
    assert served.change_id == twice.change_id != later_on.change_id
    stage, retried = read(samples.code_pipeline() | {"id": "a"}), read(samples.code_pipeline() | {"id": "b"})
    assert stage.change_id != retried.change_id, "a stage that is retried fails once more"


def test_the_detail_knows_the_time_best():
    ended = AT - timedelta(seconds=7)
    assert read(samples.training_job(TrainingEndTime=samples.milliseconds(ended))).at == ended
    far = samples.milliseconds(AT - timedelta(days=3))
    assert read(samples.endpoint(LastModifiedTime=far)).at == AT, "a time that stood still is another change's"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
fields = sorted(
    {name for shape in SHAPES.values() for name in (shape.name, shape.status, shape.arn, shape.run) if name}
    | {"Tags", "FailureReason", "additionalAttributes", "execution-result", "additional-information", "stage"}
    | {"userIdentity", "requestParameters", "eventName", "eventTime", "LastModifiedTime", "TrainingEndTime"}
)


@given(
    detail_type=st.sampled_from([*SHAPES, API_CALL, "Something Else"]),
    detail=st.dictionaries(st.sampled_from(fields) | st.text(max_size=8), anything, max_size=8),
    at=st.sampled_from(["2026-11-20T05:00:00Z", "never", ""]),
    resources=st.lists(st.text(max_size=30), max_size=2),
)
def test_whatever_an_event_holds_it_is_read(detail_type, detail, at, resources):
    found = read_platform_event(
        event_id="e", source="s", detail_type=detail_type, at=at, detail=detail, resources=resources, endpoints=INDEX
    )
    assert isinstance(found, PlatformEvent)
    assert found.at.tzinfo is not None
    assert found.label
