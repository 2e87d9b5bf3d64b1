"""monitor_daily: a day is the merge of its hours, whoever read them and whenever."""

import pytest

from watchkeeper.registry.capture_window import HOUR, Window

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]


def test_a_day_is_merged_from_kept_states_and_rebuilds_what_changed(watched, past_hour):
    day = Window.day_of(past_hour.start)
    hours = [past_hour.shifted(number * HOUR) for number in range(4)]
    for hour in hours[:3]:
        watched.capture(hour, rows=15)
    watched.judge(Window(hours[0].start, hours[2].end))
    assert [watched.result(hour)["verdict"] for hour in hours[:3]] == ["too_few"] * 3
    kept = watched.stored("states/")
    # One hour has got a late file, one was never read by the hourly monitor.
    watched.capture(hours[1], rows=5, part=1)
    watched.capture(hours[3], rows=15)

    run = watched.judge(day, "monitor_daily")
    assert str(run.state) == "success"
    result = watched.result(day, period="daily")
    assert (result["verdict"], result["row_count"], result["object_count"]) == ("ok", 65, 5)
    states = watched.stored("states/")
    changed = {key for key in states if states[key] != kept.get(key)}
    names = {f"states/flights/AllTraffic/data_quality/{hour.start_path}.state" for hour in (hours[1], hours[3])}
    assert changed == names
    assert (
        "reports/flights/AllTraffic/flights-data_quality-daily/" + day.end_path + "/statistics.json" in watched.stored()
    )
    assert watched.ledger().filter(period="daily")["row_count"].to_list() == [65]


def test_a_damaged_state_is_rebuilt_from_captures(watched, past_hour):
    day = Window.day_of(past_hour.start)
    watched.capture(past_hour, rows=50)
    watched.judge(past_hour)
    key = f"wk/states/flights/AllTraffic/data_quality/{past_hour.start_path}.state"
    stored = watched.s3.get_object(Bucket=watched.bucket, Key=key)
    watched.s3.put_object(Bucket=watched.bucket, Key=key, Body=b"damaged", Metadata=stored["Metadata"])
    watched.judge(day, "monitor_daily")
    assert watched.result(day, period="daily")["row_count"] == 50
