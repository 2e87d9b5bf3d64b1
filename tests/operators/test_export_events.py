"""Platform events and jobs as telemetry: each when it is recorded, once, and never at the cost of the run."""

from datetime import UTC, datetime

import yaml

from tests.aws import job_answers as answers
from tests.operators.test_export_metrics import logs_of, metrics_of, plain, receiver  # noqa: F401 - a fixture
from tests.operators.test_work_off_events import failed_build, platform  # noqa: F401 - a fixture
from watchkeeper.aws.job_facts import read_facts
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.operators.export_events import export_events
from watchkeeper.operators.job_recorder import record_ended_job

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN = RunFacts(run_id="r1", dag_id="platform_events", recorded_at=NOW)


def export_to(folder, **export):
    file = folder / "fleet.yaml"
    file.write_text(yaml.safe_dump({"routing": {"export": {"conn_id": "otlp", "timeout_seconds": 2, **export}}}))


def test_an_event_leaves_once_however_often_it_is_delivered(receiver, platform, monkeypatch):  # noqa: F811
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(platform.include))
    export_to(platform.include)
    for _ in range(2):
        platform.send(failed_build("b-1"), times=3)
        platform.run()
    (record,) = logs_of(receiver)
    attributes = plain(record.attributes)
    assert record.body.string_value == "code build flights-image: FAILED"
    assert record.severity_text.lower().startswith("warn")
    assert (attributes["kind"], attributes["name"], attributes["rule"]) == ("code_build", "flights-image", "run-failed")
    assert "address" not in attributes


def test_a_job_leaves_with_its_figures(place, receiver):  # noqa: F811
    facts = read_facts("training_job", answers.training())
    for _ in range(2):
        record_ended_job(place.deployment, facts, RUN, endpoint="flights", now=NOW, warn=lambda *_: None)
    (record,) = logs_of(receiver)
    assert plain(record.attributes)["kind"] == "job"
    figures = [(name, attributes.get("metric")) for name, _, _, _, attributes in metrics_of(receiver)]
    assert ("watchkeeper.job.duration_seconds", None) in figures
    finals = set(facts.metrics)
    assert finals
    assert {metric for name, metric in figures if name == "watchkeeper.job.final_metric"} == finals


def test_a_receiver_that_is_down_costs_a_warning_and_no_event(receiver, platform, monkeypatch):  # noqa: F811
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(platform.include))
    export_to(platform.include, conn_id="nobody")
    platform.send(failed_build("b-1"))
    _, summary = platform.run()
    assert summary["faults"] == []
    assert platform.inbox() == []
    assert not receiver.requests


def test_without_a_receiver_nothing_is_done(place):
    assert export_events(place.deployment, [], now=NOW, warn=lambda *_: None) == 0
