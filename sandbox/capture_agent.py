"""Data capture as SageMaker's endpoint agent writes it: lines, encodings, object keys, flushing.

A line is one invocation. Objects lie at ``{destination}/{endpoint}/{variant}/yyyy/mm/dd/hh/{mm-ss-mmm}-{uuid}.jsonl``,
UTC, by the hour of the inference; an object never holds two hours.
"""

import base64
import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

CaptureConfig = Mapping[str, Any]
PutObject = Callable[[str, str, bytes], None]


@dataclass(frozen=True)
class Payload:
    """One side of an invocation."""

    content_type: str
    body: bytes


def capture_line(
    config: CaptureConfig,
    request: Payload,
    response: Payload,
    *,
    event_id: str,
    at: datetime,
    inference_id: str | None = None,
    custom_attributes: str | None = None,
) -> bytes:
    """Return the line of one invocation, with its newline, holding the sides that ``CaptureOptions`` ask for."""
    modes = {option["CaptureMode"] for option in config.get("CaptureOptions", ())}
    captured: dict[str, Any] = {}
    if "Input" in modes:
        captured["endpointInput"] = _side(config, request, "INPUT")
    if "Output" in modes:
        captured["endpointOutput"] = _side(config, response, "OUTPUT")
    metadata: dict[str, Any] = {"eventId": event_id}
    if inference_id:
        metadata["inferenceId"] = inference_id
    if custom_attributes:
        metadata["customAttributes"] = [custom_attributes]
    metadata["inferenceTime"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _side(config: CaptureConfig, payload: Payload, mode: str) -> dict[str, str]:
    headers = config.get("CaptureContentTypeHeader", {})
    plain = payload.content_type.partition(";")[0].strip().lower()
    encoding, data = "BASE64", base64.b64encode(payload.body).decode()
    for name, listed in (("CSV", headers.get("CsvContentTypes", ())), ("JSON", headers.get("JsonContentTypes", ()))):
        if plain in (content_type.lower() for content_type in listed):
            try:
                encoding, data = name, payload.body.decode()
            except UnicodeDecodeError:
                break  # not text after all: it stays BASE64
    return {"observedContentType": payload.content_type, "mode": mode, "data": data, "encoding": encoding}


def object_key(destination: str, endpoint: str, variant: str, at: datetime, object_id: uuid.UUID) -> tuple[str, str]:
    """Return bucket and key of the object whose first inference was ``at``."""
    parts = urlsplit(destination)
    moment = at.astimezone(UTC)
    name = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{object_id}.jsonl"
    folder = "/".join(part for part in (parts.path.strip("/"), endpoint, variant) if part)
    return parts.netloc, f"{folder}/{moment:%Y/%m/%d/%H}/{name}"


@dataclass
class _Pending:
    destination: str
    first_at: datetime
    lines: list[bytes] = field(default_factory=list)


@dataclass
class CaptureAgent:
    """Buffers lines per endpoint and variant, and puts an object when one is old enough or its hour is over.

    Not thread-safe: the caller serialises. ``source`` makes sampling and object ids repeatable in a replay.
    """

    put_object: PutObject
    flush_seconds: float
    source: random.Random
    _pending: dict[tuple[str, str], _Pending] = field(default_factory=dict)

    def sampled(self, config: CaptureConfig | None) -> bool:
        """Whether this invocation is captured: capture is on and the draw is under ``InitialSamplingPercentage``."""
        if not config or not config.get("EnableCapture", False):
            return False
        return self.source.uniform(0, 100) < float(config["InitialSamplingPercentage"])

    def add(self, endpoint: str, variant: str, config: CaptureConfig, at: datetime, line: bytes) -> None:
        """Add one line, putting earlier lines first if they belong to another hour, destination or flush."""
        self.flush_due(at)
        pending = self._pending.get((endpoint, variant))
        destination = str(config["DestinationS3Uri"])
        if pending and (pending.destination != destination or _hour(pending.first_at) != _hour(at)):
            self._put(endpoint, variant)
            pending = None
        if pending is None:
            pending = self._pending[endpoint, variant] = _Pending(destination, at)
        pending.lines.append(line)

    def flush_due(self, now: datetime) -> None:
        """Put every object whose first line is older than ``flush_seconds``."""
        for endpoint, variant in list(self._pending):
            if (now - self._pending[endpoint, variant].first_at).total_seconds() >= self.flush_seconds:
                self._put(endpoint, variant)

    def flush(self) -> None:
        """Put all that is buffered."""
        for endpoint, variant in list(self._pending):
            self._put(endpoint, variant)

    def _put(self, endpoint: str, variant: str) -> None:
        pending = self._pending[endpoint, variant]
        object_id = uuid.UUID(int=self.source.getrandbits(128), version=4)
        bucket, key = object_key(pending.destination, endpoint, variant, pending.first_at, object_id)
        self.put_object(bucket, key, b"".join(pending.lines))
        del self._pending[endpoint, variant]


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
