"""Each action of remediation: what it is to bring about is on record first, and done once."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.operators.conftest import REGION
from tests.operators.remediation_world import ERRORS, ROLE, VIOLATIONS, RemediationWorld, rule
from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.aws.endpoint_restart import RESTART_TAG
from watchkeeper.operators.act_on_incident import ActOnIncidentOperator
from watchkeeper.operators.decide_remediation import DecideRemediationOperator

SCALED = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
RESOURCE = "endpoint/flights-delay/variant/AllTraffic"


@pytest.fixture
def world(place, monkeypatch):
    return RemediationWorld(place, monkeypatch)


def act(world, *rules, **policy):
    """Let the alarm go off and recover as soon as something is done; return the newest step."""
    world.endpoint(*(rules or [rule("restart")]), **policy)
    world.set("ALARM")
    world.on_update = lambda: world.set("OK")
    world.run()
    return world.record.step


def test_restart_deploys_the_same_once_more_under_another_name(world):
    step = act(world)
    assert step.outcome == "verified"
    assert world.serving == step.target["config"] != "first"
    again = world.sagemaker.describe_endpoint_config(EndpointConfigName=world.serving)
    first = world.sagemaker.describe_endpoint_config(EndpointConfigName="first")
    assert again["ProductionVariants"] == first["ProductionVariants"]
    assert again["DataCaptureConfig"] == first["DataCaptureConfig"]
    tags = world.sagemaker.list_tags(ResourceArn=again["EndpointConfigArn"])["Tags"]
    assert {"Key": RESTART_TAG, "Value": "first"} in tags


def test_what_was_restarted_is_not_what_is_gone_back_to(world):
    world.endpoint(rule("restart", "roll_back"))
    world.run("quiet")
    world.set("ALARM")
    world.rolls_back = True
    world.run("r1")
    world.rolls_back = False
    restarted = world.record.steps[0].target["config"]
    world.serve(restarted)
    world.run("r2")
    assert world.record.steps[-1].outcome == "refused"
    assert world.serving == restarted


def test_autoscaling_has_its_minimum_raised_within_its_own_maximum(world):
    scaling = boto3.client("application-autoscaling", region_name=REGION)
    scaling.register_scalable_target(ResourceId=RESOURCE, MinCapacity=1, MaxCapacity=3, **SCALED)
    world.endpoint(rule("scale_out"), scale_out={"add_instances": 5, "maximum_instances": 9})
    world.set("ALARM")
    context = world.context("r1")
    (item,) = world.task(DecideRemediationOperator(task_id="decide"), context)
    for _ in range(2):
        world.task(ActOnIncidentOperator(task_id="act", **item), context)
    (target,) = scaling.describe_scalable_targets(ResourceIds=[RESOURCE], **SCALED)["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 3)
    assert world.record.step.target["through"] == "autoscaling"
    assert world.updates == [], "a count that is set by hand autoscaling would take back"


def test_weights_move_from_the_alarms_variant_to_the_one_that_is_named(world):
    variants = [
        {"VariantName": name, "ModelName": "old", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        for name in ("AllTraffic", "Stable")
    ]
    world.sagemaker.create_endpoint_config(EndpointConfigName="two", ProductionVariants=variants)
    world.serve("two")
    for variant in world.backend.production_variants:
        variant.update(CurrentWeight=2.0, DesiredWeight=2.0)
    step = act(world, rule("shift_weights"), shift_weights={"to_variant": "Stable", "share": 0.75})
    assert step.outcome == "verified"
    assert step.after["weights"] == {"AllTraffic": 0.5, "Stable": 3.5}


def test_traffic_that_cannot_move_is_refused(world):
    step = act(world, rule("shift_weights"), shift_weights={"to_variant": "Stable"})
    assert step.outcome == "refused"
    assert "no traffic can move from variant AllTraffic to Stable" in step.verified


def test_a_promotion_that_is_rolled_back_is_ended_with_its_package_rejected(world):
    package = register(world, "1")
    attempt(world, package)
    world.serve("second")
    step = act(world, rule("roll_back"))
    assert step.target["told_by"] == "the record of its promotion"
    assert (world.serving, step.outcome) == ("first", "verified")
    record = world.place.deployment.actions.read("flights", "a")
    assert record.state == "rolled_back"
    assert "rolled back by remediation" in record.history[-1].why
    found = world.sagemaker.describe_model_package(ModelPackageName=package)
    assert found["ModelApprovalStatus"] == "Rejected"


def test_the_newest_older_approved_package_is_put_in_service(world):
    packages = [register(world, str(number)) for number in range(4)]
    world.sagemaker.update_model_package(ModelPackageArn=packages[2], ModelApprovalStatus="Rejected")
    world.sagemaker.create_model(
        ModelName="packaged", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": packages[3]}
    )
    world.config("third", "packaged")
    world.serve("third")
    retraining = {"pipeline_name": "p", "model_package_group": "flights", "definition": None}
    policy = {"roll_back": {"to": "previous_package"}, "endpoint": {"retraining": retraining}}
    step = act(world, rule("roll_back"), **policy)
    assert step.outcome == "verified", step.verified
    config = world.sagemaker.describe_endpoint_config(EndpointConfigName=world.serving)
    model = world.sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["PrimaryContainer"]["ModelPackageName"] == packages[1]


def test_a_model_of_no_package_has_none_before_it(world):
    register(world, "1")
    retraining = {"pipeline_name": "p", "model_package_group": "flights", "definition": None}
    policy = {"roll_back": {"to": "previous_package"}, "endpoint": {"retraining": retraining}}
    step = act(world, rule("roll_back"), **policy)
    assert "is of no package of the group flights" in step.verified


def test_a_function_that_is_not_there_is_refused_and_asked_once(world):
    step = act(world, rule("invoke_lambda"), invoke_lambda={"function_name": "mend"})
    assert step.outcome == "refused"
    assert step.target["asked"] is True


def test_a_function_is_asked_once_whatever_becomes_of_the_task(world, monkeypatch):
    from moto.core.config import default_user_config

    monkeypatch.setitem(default_user_config["lambda"], "use_docker", False)
    iam = boto3.client("iam", region_name=REGION)
    role = iam.create_role(RoleName="mend", AssumeRolePolicyDocument="{}", Path="/")["Role"]["Arn"]
    boto3.client("lambda", region_name=REGION).create_function(
        FunctionName="mend", Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": b"zip"}
    )
    world.endpoint(rule("invoke_lambda"), invoke_lambda={"function_name": "mend"})
    world.set("ALARM")
    context = world.context("r1")
    (item,) = world.task(DecideRemediationOperator(task_id="decide"), context)
    world.task(ActOnIncidentOperator(task_id="act", **item), context)
    step = world.record.step
    assert (step.outcome, step.target["status"]) == ("done", 200)
    world.set("OK")
    assert world.work(item, context)["state"] == "recovered"


def test_a_pipeline_of_codepipeline_that_is_not_there_is_refused(world):
    step = act(world, rule("start_pipeline"), start_pipeline={"pipeline_name": "redeploy"})
    assert step.outcome == "refused"
    assert "redeploy" in step.verified


def test_a_retraining_that_was_not_started_is_no_success(world, monkeypatch):
    retraining = {"pipeline_name": "p", "model_package_group": "flights", "definition": None}
    world.endpoint(rule("retrain", alarms=("violations",)), endpoint={"retraining": retraining})
    world.set("ALARM", VIOLATIONS)
    context = world.context("r1")
    (item,) = world.task(DecideRemediationOperator(task_id="decide"), context)
    monkeypatch.setitem(world.runs, "retrain", Forgetful())
    result = world.work(item, context)
    assert result["state"] == "unresolved"
    assert "has no run" in world.record.why


def test_the_evidence_holds_the_metrics_newest_values(world):
    from datetime import UTC, datetime, timedelta

    for age, value in ((3, 2.0), (2, 7.0)):
        world.cloudwatch.put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[
                {
                    "MetricName": "Invocation5XXErrors",
                    "Dimensions": [{"Name": "EndpointName", "Value": "flights-delay"}],
                    "Timestamp": datetime.now(UTC) - timedelta(minutes=age),
                    "Value": value,
                }
            ],
        )
    step = act(world)
    assert [value for _, value in step.before["alarms"][ERRORS]["values"]] == [2.0, 7.0]


class Forgetful(dict):
    """Runs that are gone as soon as they are started."""

    def __setitem__(self, key, value):
        """Keep nothing."""


def register(world, number):
    with contextlib.suppress(world.sagemaker.exceptions.ClientError):
        world.sagemaker.create_model_package_group(ModelPackageGroupName="flights")
    return world.sagemaker.create_model_package(
        ModelPackageGroupName="flights",
        ModelApprovalStatus="Approved",
        ModelPackageDescription=number,
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]


def attempt(world, package):
    from datetime import UTC, datetime

    actions = world.place.deployment.actions
    record = AttemptRecord(attempt_id="a", endpoint="flights", state="decided", decided_at="2026-11-20T00:00:00Z")
    actions.open_attempt(record, by="retrain t1", why="w", now=datetime.now(UTC))
    actions.advance(
        "flights",
        "a",
        AttemptState.PROMOTED,
        by="retrain t1",
        why="w",
        now=datetime.now(UTC),
        previous_config="first",
        new_config="second",
        model_package_arn=package,
    )


class Function(BaseHTTPRequestHandler):
    """A function of Lambda that dies without an answer, or is throttled."""

    throttled = False
    asked = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        if self.throttled:
            self.send_response(429)
            self.send_header("x-amzn-ErrorType", "TooManyRequestsException")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
        else:
            self.close_connection = True

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.mark.parametrize(("throttled", "asks", "outcome"), [(False, 1, "done"), (True, 2, "acting")])
def test_a_function_that_may_have_run_is_not_asked_again(world, monkeypatch, throttled, asks, outcome):
    function = type("Asked", (Function,), {"throttled": throttled})
    server = ThreadingHTTPServer(("127.0.0.1", 0), function)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
    world.endpoint(rule("invoke_lambda"), invoke_lambda={"function_name": "mend"})
    world.set("ALARM")
    context = world.context("r1")
    (item,) = world.task(DecideRemediationOperator(task_id="decide"), context)
    operator = ActOnIncidentOperator(task_id="act", **item)
    with pytest.raises((ClientError, BotoCoreError)):
        world.task(operator, context)
    with contextlib.suppress(ClientError):
        world.task(operator, context)
    server.shutdown()
    server.server_close()
    assert (function.asked, world.record.step.outcome) == (asks, outcome)
