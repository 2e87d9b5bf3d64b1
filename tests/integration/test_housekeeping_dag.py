"""The DAG housekeeping in the sandbox: a past day put together, costs found where AWS holds something, people told."""

from datetime import UTC, datetime, timedelta

import pytest

from watchkeeper import api
from watchkeeper.operators.monitor_base import open_deployment
from watchkeeper.registry.capture_window import HOUR, Window, day_floor

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]
LONG_AGO = Window.hour_of(day_floor(datetime.now(UTC)) - timedelta(days=9) + 5 * HOUR)
CEILING = {"ceiling_usd_per_month": 1, "on_exceed": "degrade", "degrade": ["skip_empty_windows", "roll_up_metrics"]}


def held(world):
    """Let the sandbox's AWS hold an alarm of two metrics, an incident, a dashboard and logs of the endpoint."""
    cloudwatch, logs = world.sandbox.client("cloudwatch"), world.sandbox.client("logs")
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"}
    queries = [
        {"Id": name, "ReturnData": False, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
        for name in ("m0", "m1")
    ]
    name = "watchkeeper/flights/AllTraffic/server_errors"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Threshold=1.0,
        Metrics=[*queries, {"Id": "e", "Expression": "m0/m1", "ReturnData": True}],
    )
    cloudwatch.put_composite_alarm(AlarmName="watchkeeper/flights/_all/incident", AlarmRule=f'ALARM("{name}")')
    cloudwatch.put_dashboard(DashboardName="watchkeeper-flights", DashboardBody='{"widgets": []}')
    group = f"/aws/sagemaker/Endpoints/{world.name}-flights"
    logs.create_log_group(logGroupName=group)


def test_a_day_is_put_together_and_the_months_cost_is_reported(watched):
    hours = [LONG_AGO.shifted(number * HOUR) for number in range(3)]
    for hour in hours:
        watched.capture(hour, rows=50)
        watched.judge(hour)
    before = watched.ledger()
    assert len(watched.stored("ledger/")) == 3
    held(watched)
    # Its region written out is another way to the same place: nothing there is counted twice.
    watched.endpoint(cost=CEILING, region_name="us-east-1")
    run = watched.run("housekeeping")
    assert str(run.state) == "success"
    assert len(watched.stored("ledger/")) == 1
    assert watched.ledger().sort("window_start").equals(before.sort("window_start"))
    deployment = open_deployment()
    assert set(deployment.ledger.windows_recorded("data_quality", hours[0].start, hours[-1].end)) == set(hours)

    now = datetime.now(UTC)
    report = deployment.costs.read(f"{now:%Y-%m}")
    (flights,) = report.endpoints
    assert report.problems == ()
    found = {line.item: line.quantity for line in flights.actual}
    assert found["standard_alarms"] == 2
    assert found["composite_alarms"] == found["dashboards"] == 1
    assert {"standard_alarms", "composite_alarms", "dashboards", "custom_metrics"} <= set(flights.measured)
    assert flights.exceeds is not None
    assert b"All together" in watched.read(f"cost/{now:%Y/%m}.html")
    # Read by name in a notebook, and told to people once.
    frame = api.read_costs(settings=deployment.settings, access=deployment.access)
    assert frame["endpoint"].to_list() == ["flights", "_fleet"]
    told = [message for message in watched.messages() if message["MessageAttributes"]["kind"]["Value"] == "cost"]
    assert any("over the ceiling of 1.00" in message["Subject"] for message in told)
    assert str(watched.run("housekeeping").state) == "success"
    assert [message for message in watched.messages() if message["MessageAttributes"]["kind"]["Value"] == "cost"] == []


def test_an_empty_hour_is_recorded_without_a_report_or_metrics(watched, past_hour):
    watched.endpoint(cost={"skip_empty_windows": True})
    watched.capture(past_hour, rows=50)
    run = watched.judge(Window(past_hour.start, past_hour.end + HOUR))
    assert str(run.state) == "success"
    rows = watched.ledger().sort("window_start")
    assert rows["verdict"].to_list() == ["ok", "no_traffic"]
    assert rows["reason"].to_list()[1].startswith("skipped as empty")
    empty = past_hour.shifted(HOUR)
    assert watched.stored(f"reports/flights/AllTraffic/flights-data_quality-hourly/{empty.end_path}") == {}
