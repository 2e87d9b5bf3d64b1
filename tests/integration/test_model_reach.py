"""Models asked over HTTP: live endpoints whose captures must not show it, and shadow endpoints that must not stay."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from botocore.exceptions import ClientError

from tests.sandbox_process import ROOT, SandboxProcess
from watchkeeper.analysis.capture_profile import profile_capture
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.key_index import index_captures
from watchkeeper.analysis.model_payload import JSON, JSON_LINES, RequestFormat
from watchkeeper.aws.model_requests import EndpointModel
from watchkeeper.aws.probe_store import ProbeMeter, ProbeStore
from watchkeeper.aws.shadow_endpoint import (
    SHADOW_PREFIX,
    ShadowEndpoint,
    ShadowPlan,
    delete_shadow_endpoints,
    plan_shadow,
)
from watchkeeper.errors import EndpointStateError, ModelAnswerError
from watchkeeper.registry.capture_window import Window

pytestmark = pytest.mark.sandbox

WEIGHTS, INTERCEPT = (0.5, -0.25), 0.1
ROLE = "arn:aws:iam::123456789012:role/serving"
FRAME = pl.DataFrame({"size": [1.0, 2.5, None, -3.0], "rooms": [1, 2, 3, None]})
HOLD = """
import sys, time, signal, boto3
from watchkeeper.aws.shadow_endpoint import ShadowEndpoint, plan_shadow

endpoint_name, run_digest, way = sys.argv[1:]
client, kill_client = boto3.client("sagemaker"), boto3.client("sagemaker")
plan = plan_shadow(client, endpoint="houses", run_digest=run_digest, endpoint_name=endpoint_name)
tell = lambda text: print(text, flush=True)
shadow = ShadowEndpoint(client, plan, kill_client=kill_client, poll_seconds=0.2, tell=tell)

def stop(*_):
    if way == "exit":
        raise SystemExit(143)
    shadow.close()

signal.signal(signal.SIGTERM, stop)
with shadow:
    print("holding", flush=True)
    for _ in range(300):
        time.sleep(0.1)
        if way == "close" and shadow.is_closed:
            break
"""


def probability(size: float | None, rooms: float | None) -> float:
    """Return what the model answers; what is missing counts as the mean, which is 0."""
    return round(1 / (1 + math.exp(-(WEIGHTS[0] * (size or 0) + WEIGHTS[1] * (rooms or 0) + INTERCEPT))), 6)


EXPECTED = [[probability(*row)] for row in FRAME.rows()]


def artifact() -> bytes:
    """Return the model as the sandbox keeps models."""
    document = {
        "kind": "probability",
        "output": "p",
        "inputs": FRAME.columns,
        "means": dict.fromkeys(FRAME.columns, 0.0),
        "scales": dict.fromkeys(FRAME.columns, 1.0),
        "categories": {},
        "coefficients": WEIGHTS,
        "intercept": INTERCEPT,
    }
    body, packed = json.dumps(document).encode(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("model.json")
        member.size = len(body)
        archive.addfile(member, io.BytesIO(body))
    return packed.getvalue()


@dataclass(frozen=True)
class Live:
    """A live endpoint that captures all it is asked."""

    sandbox: SandboxProcess
    name: str

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    def ask(self, name: str | None = None, form: RequestFormat | None = None, **more: Any) -> EndpointModel:
        runtime = self.sandbox.client("sagemaker-runtime")
        return EndpointModel(runtime, name or self.name, form or RequestFormat(), "attribution", "a1b2c3", **more)

    def plan(self, run_digest: str = "a1b2c3", **more: Any) -> ShadowPlan:
        return plan_shadow(self.sagemaker, endpoint="houses", run_digest=run_digest, endpoint_name=self.name, **more)

    def shadow(self, plan: ShadowPlan, **more: Any) -> ShadowEndpoint:
        return ShadowEndpoint(self.sagemaker, plan, poll_seconds=0.2, **more)

    def captures(self) -> list[CaptureFile]:
        s3 = self.sandbox.client("s3")
        listed = s3.list_objects_v2(Bucket=self.name, Prefix=f"capture/{self.name}/").get("Contents", [])
        return [
            CaptureFile(item["Key"], [s3.get_object(Bucket=self.name, Key=item["Key"])["Body"].read()])
            for item in listed
        ]

    def status(self, name: str) -> str | None:
        try:
            return self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        except ClientError:
            return None

    def names(self) -> set[str]:
        """Return the shadow endpoints and configurations that there are."""
        endpoints = self.sagemaker.list_endpoints(NameContains=SHADOW_PREFIX)["Endpoints"]
        configs = self.sagemaker.list_endpoint_configs(NameContains=SHADOW_PREFIX)["EndpointConfigs"]
        return {item["EndpointName"] for item in endpoints} | {item["EndpointConfigName"] for item in configs}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), settle_seconds=1.5) as process:
        yield process


@pytest.fixture
def live(sandbox: SandboxProcess) -> Live:
    name = f"houses-{uuid.uuid4().hex[:8]}"
    s3, sagemaker = sandbox.client("s3"), sandbox.client("sagemaker")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=artifact())
    container = {"Image": "image", "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "Blue",
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 3,
                "InitialVariantWeight": 1.0,
            }
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{name}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": [JSON, JSON_LINES]},
        },
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = Live(sandbox, name)
    assert eventually(lambda: found.status(name), lambda status: status == "InService") == "InService"
    return found


def eventually[T](ask: Callable[[], T], enough: Callable[[T], bool], seconds: float = 30) -> T:
    deadline = time.monotonic() + seconds
    while not enough(found := ask()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


FORMATS = {
    "csv": RequestFormat(),
    "json": RequestFormat(JSON, JSON, '{"instances":$records}', '{"features":$features}', label="predictions[*].score"),
    "json objects": RequestFormat(JSON, JSON, "$records", "$features_kvp", label="p"),
    "json, one a request": RequestFormat(JSON, JSON, "$record", "$features_kvp", label="p"),
    "json lines": RequestFormat(JSON_LINES, content_template='{"features":$features}', label="p"),
}  # fmt: skip


def test_requests_of_ours_are_answered_captured_by_sagemaker_and_seen_by_nobody(live: Live) -> None:
    """Every format; then three callers' requests: all that captures and the count of invocations may show."""
    probes = ProbeStore(live.name, "wk", live.sandbox.client("s3"))
    started = datetime.now(UTC)
    asked = 0
    with ProbeMeter(probes, "houses", "Blue", "a1b2c3") as meter:
        for form in FORMATS.values():
            model = live.ask(form=form, batch_rows=2, variant="Blue", before_request=meter)
            assert model(FRAME).tolist() == EXPECTED
            asked += model.request_count
    assert asked == 12
    runtime = live.sandbox.client("sagemaker-runtime")
    for number in range(3):
        runtime.invoke_endpoint(
            EndpointName=live.name, ContentType="text/csv", Body=f"{number},1", InferenceId=f"house-{number}"
        )

    def lines() -> int:
        return sum(chunk.count(b"\n") for file in live.captures() for chunk in file.chunks)

    assert eventually(lines, lambda found: found == asked + 3) == asked + 3
    profile = profile_capture(live.captures())
    assert (profile.row_count, profile.line_count, profile.invocation_count) == (3, 3, 3)
    assert not profile.malformed.count
    assert index_captures(live.captures()).captured_count == 3
    window = Window(Window.hour_of(started).start, Window.hour_of(datetime.now(UTC)).end)

    def invocations() -> float:
        points = live.sandbox.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[{"Name": "EndpointName", "Value": live.name}, {"Name": "VariantName", "Value": "Blue"}],
            StartTime=window.start,
            EndTime=window.end,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    assert eventually(invocations, lambda found: found == asked + 3) == asked + 3
    assert invocations() - probes.request_count("houses", "Blue", window) == 3


