"""Promotion and rolling back. moto keeps configurations and weights; updates are a switch, or a silent rollback."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from tests.operators.conftest import BUCKET, REGION, context
from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.aws.baseline_store import BaselineManifest
from watchkeeper.operators.promote_model import PromoteModelOperator
from watchkeeper.operators.roll_back_model import RollBackModelOperator

ATTEMPT = "20261120T05-20261120T06-abc"
RETRAINING = {
    "pipeline_name": "p",
    "model_package_group": "flights",
    "role_arn": "arn:aws:iam::123456789012:role/training",
}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": f"s3://{BUCKET}/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


@pytest.fixture
def world(place, monkeypatch):
    from moto.core.responses import ActionResult
    from moto.sagemaker.responses import SageMakerResponse

    client = boto3.client("sagemaker", region_name=REGION)
    here = SimpleNamespace(place=place, client=client, updates=[], rolls_back=False)

    def update_endpoint(response):
        backend = response.sagemaker_backend
        name = response._get_param("EndpointConfigName")
        endpoint = backend.endpoints[response._get_param("EndpointName")]
        here.updates.append((name, response._get_param("DeploymentConfig")))
        if not here.rolls_back:
            endpoint.endpoint_config_name = name
            variants = backend.endpoint_configs[name].production_variants
            endpoint.production_variants = endpoint._process_production_variants(variants)
            for running, configured in zip(endpoint.production_variants, variants, strict=True):
                weight = configured.get("InitialVariantWeight", 1.0)
                running.update(CurrentWeight=weight, DesiredWeight=weight)
        return ActionResult({"EndpointArn": endpoint.arn})

    monkeypatch.setattr(SageMakerResponse, "update_endpoint", update_endpoint, raising=False)
    client.create_model(
        ModelName="old",
        ExecutionRoleArn=RETRAINING["role_arn"],
        PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/m"},
    )
    client.create_endpoint_config(
        EndpointConfigName="first",
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": "old",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": 1.0,
            }
        ],
        DataCaptureConfig=CAPTURE,
    )
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="first")
    client.create_model_package_group(ModelPackageGroupName="flights")
    here.package = client.create_model_package(
        ModelPackageGroupName="flights",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    place.endpoint(retraining=RETRAINING)
    attempt(here, ATTEMPT)
    return here


def attempt(world, attempt_id):
    world.place.deployment.actions.open_attempt(
        AttemptRecord(
            attempt_id=attempt_id,
            endpoint="flights",
            state="compared",
            decided_at="2026-11-20T06:12:00Z",
            model_package_arn=world.package,
        ),
        by="test",
        why="won",
        now=datetime(2026, 11, 20, 6, 12, tzinfo=UTC),
    )


def promote(**fields):
    defaults = {"deferrable": False, "waiter_delay": 0, "attempt_id": ATTEMPT}
    return PromoteModelOperator(task_id="promote", endpoint="flights", **(defaults | fields))


def roll_back(**fields):
    return RollBackModelOperator(
        task_id="back", endpoint="flights", **({"deferrable": False, "waiter_delay": 0} | fields)
    )


def in_service(world):
    return world.client.describe_endpoint(EndpointName="flights-delay")["EndpointConfigName"]


def record(world, attempt_id=ATTEMPT):
    return world.place.deployment.actions.read("flights", attempt_id)


def test_the_attempts_package_comes_into_service_and_stays_there(world):
    result = promote().execute(context())
    assert in_service(world) == result["config_name"]
    assert (result["previous_config"], result["model_package_arn"]) == ("first", world.package)
    assert [name for name, _ in world.updates] == [result["config_name"]]
    assert "BlueGreenUpdatePolicy" in world.updates[0][1]
    done = record(world)
    assert (done.state, done.previous_config, done.new_config) == ("promoted", "first", result["config_name"])
    assert promote().execute(context()) == result
    assert len(world.updates) == 1
    assert record(world) == done


def test_a_deferred_update_is_verified_when_it_comes_back(world):
    with pytest.raises(TaskDeferred) as deferred:
        promote(deferrable=True, waiter_delay=30).execute(context())
    assert deferred.value.trigger.attempts >= 120
    named = deferred.value.kwargs
    assert named["phase"] == "update"
    event = {"status": "success", "endpoint_name": "flights-delay"}
    result = promote(deferrable=True).execute_complete(context(), event, **named)
    assert result["config_name"] == in_service(world)
    with pytest.raises(AirflowFailException, match="ended with"):
        promote().execute_complete(context(), {"status": "error", "message": "x"}, **named)
    with pytest.raises(AirflowException, match="ended with"):
        promote().execute_complete(context(), None)


def test_a_silent_rollback_fails_at_once_and_is_recorded(world):
    world.rolls_back = True
    with pytest.raises(AirflowFailException, match="rolled back: configuration first is in service, and not first-wk-"):
        promote().execute(context())
    assert record(world).state == "failed"
    assert "rolled back" in record(world).history[-1].why
    assert len(world.updates) == 1


def test_what_was_rejected_never_comes_into_service(world):
    now = datetime.now(UTC)
    world.place.deployment.actions.advance(
        "flights", ATTEMPT, AttemptState.REJECTED, by="ada", why="not on a Friday", now=now
    )
    with pytest.raises(AirflowFailException, match="is rejected: not on a Friday"):
        promote().execute(context())
    assert (in_service(world), world.updates) == ("first", [])


def test_a_promotion_stays_recorded_though_a_later_look_finds_another_model(world):
    promote().execute(context())
    done = record(world)
    world.client.update_endpoint(EndpointName="flights-delay", EndpointConfigName="first")
    world.rolls_back = True
    with pytest.raises(AirflowFailException, match="rolled back"):
        promote().execute(context())
    assert record(world) == done


def test_an_update_by_somebody_else_comes_first(world, monkeypatch):
    from moto.sagemaker.models import FakeEndpoint

    statuses = ["Updating", "InService"]
    monkeypatch.setattr(
        FakeEndpoint,
        "endpoint_status",
        property(lambda _: statuses.pop(0) if len(statuses) > 1 else statuses[0], lambda *_: None),
        raising=False,
    )
    assert promote().execute(context())["config_name"] == in_service(world)


def test_without_an_attempt_a_package_is_enough(world):
    result = promote(attempt_id=None, model_package_arn=world.package).execute(context())
    assert result["config_name"] == in_service(world)
    assert record(world).state == "compared"
    with pytest.raises(AirflowFailException, match="no model package is known"):
        promote(attempt_id=None).execute(context())
    with pytest.raises(AirflowFailException, match="attempt none: no model package is known"):
        promote(attempt_id="none").execute(context())


def test_of_several_variants_one_is_chosen(world):
    world.place.endpoint(retraining=RETRAINING, variants=["AllTraffic", "Other"])
    with pytest.raises(AirflowFailException, match="its file names the variants AllTraffic, Other"):
        promote().execute(context())
    assert promote(variant="AllTraffic").execute(context())["previous_config"] == "first"


def test_rolling_back_puts_the_model_from_before_in_service(world):
    promote().execute(context())
    result = roll_back(reason="latency rose").execute(context())
    assert result == {"attempt_id": ATTEMPT, "config_name": "first", "model_name": "old"}
    assert in_service(world) == "first"
    assert world.updates[-1] == ("first", None)
    done = record(world)
    assert (done.state, done.history[-1].why) == ("rolled_back", "latency rose")
    package = world.client.describe_model_package(ModelPackageName=world.package)
    assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == ("Rejected", "latency rose")
    assert roll_back(attempt_id=ATTEMPT, reason="latency rose").execute(context()) == result
    assert len(world.updates) == 2
    with pytest.raises(AirflowFailException, match="nothing was promoted here"):
        roll_back().execute(context())


def test_rolling_back_restores_the_baselines_of_the_model_and_tells_people_once(world):
    baselines, day = world.place.deployment.baselines, datetime(2026, 11, 19, tzinfo=UTC)
    promote().execute(context())

    def publish(monitor, model, text, hours):
        manifest = BaselineManifest(
            endpoint="flights",
            monitor=monitor,
            source="s3://b/train.csv",
            row_count=1,
            code_version="1",
            dialect="exact",
            model_version=model,
        )
        return baselines.publish(manifest, {"statistics.json": text}, day + timedelta(hours=hours))[0].version

    before = publish("data_quality", "1", b"1", 1)
    publish("data_quality", world.package, b"2", 2)
    publish("data_quality", world.package, b"3", 3)
    by_hand = [publish("model_quality", world.package, b"1", 2), publish("model_quality", "1", b"2", 3)][1]
    world.place.messages()
    for _ in range(2):
        roll_back(attempt_id=ATTEMPT, reason="latency rose").execute(context())
    assert baselines.pointer("flights", "data_quality").current == before
    assert baselines.pointer("flights", "model_quality").current == by_hand
    (message,) = world.place.messages()
    assert message["Subject"] == "flights: the promotion is taken back"
    assert "Why: latency rose" in message["Message"]
    assert message["MessageAttributes"]["stage"]["Value"] == "rolled_back"


def test_a_deferred_roll_back_comes_back_and_is_verified(world):
    promote().execute(context())
    with pytest.raises(TaskDeferred) as deferred:
        roll_back(deferrable=True).execute(context())
    event = {"status": "success"}
    done = roll_back(deferrable=True).execute_complete(context(), event, **deferred.value.kwargs)
    assert done["config_name"] == "first"


def test_an_attempt_that_was_not_promoted_cannot_be_taken_back(world):
    with pytest.raises(AirflowFailException, match="was not promoted"):
        roll_back(attempt_id=ATTEMPT).execute(context())


@pytest.fixture
def by_weights(world):
    deployment = {"strategy": "weights", "step_percentage": 50, "step_minutes": 0, "alarms": ["flights-5xx"]}
    world.place.endpoint(retraining=RETRAINING | {"deployment": deployment})
    world.cloudwatch = boto3.client("cloudwatch", region_name=REGION)
    world.cloudwatch.put_metric_alarm(
        AlarmName="flights-5xx",
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    world.cloudwatch.set_alarm_state(AlarmName="flights-5xx", StateValue="OK", StateReason="quiet")
    return world


def weights(world):
    described = world.client.describe_endpoint(EndpointName="flights-delay")
    return {variant["VariantName"]: variant["DesiredWeight"] for variant in described["ProductionVariants"]}


def test_by_weights_a_second_variant_takes_over_step_by_step(by_weights, monkeypatch):
    seen = []
    monkeypatch.setattr("time.sleep", lambda _: seen.append(weights(by_weights)))
    result = promote().execute(context())
    shifts = [shares for shares in seen if "AllTraffic-challenger" in shares]
    assert [shares["AllTraffic-challenger"] for shares in shifts] == [0.5, 1.0]
    trial, final = (name for name, _ in by_weights.updates)
    assert final == result["config_name"] == in_service(by_weights)
    assert (trial != final, result["previous_config"]) == (True, "first")
    assert weights(by_weights) == {"AllTraffic": 1.0}
    made = by_weights.client.describe_endpoint_config(EndpointConfigName=trial)["ProductionVariants"]
    assert [(item["VariantName"], item["InitialVariantWeight"]) for item in made] == [
        ("AllTraffic", 1.0),
        ("AllTraffic-challenger", 0.0),
    ]
    assert roll_back().execute(context())["config_name"] == "first"


def test_a_killed_shift_goes_on_from_where_it_was(by_weights, monkeypatch):
    phases = []
    event = {"status": "success"}
    arguments = {}
    for _ in range(9):
        try:
            task = promote(deferrable=True)
            done = task.execute_complete(context(), event, **arguments) if arguments else task.execute(context())
            break
        except TaskDeferred as deferred:
            phases.append((deferred.kwargs["phase"], weights(by_weights).get("AllTraffic-challenger")))
            # Every other time the worker is lost, and a retry begins at the beginning.
            arguments = deferred.kwargs if len(phases) % 2 else {}
    assert phases == [("trial", 0.0), ("pending", 0.5), ("pending", 1.0), ("final", None)]
    assert done["config_name"] == in_service(by_weights)


def test_an_alarm_gives_the_old_model_all_traffic_back(by_weights, monkeypatch):
    def alarm(_):
        by_weights.cloudwatch.set_alarm_state(AlarmName="flights-5xx", StateValue="ALARM", StateReason="errors")

    monkeypatch.setattr("time.sleep", alarm)
    with pytest.raises(AirflowFailException, match="alarm flights-5xx went off with 50% of the traffic"):
        promote().execute(context())
    assert in_service(by_weights) == "first"
    assert record(by_weights).state == AttemptState.FAILED


def test_an_alarm_that_does_not_exist_watches_nothing(by_weights):
    by_weights.cloudwatch.delete_alarms(AlarmNames=["flights-5xx"])
    with pytest.raises(AirflowFailException, match="alarm flights-5xx: CloudWatch knows no such alarm"):
        promote().execute(context())
    assert by_weights.updates == []
