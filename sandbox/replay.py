"""Replaying the scenes: what two days of calls leave behind, written in seconds, in time order.

Each request is answered by the deployed model and captured by the endpoint's own configuration, with the times of
the replayed hour. Then a few of the last requests are sent over HTTP, now, to prove the live path.
"""

import itertools
import json
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from sandbox.aws_client import local_client
from sandbox.capture_agent import CaptureAgent
from sandbox.deployment import BUCKET
from sandbox.endpoint_simulator import EndpointFacts, EndpointSimulator, Invocation
from sandbox.invocation_metrics import InvocationMetrics
from sandbox.linear_model import LinearModel
from sandbox.model_container import ModelContainer
from sandbox.service_load import ServiceProfile
from sandbox.traffic.expected_verdicts import iso, span
from sandbox.traffic.request_stream import Request, requests_of
from sandbox.traffic.scene import Scene

# AWS's agent puts an object about every minute; ten spare the replay most of its time and change nothing else.
FLUSH_SECONDS = 600.0

Progress = Callable[[str], object]


def replay(
    url: str, scenes: Sequence[Scene], *, before: datetime, until: datetime | None, live: int, progress: Progress
) -> dict[str, Any]:
    """Replay the scenes into the sandbox at ``url`` and return counts per endpoint and hour.

    What was replayed before is left alone, as its metrics would be counted twice: a replay goes on where the last one
    ended, with the models that are deployed now, and ends at ``until`` or with the span.
    """
    started = time.monotonic()
    start, end = span(before, scenes)
    s3 = local_client("s3", url)
    names = "+".join(scene.endpoint for scene in scenes)
    marker = f"sandbox/replays/{names}/{start:%Y%m%d}-{end:%Y%m%d}.json"
    resumed = _replayed_until(s3, marker) or start
    stop = min(until or end, end)
    already = resumed >= stop
    endpoints = {}
    if already:
        progress(f"{iso(start)} to {iso(stop)} was replayed before: nothing to do")
    else:
        for scene in scenes:
            part = (resumed - scene.shift(before), stop - scene.shift(before))
            endpoints[scene.endpoint] = _replay_scene(url, scene, part, before, live, progress)
        s3.put_object(Bucket=BUCKET, Key=marker, Body=json.dumps({"until": iso(stop)}).encode())
    return {
        "span": {"start": iso(start), "end": iso(end)},
        "replayed": {"start": iso(min(resumed, stop)), "end": iso(stop)},
        "already_replayed": already,
        "endpoints": endpoints,
        "seconds": round(time.monotonic() - started, 2),
    }


def _replay_scene(
    url: str, scene: Scene, part: tuple[datetime, datetime], before: datetime, live: int, progress: Progress
) -> dict[str, Any]:
    s3, cloudwatch = local_client("s3", url), local_client("cloudwatch", url)
    facts, container = _deployed(url, scene.endpoint)
    objects: list[str] = []

    def put_object(bucket: str, key: str, body: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        objects.append(key)

    source = random.Random(scene.endpoint if part[0] == scene.starts else f"{scene.endpoint}/{part[0]}")
    agent = CaptureAgent(put_object, FLUSH_SECONDS, source)
    metrics = InvocationMetrics(lambda name, data: cloudwatch.put_metric_data(Namespace=name, MetricData=data))
    simulator = EndpointSimulator(lambda _name: container, agent, metrics, source)
    shift = scene.shift(before)
    rows: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    last: deque[Request] = deque(maxlen=max(live, 1))
    for request in requests_of(scene):
        if not part[0] <= request.at < part[1]:
            continue
        call = Invocation(
            content_type=request.content_type,
            body=request.body,
            at=request.at + shift,
            event_id=request.event_id,
            inference_id=request.inference_id,
            capture_lost=request.capture_lost,
        )
        _variant, answer = simulator.invoke(facts, call)
        if 400 <= answer.status < 500:
            message = f"{scene.endpoint}: the model refused {request.event_id}: {answer.body.decode()}"
            raise RuntimeError(message)
        hour = iso((request.at + shift).replace(minute=0, second=0, microsecond=0))
        calls[hour] += 1
        rows[hour] += request.rows
        last.append(request)
    agent.flush()
    points = metrics.flush()
    progress(f"{scene.endpoint}: {calls.total()} calls, {rows.total()} rows, {len(objects)} capture objects")
    answered = _call_live(url, scene.endpoint, itertools.islice(last, live))
    progress(f"{scene.endpoint}: {answered} calls over HTTP, now")
    return {
        "invocations": calls.total(),
        "rows": rows.total(),
        "objects": len(objects),
        "metric_points": points,
        "live_invocations": answered,
        "shifted_days": shift // timedelta(days=1),
        "hours": {hour: {"invocations": calls[hour], "rows": rows[hour]} for hour in sorted(calls)},
    }


def _deployed(url: str, endpoint: str) -> tuple[EndpointFacts, ModelContainer]:
    """Read back what is in service: the replay answers with it, not with what it believes was deployed."""
    sagemaker = local_client("sagemaker", url)
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    models = {variant["VariantName"]: variant["ModelName"] for variant in config["ProductionVariants"]}
    (model_name,) = set(models.values())
    container = sagemaker.describe_model(ModelName=model_name)["PrimaryContainer"]
    profile = ServiceProfile.of(container.get("Environment") or {})
    if "ModelPackageName" in container:
        package = sagemaker.describe_model_package(ModelPackageName=container["ModelPackageName"])
        (container,) = package["InferenceSpecification"]["Containers"]
    parts = urlsplit(container["ModelDataUrl"])
    packed = local_client("s3", url).get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    facts = EndpointFacts(
        endpoint_name=endpoint,
        weights={variant["VariantName"]: variant["CurrentWeight"] for variant in described["ProductionVariants"]},
        models=models,
        capture=config.get("DataCaptureConfig"),
        instances={v["VariantName"]: v.get("CurrentInstanceCount", 1) for v in described["ProductionVariants"]},
        profiles=dict.fromkeys(models, profile),
    )
    return facts, ModelContainer(LinearModel.from_artifact(packed))


def _call_live(url: str, endpoint: str, requests: "itertools.islice[Request]") -> int:
    runtime = local_client("sagemaker-runtime", url)
    answered = 0
    for request in requests:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType=request.content_type,
            Body=request.body,
            **({"InferenceId": f"live-{request.inference_id}"} if request.inference_id else {}),
        )
        answered += bool(answer["Body"].read())
    return answered


def _replayed_until(s3: Any, key: str) -> datetime | None:
    try:
        marker = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return datetime.fromisoformat(json.loads(marker)["until"]).astimezone(UTC)
