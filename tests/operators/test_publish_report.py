"""The report: everyone who was due has a verdict, whatever happened before."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.aws.result_samples import result
from tests.operators.conftest import context
from watchkeeper.operators.due_endpoints import DueEndpointsOperator
from watchkeeper.operators.publish_report import VERDICTS, VIOLATIONS, VIOLATIONS_ALIAS, PublishReportOperator
from watchkeeper.operators.verify_run import VerifyRunOperator
from watchkeeper.registry.capture_window import HOUR, Window

NOW = Window.hour_of(datetime.now(UTC) - HOUR)
PARAMS = {"window_start": NOW.start.isoformat(), "window_end": NOW.end.isoformat()}


class Events(dict):
    """What Airflow hands a task for its outlets, as far as we use it."""

    def __missing__(self, outlet):
        self[outlet] = SimpleNamespace(extra=None, added=[])
        self[outlet].add = lambda asset, extra: self[outlet].added.append((asset, extra))
        return self[outlet]


def report(events=None, **params):
    operator = PublishReportOperator(task_id="report", period="hourly")
    return operator.execute(context(params=PARAMS | params, outlet_events=Events() if events is None else events))


def test_who_has_no_result_is_recorded_as_failed_and_said_why(place):
    summary = report()
    assert summary["verdicts"] == {"failed": 1}
    assert "no result was written in run scheduled__1" in summary["failed"][0]
    rows = place.deployment.ledger.read("data_quality", NOW.start, NOW.end)
    assert rows["verdict"].to_list() == ["failed"]
    assert len(place.messages()) == 1


def test_a_report_that_runs_twice_writes_and_tells_once(place):
    place.deployment.reports.write_result(result(window=NOW, verdict="violated", digest="d"), {}, NOW)
    first, second = report(), report()
    assert len(first["ledger_files"]) == 1
    assert len(first["alerts_sent"]) == 1
    assert (second["ledger_files"], second["alerts_sent"]) == ([], [])
    assert second["verdicts"] == {"violated": 1}
    assert len(place.messages()) == 1


def scheduled(window=NOW, run=None, due=None, **fields):
    task_instance = SimpleNamespace(xcom_pull=lambda task_ids: due)
    interval = {"data_interval_start": window.start, "data_interval_end": window.end}
    values = {"outlet_events": Events(), "ti": task_instance, "run": {"run_after": window.end} | (run or {})}
    return PublishReportOperator(task_id="report", period="hourly").execute(context(**interval, **values, **fields))


def test_a_missed_window_without_a_result_stays_due(place):
    due = [{"work": {"flights": [NOW.previous().name, NOW.name]}}]
    summary = scheduled(due=due)
    assert summary["recorded"] == 1
    rows = place.deployment.ledger.read("data_quality", NOW.previous().start, NOW.end)
    assert rows["window_start"].to_list() == [NOW.start]


def test_an_endpoint_that_came_after_the_run_began_is_left_to_the_next(place):
    place.deployment.reports.write_result(result(window=NOW), {}, NOW)
    place.endpoint("churn")
    summary = scheduled(due=[{"work": {"flights": [NOW.name]}}])
    assert summary["verdicts"] == {"ok": 1}


def test_what_was_made_good_is_told_and_counted_by_a_retry_too(place):
    """The first try dies after the alert's claim: the ledger, which says what is due, comes last."""
    late = result(window=NOW.previous(), verdict="violated", digest="e" * 32)
    place.deployment.reports.write_result(late, {}, NOW.previous())
    place.deployment.reports.write_result(result(window=NOW), {}, NOW)
    place.deployment.alerts.claim(late, kind="alert", now=datetime.now(UTC), run_id="scheduled__1")
    summary = scheduled(due=[{"work": {"flights": [NOW.previous().name, NOW.name]}}])
    assert summary["alerts_sent"][0] == f"flights/AllTraffic {NOW.previous().name}"
    assert summary["verdicts"] == {"violated": 1, "ok": 1}


@pytest.mark.parametrize("told_before", [True, False])
def test_an_old_window_that_is_restated_corrects_what_was_told_and_is_no_news_otherwise(place, told_before):
    old = NOW.shifted(-30 * HOUR)
    place.deployment.reports.write_result(result(window=old, verdict="violated", digest="a"), {}, old)
    params = {"window_start": old.start.isoformat(), "window_end": old.end.isoformat()}
    first = report(**params, act=True if told_before else None)
    assert len(first["alerts_sent"]) == told_before
    place.deployment.reports.write_result(result(window=old, digest="b"), {}, old)
    again = report(**params)
    assert len(again["alerts_sent"]) == told_before
    kinds = [message["MessageAttributes"]["kind"]["Value"] for message in place.messages()]
    assert kinds == (["alert", "withdrawal"] if told_before else [])


@pytest.mark.parametrize(("act", "told"), [(None, 0), (True, 1)])
def test_a_backfill_of_fresh_hours_alerts_only_when_told_to(place, act, told):
    place.deployment.reports.write_result(result(window=NOW, verdict="violated", digest="e" * 32), {}, NOW)
    summary = scheduled(run={"run_type": "backfill"}, params={"act": act})
    assert len(summary["alerts_sent"]) == told
    assert summary["recorded"] == 1