def test_what_the_model_cannot_read_names_endpoint_and_status(live: Live) -> None:
    with pytest.raises(ModelAnswerError, match=f"{live.name}: the model answered with status 400"):
        live.ask()(FRAME.with_columns(pl.lit("secret").alias("more")))
    with pytest.raises(ModelAnswerError, match="Variant Green not found"):
        live.ask(variant="Green")(FRAME)


def test_a_shadow_endpoint_answers_like_the_live_one_and_is_gone_afterwards(live: Live) -> None:
    told: list[str] = []
    with live.shadow(live.plan(), tell=told.append) as shadow:
        assert live.ask(shadow.endpoint_name)(FRAME).tolist() == EXPECTED
        described = live.sagemaker.describe_endpoint(EndpointName=shadow.endpoint_name)
        assert "DataCaptureConfig" not in described
        (variant,) = described["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == 1
        tags = live.sagemaker.list_tags(ResourceArn=described["EndpointArn"])["Tags"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {
            "watchkeeper:shadow": "true",
            "watchkeeper:endpoint": "houses",
            "watchkeeper:run": "a1b2c3",
        }
        assert live.names() == {shadow.endpoint_name}
    assert live.names() == set()
    assert live.status(live.name) == "InService"
    assert [text.split()[-1] for text in told] == [live.name, "seconds", "deleted"]


def test_a_serverless_shadow_and_one_of_a_declared_model(live: Live) -> None:
    serverless = live.plan(serverless={"MemorySizeInMB": 2048, "MaxConcurrency": 1})
    declared = plan_shadow(
        live.sagemaker, endpoint="houses", run_digest="b", model_name=live.name, instance_type="ml.m5.large"
    )
    for plan in (serverless, declared):
        with live.shadow(plan) as shadow:
            assert live.ask(shadow.endpoint_name)(FRAME).tolist() == EXPECTED
    assert live.names() == set()


def test_an_error_in_the_run_deletes_it_too(live: Live) -> None:
    def fail() -> None:
        with live.shadow(live.plan()):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert live.names() == set()


def test_an_endpoint_that_does_not_start_is_told_with_the_reason_and_deleted(live: Live) -> None:
    plan = live.plan(tags={"sandbox:create": "fail", "cost-centre": "7"})
    with pytest.raises(EndpointStateError, match=r"did not start: .*did not pass the ping health check"):
        live.shadow(plan).__enter__()
    assert live.names() == set()


def test_one_that_takes_too_long_is_given_up_and_deleted(live: Live) -> None:
    with pytest.raises(EndpointStateError, match="not in service after 0 seconds"):
        live.shadow(live.plan(), creation_seconds=0.3).__enter__()
    assert live.names() == set()


class Holder:
    """Another process that holds a shadow endpoint."""

    def __init__(self, live: Live, way: str, run_digest: str) -> None:
        environment = os.environ | live.sandbox.environment | {"PYTHONPATH": str(ROOT / "plugins")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, live.name, run_digest, way],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return
        pytest.fail(f"the process ended without saying {word!r}")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.mark.parametrize("way", ["exit", "close"])
@pytest.mark.parametrize("moment", ["is being made", "holding"])
def test_a_terminated_process_leaves_nothing(live: Live, way: str, moment: str) -> None:
    """Both ways to stop: an exception out of the signal's handler, and Airflow's, where the handler calls on_kill."""
    plan = live.plan(f"{way}{len(moment)}")
    holder = Holder(live, way, plan.tags["watchkeeper:run"])
    holder.until(moment)
    assert live.status(plan.name) == ("Creating" if moment == "is being made" else "InService")
    assert (
        holder.end(signal.SIGTERM)
        == {
            ("exit", "is being made"): 143,
            ("exit", "holding"): 143,
            ("close", "is being made"): 1,
            ("close", "holding"): 0,
        }[way, moment]
    )
    assert live.names() == set()


def test_a_killed_process_is_swept_up_after_and_nothing_else_is(live: Live) -> None:
    plan = live.plan("killed")
    holder = Holder(live, "exit", "killed")
    holder.until("holding")
    assert holder.end(signal.SIGKILL) == -9
    assert live.status(plan.name) == "InService"
    stranger = f"{SHADOW_PREFIX}of-somebody-else"
    variant = {"VariantName": "A", "ModelName": live.name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    live.sagemaker.create_endpoint_config(EndpointConfigName=stranger, ProductionVariants=[variant])
    told: list[str] = []

    def sweep(**more: Any) -> tuple[str, ...]:
        return delete_shadow_endpoints(live.sagemaker, tell=told.append, **more)

    assert sweep() == ()
    assert sweep(older_than=timedelta(0), endpoint="flights") == ()
    assert sweep(older_than=timedelta(hours=1), now=datetime.now(UTC) + timedelta(minutes=59)) == ()
    assert live.names() == {plan.name, stranger}
    assert sweep(older_than=timedelta(hours=1), now=datetime.now(UTC) + timedelta(minutes=61)) == (plan.name,)
    assert told == [f"Deleted the shadow endpoint {plan.name}, which was left behind"]
    assert live.names() == {stranger}
    live.sagemaker.delete_endpoint_config(EndpointConfigName=stranger)


def test_one_that_is_still_being_made_is_left_to_the_next_sweep(live: Live) -> None:
    plan = live.plan("young")
    holder = Holder(live, "exit", "young")
    holder.until("is being made")
    holder.end(signal.SIGKILL)
    told: list[str] = []
    assert delete_shadow_endpoints(live.sagemaker, older_than=timedelta(0), tell=told.append) == ()
    assert "cannot be deleted yet" in told[0]
    assert eventually(lambda: live.status(plan.name), lambda status: status == "InService") == "InService"
    assert delete_shadow_endpoints(live.sagemaker, older_than=timedelta(0)) == (plan.name,)
    assert live.names() == set()


def test_another_try_of_the_run_adopts_what_a_killed_one_has_made(live: Live) -> None:
    holder = Holder(live, "exit", "again")
    holder.until("is being made")
    holder.end(signal.SIGKILL)
    told: list[str] = []
    with live.shadow(live.plan("again"), tell=told.append) as shadow:
        assert live.ask(shadow.endpoint_name)(FRAME).tolist() == EXPECTED
    assert "was made by an earlier try and is Creating" in told[0]
    assert live.names() == set()


def test_a_configuration_alone_is_swept_too(live: Live) -> None:
    plan = live.plan("config")
    live.sagemaker.create_endpoint_config(
        EndpointConfigName=plan.name,
        ProductionVariants=[plan.variant],
        Tags=[{"Key": key, "Value": value} for key, value in plan.tags.items()],
    )
    assert delete_shadow_endpoints(live.sagemaker, older_than=timedelta(0)) == (plan.name,)
    assert live.names() == set()


def test_what_was_closed_is_not_made(live: Live) -> None:
    shadow = live.shadow(live.plan("closed"))
    assert shadow.close()
    with pytest.raises(EndpointStateError, match="was closed"):
        shadow.__enter__()
    assert live.names() == set()
    assert shadow.close()


def test_the_paths_of_the_package_are_enough_for_the_container(tmp_path: Path) -> None:
    """Shadow endpoints and requests need no Airflow: they are importable where it is not."""
    script = (
        "import sys; sys.modules['airflow'] = None\n"
        "import watchkeeper.aws.shadow_endpoint, watchkeeper.aws.model_requests, watchkeeper.analysis.model_payload"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
