"""monitor_hourly, run by Airflow against the sandbox: every verdict, and what is written and told of it."""

import json

import pytest

from watchkeeper.registry.capture_window import HOUR, Window

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

FOLDER = "reports/flights/AllTraffic/flights-data_quality-hourly"


def states(run):
    return {(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}


def test_a_quiet_hour_is_ok_and_everything_is_written_once(watched, hour):
    watched.capture(hour)
    watched.invocations(hour, 200)
    run = watched.judge(hour)
    assert str(run.state) == "success"
    result = watched.result(hour)
    assert (result["verdict"], result["row_count"], result["revision"]) == ("ok", 200, 1)
    assert result["invocation_count"] == 200
    row = watched.ledger().row(0, named=True)
    assert (row["verdict"], row["endpoint"], row["window_start"], row["run_id"]) == (
        "ok",
        "flights",
        hour.start,
        run.run_id,
    )
    written = watched.stored()
    assert f"{FOLDER}/{hour.end_path}/statistics.json" in written
    assert f"{FOLDER}/{hour.end_path}/constraint_violations.json" not in written
    assert f"states/flights/AllTraffic/data_quality/{hour.start_path}.state" in written
    assert watched.messages() == []
    (label,) = [ti.rendered_map_index for ti in run.get_task_instances() if ti.task_id == "analyze"]
    assert label == "flights data_quality"

    again = watched.judge(hour)
    assert str(again.state) == "success"
    assert watched.stored() == written


def test_each_verdict_where_it_belongs_and_old_windows_tell_nobody(watched, past_hour):
    """Seven hours of the past in one run: the run is red for the one that failed, and no message goes out."""
    ok, drifted, broken, quiet, gap, few, failed = (past_hour.shifted(number * HOUR) for number in range(7))
    for window in (ok, drifted, broken, gap, few, failed):
        watched.invocations(window, 200)
    watched.capture(ok)
    watched.capture(drifted, shift=20)
    watched.capture(broken, broken=True, blanks=0.4)
    watched.capture(gap, rows=50)
    watched.invocations(few, -195)
    watched.capture(few, rows=5)
    watched.capture(failed, rows=180)
    watched.capture_text(failed, "this is no capture\n" * 20, part=1)
    run = watched.judge(Window(ok.start, failed.end))

    verdicts = {window: watched.result(window)["verdict"] for window in (ok, drifted, broken, quiet, gap, few, failed)}
    assert list(verdicts.values()) == ["ok", "violated", "violated", "no_traffic", "capture_gap", "too_few", "failed"]
    drift = watched.result(drifted)
    assert (drift["worst_feature"], drift["worst_check"]) == ("delay", "baseline_drift_check")
    assert drift["worst_distance_feature"] == "delay"
    assert drift["worst_distance_rank"] == 2
    violated = {(item["feature"], item["check"]) for item in watched.result(broken)["findings"]}
    assert {("delay", "data_type_check"), ("distance", "completeness_check")} <= violated
    assert "captured 50 of about 200 invocations" in watched.result(gap)["reason"]
    assert "20 of 200 captured lines are malformed" in watched.result(failed)["reason"]
    assert "no capture" not in json.dumps(watched.result(failed)["malformed_samples"])
    ledger = watched.ledger()
    assert ledger["verdict"].to_list() == list(verdicts.values())
    assert len(watched.stored("ledger/")) == 7
    assert watched.messages() == []
    found = states(run)
    assert str(run.state) == "failed"
    assert (found["analyze", 0], found["report", -1], found["verify", -1]) == ("failed", "success", "failed")


def test_a_fresh_violation_is_told_once_then_quiet_then_recovered(watched, hour):
    first, second, third = hour.shifted(-2 * HOUR), hour.previous(), hour
    watched.capture(first, shift=20)
    watched.capture(second, shift=21)
    watched.capture(third)
    assert str(watched.judge(first).state) == "success"
    (message,) = watched.messages()
    text, attributes = message["Message"], message["MessageAttributes"]
    assert message["Subject"].startswith("[warning] flights: violated, delay baseline_drift_check")
    assert {name: item["Value"] for name, item in attributes.items()} | {"alert_id": ""} == {
        "alert_id": "",
        "endpoint": "flights",
        "variant": "AllTraffic",
        "monitor": "data_quality",
        "period": "hourly",
        "verdict": "violated",
        "severity": "warning",
        "finding_severity": "high",
        "owner": "flight-ops",
        "kind": "alert",
        "window": first.name,
    }
    for expected in (
        "delay: baseline_drift_check, high (observed",
        "Runbook: include/runbooks/baseline_drift_check.md",
        "console.aws.amazon.com/cloudwatch/home?region=us-east-1#metricsV2:namespace=Watchkeeper%2FDataQuality",
        f"Report: s3://{watched.bucket}/wk/{FOLDER}/{first.end_path}/",
        "Owner: flight-ops",
    ):
        assert expected in text

    watched.judge(first)
    watched.judge(second)
    assert watched.messages() == []
    watched.judge(third)
    (message,) = watched.messages()
    assert message["Subject"] == "flights is ok again"
    assert message["MessageAttributes"]["kind"]["Value"] == "recovery"


def test_a_late_file_restates_the_window(watched, past_hour):
    watched.capture(past_hour, rows=100)
    watched.judge(past_hour)
    watched.capture(past_hour, rows=100, part=1, shift=60)
    watched.judge(past_hour)
    result = watched.result(past_hour)
    assert (result["verdict"], result["revision"], result["row_count"]) == ("violated", 2, 200)
    assert watched.ledger()["verdict"].to_list() == ["ok", "violated"]
    keys = watched.stored("reports/")
    assert f"{FOLDER}/{past_hour.end_path}/rev=1/result.json" in keys
    assert f"{FOLDER}/{past_hour.end_path}/rev=2/constraint_violations.json" in keys


def test_an_edited_threshold_restates_without_reading_captures_again(watched, past_hour):
    watched.capture(past_hour, shift=20)
    watched.judge(past_hour)
    assert watched.result(past_hour)["verdict"] == "violated"
    state = watched.stored("states/")
    rules = {"minimum_rows": 20, "features": {"delay": {"comparison_threshold": 2.0}}}
    watched.endpoint(monitors={"data_quality": rules})
    watched.judge(past_hour)
    assert (watched.result(past_hour)["verdict"], watched.result(past_hour)["revision"]) == ("ok", 2)
    assert watched.stored("states/") == state


def test_no_baseline_yet_is_a_failed_verdict_that_names_the_command(world, hour):
    world.endpoint()
    world.capture(hour)
    run = world.judge(hour)
    assert str(run.state) == "failed"
    result = world.result(hour)
    assert (result["verdict"], result["could_not_judge"]) == ("failed", True)
    assert 'airflow dags trigger baseline --conf \'{"endpoints": ["flights"]}\'' in result["reason"]
    (message,) = world.messages()
    assert message["Subject"] == "[warning] flights: failed"

    world.dataset()
    world.run("baseline")
    assert str(world.judge(hour).state) == "success"
    result = world.result(hour)
    assert (result["verdict"], result["revision"]) == ("ok", 2)
    assert "it is used anyway" in result["baseline_note"]


def test_one_broken_file_stops_one_endpoint_and_reddens_the_run(watched, hour, capsys):
    watched.capture(hour)
    (watched.folder / "broken.yaml").write_text("owner: me\ncapture: {s3_uri: nowhere}\n")
    run = watched.judge(hour)
    assert watched.result(hour)["verdict"] == "ok"
    found = states(run)
    assert str(run.state) == "failed"
    assert {task: state for (task, _), state in found.items() if task != "verify"} == dict.fromkeys(
        ("due_endpoints", "settle", "analyze", "report"), "success"
    )
    assert "Left out for a fault in its file: broken.yaml" in capsys.readouterr().out


def test_missed_hours_are_made_good_by_the_next_run(watched, hour):
    """The run of the last complete hour finds 48 hours without a verdict; a second run finds none."""
    missed = hour.shifted(-3 * HOUR)
    watched.capture(missed)
    watched.capture(hour)
    run = watched.run("monitor_hourly", logical_date=hour.end)
    assert str(run.state) == "success"
    ledger = watched.ledger()
    assert (ledger.height, ledger["window_start"].max()) == (49, hour.start)
    assert ledger["verdict"].value_counts().sort("count").rows() == [("ok", 2), ("no_traffic", 47)]
    written = watched.stored()
    watched.run("monitor_hourly", logical_date=hour.end)
    assert watched.stored() == written


def test_metrics_of_a_window_are_written_once(watched, hour):
    watched.capture(hour, shift=20)
    watched.judge(hour)
    watched.judge(hour)
    points = watched.sandbox.client("cloudwatch").get_metric_statistics(
        Namespace="Watchkeeper/DataQuality",
        MetricName="RowCount",
        Dimensions=[
            {"Name": "Endpoint", "Value": f"{watched.name}-flights"},
            {"Name": "Variant", "Value": "AllTraffic"},
            {"Name": "MonitoringSchedule", "Value": "flights-data_quality-hourly"},
        ],
        StartTime=hour.start,
        EndTime=hour.end,
        Period=3600,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    assert [(point["Sum"], point["SampleCount"]) for point in points] == [(200.0, 1.0)]


def test_nobody_due_is_a_green_run(world, hour):
    run = world.judge(hour)
    found = states(run)
    assert str(run.state) == "success"
    assert found["analyze", -1] == "skipped"
    assert found["report", -1] == "success"
    assert world.stored() == {}
