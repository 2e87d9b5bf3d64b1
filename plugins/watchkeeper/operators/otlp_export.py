"""Verdicts, metrics and events as OpenTelemetry's OTLP over HTTP: what Datadog, Sumo Logic and collectors take."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from watchkeeper.errors import WatchkeeperError

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from requests import Response, Session

    from watchkeeper.registry.routing_spec import ExportSpec

Value = str | int | float | bool
#: Items of a request: far below the 4 MB that receivers take.
_BATCH = 1000
_SEVERITIES = {"info": ("INFO", 9), "warning": ("WARN", 13), "critical": ("ERROR", 17)}
_HEADERS = {"Content-Type": "application/x-protobuf"}
_SERVICE = "watchkeeper"


@dataclass(frozen=True)
class GaugePoint:
    """One figure at one moment."""

    name: str
    value: float
    at: datetime
    unit: str = "1"
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class LogEntry:
    """One thing that happened: ``name`` is what sort of thing, ``severity`` one of info, warning and critical."""

    name: str
    body: str
    at: datetime
    severity: str = "info"
    attributes: Mapping[str, Value] = field(default_factory=dict)


class ExportError(WatchkeeperError):
    """The receiver did not take telemetry; ``taken`` says how many items it took before."""

    def __init__(self, receiver: str, why: str, taken: int) -> None:
        self.receiver = receiver
        self.why = why
        self.taken = taken
        super().__init__(receiver, why, taken)

    def __str__(self) -> str:
        return f"{self.receiver}: {self.why}"


@dataclass(frozen=True)
class ExportReport:
    """What the receiver took, and what it says it refused of it."""

    taken: int = 0
    refusals: tuple[str, ...] = ()


def export_telemetry(
    spec: "ExportSpec", points: Sequence[GaugePoint], entries: Sequence[LogEntry], *, now: datetime
) -> ExportReport:
    """Send points and entries to the receiver of ``spec``, within its ``timeout_seconds`` in all.

    Address and headers come from the Airflow connection. Every request is tried once. ExportError says what failed;
    what was taken before stays taken.
    """
    if not points and not entries:
        return ExportReport()
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(http_conn_id=spec.conn_id)
    taken, refusals = 0, []
    try:
        with hook.get_conn(headers=_HEADERS) as session:
            sender = _Sender(session, hook.base_url.rstrip("/"), time.monotonic() + spec.timeout_seconds)
            for body, count, path in (*_metric_requests(points), *_log_requests(entries, now)):
                refusals += sender.send(path, body)
                taken += count
    except ExportError as error:
        raise ExportError(spec.conn_id, error.why, taken) from error
    except Exception as error:
        # The address stays out of it: a key may be part of it.
        raise ExportError(spec.conn_id, f"could not be reached ({type(error).__name__})", taken) from error
    return ExportReport(taken, tuple(refusals))


@dataclass(frozen=True)
class _Sender:
    session: "Session"
    base: str
    deadline: float

    def send(self, path: str, body: bytes) -> list[str]:
        """Post one request and return what the receiver says that it refused of it."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise ExportError("", "the time for it is over", 0)
        answer = self.session.post(f"{self.base}{path}", data=body, timeout=left)
        if not answer.ok:
            raise ExportError("", f"answered {answer.status_code} to {path}", 0)
        return _refusals(path, answer)


def _refusals(path: str, answer: "Response") -> list[str]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    if "protobuf" not in answer.headers.get("Content-Type", ""):
        return []
    response = ExportMetricsServiceResponse() if path.endswith("metrics") else ExportLogsServiceResponse()
    try:
        response.ParseFromString(answer.content)
    except DecodeError:
        return []
    partial = response.partial_success
    count = getattr(partial, "rejected_data_points", 0) or getattr(partial, "rejected_log_records", 0)
    return [f"{count} refused: {partial.error_message or 'no reason given'}"] if count else []


def _metric_requests(points: Sequence[GaugePoint]) -> Iterator[tuple[bytes, int, str]]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    for batch in _batched(points):
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.extend(_pairs({"service.name": _SERVICE}))
        scope = resource.scope_metrics.add()
        scope.scope.name = _SERVICE
        metrics: dict[tuple[str, str], Any] = {}
        for point in batch:
            metric = metrics.get((point.name, point.unit))
            if metric is None:
                metric = metrics[point.name, point.unit] = scope.metrics.add(name=point.name, unit=point.unit)
            metric.gauge.data_points.add(
                as_double=point.value, time_unix_nano=_nanoseconds(point.at), attributes=_pairs(point.attributes)
            )
        yield request.SerializeToString(), len(batch), "/v1/metrics"


def _log_requests(entries: Sequence[LogEntry], now: datetime) -> Iterator[tuple[bytes, int, str]]:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    for batch in _batched(entries):
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        resource.resource.attributes.extend(_pairs({"service.name": _SERVICE}))
        scope = resource.scope_logs.add()
        scope.scope.name = _SERVICE
        for entry in batch:
            text, number = _SEVERITIES[entry.severity]
            record = scope.log_records.add(
                time_unix_nano=_nanoseconds(entry.at),
                observed_time_unix_nano=_nanoseconds(now),
                severity_number=number,
                severity_text=text,
                event_name=entry.name,
                attributes=_pairs(entry.attributes),
            )
            record.body.string_value = entry.body
        yield request.SerializeToString(), len(batch), "/v1/logs"


def _batched[T](items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _pairs(attributes: Mapping[str, Value]) -> "list[KeyValue]":
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    found = []
    for name, value in attributes.items():
        # A truth value is a whole number too: it comes first.
        if isinstance(value, bool):
            wrapped = AnyValue(bool_value=value)
        elif isinstance(value, int):
            wrapped = AnyValue(int_value=value)
        elif isinstance(value, float):
            wrapped = AnyValue(double_value=value)
        else:
            wrapped = AnyValue(string_value=value)
        found.append(KeyValue(key=name, value=wrapped))
    return found


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