def test_an_alert_is_taken_back_however_late_and_nothing_else_old_is_told(place):
    old = NOW.shifted(-40 * HOUR)
    params = {"window_start": old.start.isoformat(), "window_end": old.end.isoformat()}
    reports = place.deployment.reports
    reports.write_result(result(window=old, verdict="violated", digest="a" * 32), {}, old)
    assert report(**params)["alerts_sent"] == []
    assert len(report(**params, act=True)["alerts_sent"]) == 1
    reports.write_result(result(window=old, digest="b" * 32), {}, old)
    assert report(**params, act=False)["alerts_sent"] == []
    assert len(report(**params)["alerts_sent"]) == 1
    assert report(**params)["alerts_sent"] == []
    reports.write_result(result(window=old, verdict="violated", digest="c" * 32), {}, old)
    assert report(**params)["alerts_sent"] == []
    kinds = [message["MessageAttributes"]["kind"]["Value"] for message in place.messages()]
    assert kinds == ["alert", "withdrawal"]


def test_assets_ring_with_pointers_and_violations_only_when_there_are_any(place):
    place.deployment.reports.write_result(result(window=NOW), {}, NOW)
    events = Events()
    report(events)
    assert events[VERDICTS].extra["windows"] == [NOW.name]
    assert VIOLATIONS_ALIAS not in events
    place.deployment.reports.write_result(result(window=NOW, verdict="violated", digest="e"), {}, NOW)
    events = Events()
    report(events)
    ((asset, extra),) = events[VIOLATIONS_ALIAS].added
    assert asset == VIOLATIONS
    assert extra["violated"][0]["endpoint"] == "flights"
    events = Events()
    report(events, act=False)
    assert VIOLATIONS_ALIAS not in events


def test_work_and_report_agree_on_who_was_due(place):
    place.endpoint("churn")
    work = DueEndpointsOperator(task_id="due", period="hourly").execute(context(params=PARAMS))
    assert work == [
        {"monitor": "data_quality", "work": {"churn": [NOW.name]}},
        {"monitor": "data_quality", "work": {"flights": [NOW.name]}},
    ]
    assert report()["recorded"] == 2
    only = DueEndpointsOperator(task_id="due", period="hourly").execute(
        context(params=PARAMS | {"endpoints": ["churn"]})
    )
    assert only == [{"monitor": "data_quality", "work": {"churn": [NOW.name]}}]


def test_a_fleet_beyond_the_limit_is_packed(place):
    for number in range(7):
        place.endpoint(f"e{number}")
    packs = DueEndpointsOperator(task_id="due", period="hourly", pack_limit=3).execute(context(params=PARAMS))
    assert sorted(len(pack["work"]) for pack in packs) == [2, 3, 3]


@pytest.mark.parametrize(
    ("params", "fault"),
    [({"window_end": None}, "give both"), ({"endpoints": ["flihgts"]}, "flihgts: no such endpoint file.*flights")],
)
def test_wrong_params_fail_at_once(place, params, fault):
    with pytest.raises(AirflowFailException, match=fault):
        DueEndpointsOperator(task_id="due", period="hourly").execute(context(params=PARAMS | params))


def test_missing_settings_fail_at_once_and_name_the_variable(place, monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_BUCKET")
    with pytest.raises(AirflowFailException, match="WATCHKEEPER_BUCKET"):
        DueEndpointsOperator(task_id="due", period="hourly").execute(context(params=PARAMS))


def test_gaps_too_old_to_be_made_good_are_logged_with_the_command_that_fills_them(place, capsys):
    from watchkeeper.aws.ledger import RunFacts

    now = NOW.end
    run = RunFacts(run_id="r", dag_id="monitor_hourly", recorded_at=now)
    old = [NOW.shifted(-hours * HOUR) for hours in (100, 99, 95)]
    place.deployment.ledger.record([(result(window=window), "s3://r/") for window in old], run)
    interval = {"data_interval_start": NOW.start, "data_interval_end": NOW.end}
    DueEndpointsOperator(task_id="due", period="hourly").execute(context(run={"run_after": now}, **interval))
    told = [line for line in capsys.readouterr().out.splitlines() if "backfill create" in line]
    assert len(told) == 2
    first = NOW.shifted(-98 * HOUR).start
    assert f"--dag-id monitor_hourly --from-date {first:%Y-%m-%dT%H:%M:%SZ} --to-date" in told[0]


def verify(summary, states):
    task_instance = SimpleNamespace(
        dag_id="d",
        run_id="r",
        xcom_pull=lambda task_ids: summary,
        get_task_states=lambda dag_id, task_ids, run_ids: {"r": states},
    )
    VerifyRunOperator(task_id="verify", task_ids=["analyze", "report"]).execute({"ti": task_instance})


FINE = {"verdicts": {"ok": 2, "violated": 1}, "failed": [], "problems": [], "faults": []}


def test_a_run_in_which_nothing_failed_is_green():
    verify(FINE, {"analyze_0": "success", "report": "success"})


@pytest.mark.parametrize(
    ("summary", "states", "told"),
    [
        (FINE, {"analyze_0": "failed"}, "task analyze_0 is failed"),
        (FINE, {"analyze": "upstream_failed"}, "task analyze is upstream_failed"),
        (None, {"report": "failed"}, "task report recorded nothing"),
        (FINE | {"failed": ["flights: because"]}, {}, "verdict failed: flights: because"),
        (FINE | {"problems": ["x.yaml: owner: missing"]}, {}, "endpoint file: x.yaml"),
        (FINE | {"faults": ["alert: no"]}, {}, "alert: no"),
    ],
)
def test_a_run_is_red_for_anything_that_failed(summary, states, told):
    with pytest.raises(AirflowFailException, match=told):
        verify(summary, states)
