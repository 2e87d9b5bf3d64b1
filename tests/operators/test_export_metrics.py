"""Telemetry: what a receiver of OTLP over HTTP gets, once, and what becomes of a run when it does not."""

import json
import time
from datetime import UTC, datetime

import pytest
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.aws.result_samples import result
from tests.operators.conftest import context
from tests.operators.message_receivers import Receiver
from tests.operators.test_publish_findings import NOW, store, violated
from tests.operators.test_publish_report import report, verify
from watchkeeper.operators.export_metrics import ExportMetricsOperator, export_results
from watchkeeper.operators.otlp_export import ExportError, GaugePoint, LogEntry, export_telemetry
from watchkeeper.registry.routing_spec import ExportSpec

MOMENT = datetime(2026, 11, 25, 5, 0, 0, 250, tzinfo=UTC)


@pytest.fixture
def receiver(monkeypatch, tmp_path_factory, place):
    include = tmp_path_factory.mktemp("include")
    (include / "fleet.yaml").write_text(
        yaml.safe_dump({"routing": {"export": {"conn_id": "otlp", "timeout_seconds": 2}}})
    )
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(include))
    with Receiver(tmp_path_factory.mktemp("tls")) as server:
        connection = {"conn_type": "http", "host": server.url, "extra": {"X-Api-Key": "nobodys"}}
        monkeypatch.setenv("AIRFLOW_CONN_OTLP", json.dumps(connection))
        yield server


def plain(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def metrics_of(receiver):
    """Return every figure that came, as (name, unit, value, moment, attributes)."""
    found = []
    for request in receiver.requests:
        if request.path == "/v1/metrics":
            message = ExportMetricsServiceRequest.FromString(request.body)
            for resource in message.resource_metrics:
                assert plain(resource.resource.attributes) == {"service.name": "watchkeeper"}
                for metric in resource.scope_metrics[0].metrics:
                    for point in metric.gauge.data_points:
                        attributes = plain(point.attributes)
                        found.append((metric.name, metric.unit, point.as_double, point.time_unix_nano, attributes))
    return found


def logs_of(receiver):
    return [
        record
        for request in receiver.requests
        if request.path == "/v1/logs"
        for resource in ExportLogsServiceRequest.FromString(request.body).resource_logs
        for record in resource.scope_logs[0].log_records
    ]


def export(place, *results):
    return export_results(place.deployment, results, lambda *_: None, "scheduled__1")


def test_a_verdict_comes_as_figures_and_as_a_log(place, receiver):
    place.endpoint(tags={"tier": "gold"}, alerts={"severity": "critical"})
    given = violated(row_count=5000, violated_count=1, analysis_seconds=1.5, metrics={"f1": 0.5})
    assert export(place, given).exported == 1
    figures = {name: (unit, value) for name, unit, value, _, _ in metrics_of(receiver)}
    assert figures == {
        "watchkeeper.data_quality.row_count": ("{count}", 5000.0),
        "watchkeeper.data_quality.violation_count": ("{count}", 1.0),
        "watchkeeper.data_quality.analysis_time": ("s", 1.5),
        "watchkeeper.data_quality.f1": ("1", 0.5),
    }
    _, _, _, at, attributes = metrics_of(receiver)[0]
    assert at == int(NOW.start.timestamp()) * 10**9
    assert attributes["endpoint"] == "flights"
    assert attributes["tag.tier"] == "gold"
    (log,) = logs_of(receiver)
    assert log.event_name == "watchkeeper.verdict"
    assert log.severity_text == "ERROR"
    assert "violated, 1 of 12 checks violated" in log.body.string_value
    assert plain(log.attributes)["worst_feature"] == "delay"
    assert plain(log.attributes)["row_count"] == 5000
    assert log.time_unix_nano == int(NOW.end.timestamp()) * 10**9
    assert receiver.requests[0].headers["X-Api-Key"] == "nobodys"
    assert receiver.requests[0].headers["Content-Type"] == "application/x-protobuf"


def test_each_result_is_exported_once_and_a_new_revision_again(place, receiver):
    assert export(place, violated()).exported == 1
    assert export(place, violated()).exported == 0
    assert export(place, violated(digest="e" * 32)).exported == 1
    assert len(logs_of(receiver)) == 2
    assert place.deployment.alerts.of_window(violated()) == ()


def test_without_a_receiver_nothing_is_claimed(place):
    assert export(place, violated()).exported == 0
    assert list(place.deployment.alerts.objects.list("alerts/")) == []


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_receiver_that_refuses_is_a_warning_and_the_run_goes_on(place, receiver, status):
    receiver.statuses["/v1/logs"] = status
    store(place, result(window=NOW))
    summary = report()
    assert summary["warnings"] == [f"telemetry was not exported: otlp: answered {status} to /v1/logs"]
    assert summary["faults"] == []
    verify(summary, {"report": "success"})
    receiver.statuses.clear()
    assert report()["exported"] == 1


def test_a_receiver_that_does_not_answer_costs_its_seconds_and_no_more(place, receiver):
    receiver.delay_seconds = 5
    begun = time.monotonic()
    summary = export(place, violated())
    assert time.monotonic() - begun < 4
    assert summary.exported == 0
    assert "could not be reached (ReadTimeout)" in summary.warnings[0]


def test_a_connection_that_is_missing_is_a_warning(place, receiver, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_OTLP")
    assert "telemetry was not exported: otlp" in export(place, violated()).warnings[0]


def test_what_the_receiver_refused_of_it_is_told(place, receiver):
    response = ExportMetricsServiceResponse()
    response.partial_success.rejected_data_points = 2
    response.partial_success.error_message = "too old"
    receiver.otlp_answer = response.SerializeToString()
    summary = export(place, violated(row_count=1))
    assert summary.warnings[0] == "telemetry: 2 refused: too old"


def test_many_items_go_in_several_requests_and_events_of_any_sort(receiver):
    spec = ExportSpec(conn_id="otlp")
    points = [GaugePoint("a", float(number), MOMENT) for number in range(1001)]
    entry = LogEntry("watchkeeper.event", "b", MOMENT, "critical", {"ok": True, "count": 3, "share": 0.5, "text": "t"})
    done = export_telemetry(spec, points, [entry], now=MOMENT)
    assert done.taken == 1002
    assert [request.path for request in receiver.requests] == ["/v1/metrics", "/v1/metrics", "/v1/logs"]
    assert [value for _, _, value, _, _ in metrics_of(receiver)] == [float(number) for number in range(1001)]
    (log,) = logs_of(receiver)
    assert plain(log.attributes) == {"ok": True, "count": 3, "share": 0.5, "text": "t"}
    assert log.time_unix_nano % 10**9 == 250_000
    receiver.statuses["/v1/logs"] = 500
    with pytest.raises(ExportError, match="otlp: answered 500") as error:
        export_telemetry(spec, points, [entry], now=MOMENT)
    assert error.value.taken == 1001


def test_an_own_dag_exports_a_window_with_an_operator(place, receiver):
    store(place, violated())
    operator = ExportMetricsOperator(
        task_id="export", endpoint="flights", window_start=NOW.start.isoformat(), window_end=NOW.end.isoformat()
    )
    assert operator.execute(context()) == {"exported": 1, "warnings": []}
