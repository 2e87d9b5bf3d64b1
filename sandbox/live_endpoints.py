"""InvokeEndpoint over HTTP: finds what is in service, answers, and puts captures and metrics as time passes."""

import json
import logging
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from moto.sagemaker.models import sagemaker_backends

from sandbox.aws_client import ACCOUNT, local_client
from sandbox.capture_agent import CaptureAgent
from sandbox.endpoint_simulator import EndpointSimulator, Invocation
from sandbox.invocation_metrics import InvocationMetrics, VariantKey

_HEADER = "x-amzn-sagemaker-"
_RATE_SECONDS = 5.0

logger = logging.getLogger("sandbox")


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers and body of an HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


class LiveEndpoints:
    """Serves invocations from several threads; ``start`` and ``stop`` frame its flushing thread."""

    def __init__(self, url: str, flush_seconds: float, metric_seconds: int) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._containers: dict[str, Any] = {}
        self._artifacts: dict[str, str] = {}
        self._s3 = local_client("s3", url)
        cloudwatch = local_client("cloudwatch", url)
        source = random.Random()
        self._agent = CaptureAgent(
            put_object=self._put_capture,
            flush_seconds=flush_seconds,
            source=source,
        )
        self._metrics = InvocationMetrics(
            lambda namespace, data: cloudwatch.put_metric_data(Namespace=namespace, MetricData=data), metric_seconds
        )
        self._simulator = EndpointSimulator(
            lambda name: self._containers[name], self._agent, self._metrics, source, _RATE_SECONDS
        )
        self._thread = threading.Thread(target=self._keep_flushing, name="sandbox-capture", daemon=True)

    def start(self) -> None:
        """Start putting captures and metrics in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Put what is left and stop."""
        self._stopped.set()
        self._thread.join(timeout=10)
        self._flush(everything=True)

    def invoke(self, endpoint_name: str, region: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Answer one InvokeEndpoint request, with SageMaker's errors."""
        found = sagemaker_backends[ACCOUNT][region].in_service(endpoint_name)
        if found is None:
            return _refusal(400, "ValidationError", f"Endpoint {endpoint_name} of account {ACCOUNT} not found.")
        facts, artifacts = found
        target = headers.get(f"{_HEADER}target-variant")
        if target and target not in facts.models:
            message = f"Variant {target} not found for Request"
            return _refusal(400, "ValidationError", message)
        call = Invocation(
            content_type=headers.get("content-type", "application/octet-stream"),
            body=body,
            at=datetime.now(UTC),
            inference_id=headers.get(f"{_HEADER}inference-id"),
            custom_attributes=headers.get(f"{_HEADER}custom-attributes"),
            target_variant=target,
        )
        self._load(artifacts)
        with self._lock:
            variant, answer = self._simulator.invoke(facts, call)
        if answer.status == 503:
            return _refusal(503, "ServiceUnavailable", answer.body.decode())
        if answer.status != 200:
            text = answer.body.decode()
            side = "client" if answer.status < 500 else "server"
            message = f'Received {side} error ({answer.status}) from {variant} with message "{text}".'
            return _refusal(
                424, "ModelError", message, OriginalStatusCode=answer.status, OriginalMessage=text, LogStreamArn=""
            )
        sent = {"content-type": answer.content_type, "x-amzn-invoked-production-variant": variant}
        return HttpAnswer(200, sent, answer.body)

    def _put_capture(self, bucket: str, key: str, body: bytes) -> None:
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body)
        except (ClientError, BotoCoreError) as error:  # as on AWS, the endpoint answers and its captures are lost
            logger.warning("captures lost: s3://%s/%s: %s", bucket, key, error)

    def _load(self, artifacts: Mapping[str, str]) -> None:
        for name, uri in artifacts.items():
            if self._artifacts.get(name) == uri:  # a model may be deleted, and its name given to another
                continue
            # Imported here for the reason given in endpoint_simulator.
            from sandbox.linear_model import LinearModel
            from sandbox.model_container import ModelContainer

            parts = urlsplit(uri)
            packed = self._s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
            self._containers[name] = ModelContainer(LinearModel.from_artifact(packed))
            self._artifacts[name] = uri

    def _keep_flushing(self) -> None:
        while not self._stopped.wait(0.5):
            try:
                self._flush()
            except (ClientError, BotoCoreError):
                logger.exception("cannot put metrics; the sandbox goes on")

    def _flush(self, *, everything: bool = False) -> None:
        now = datetime.now(UTC)
        with self._lock:
            if everything:
                self._agent.flush()
            else:
                self._agent.flush_due(now)
            for variant in _variants_in_service():
                self._metrics.idle(variant, now)
            self._metrics.flush(None if everything else now)


def _variants_in_service() -> list[VariantKey]:
    backends = sagemaker_backends[ACCOUNT]
    return [key for region in list(backends) for key in backends[region].variants_in_service()]


def _refusal(status: int, code: str, message: str, **more: Any) -> HttpAnswer:
    body = json.dumps({"Message": message, **more}).encode()
    return HttpAnswer(status, {"content-type": "application/json", "x-amzn-errortype": code}, body)
