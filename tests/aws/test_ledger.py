from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tests.aws.conftest import BUCKET
from tests.aws.result_samples import HOUR, finding, result
from watchkeeper.aws.ledger import Ledger, RunFacts, ledger_schema
from watchkeeper.registry.capture_window import Window

RUN = RunFacts(run_id="r1", dag_id="monitor_hourly", recorded_at=datetime(2026, 11, 20, 6, 12, tzinfo=UTC))
LATER = RunFacts(run_id="r2", dag_id="monitor_hourly", recorded_at=datetime(2026, 11, 20, 9, tzinfo=UTC))
DAY = (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def ledger(s3):
    return Ledger(BUCKET, "wk", s3)


def record(ledger, *results, run=RUN):
    return ledger.record([(item, "s3://report/") for item in results], run)


def test_an_empty_ledger_is_an_empty_frame_with_all_columns(ledger):
    frame = ledger.read("data_quality", *DAY)
    assert frame.is_empty()
    assert frame.columns == ["monitor", *ledger_schema()]


def test_one_file_per_window_named_in_hive_layout(ledger):
    (key,) = record(ledger, result(), result(endpoint="churn"))
    assert key.startswith("ledger/monitor=data_quality/date=2026-11-20/20261120T05-20261120T06-")
    frame = ledger.read("data_quality", *DAY)
    assert frame["endpoint"].to_list() == ["churn", "flights"]
    assert frame["window_start"].to_list() == [HOUR.start, HOUR.start]


def test_hive_partitions_are_read_by_polars_itself(ledger, s3, tmp_path):
    (key,) = record(ledger, result(findings=(finding(),), verdict="violated", violated_count=1))
    path = tmp_path / key
    path.parent.mkdir(parents=True)
    path.write_bytes(ledger.objects.read(key).body)
    frame = pl.read_parquet(tmp_path / "ledger", hive_partitioning=True)
    assert frame.select("monitor", "date", "verdict").row(0) == (
        "data_quality",
        datetime(2026, 11, 20).date(),  # noqa: DTZ001 - a date of a partition
        "violated",
    )
    assert frame["findings"][0][0]["feature"] == "dep_delay"


def test_what_stands_there_already_is_not_written_again(ledger):
    record(ledger, result(), result(endpoint="churn"))
    assert record(ledger, result(), result(endpoint="churn"), run=LATER) == ()
    (key,) = record(ledger, result(), result(endpoint="new"), run=LATER)
    assert ledger.read("data_quality", *DAY, every_revision=True)["endpoint"].to_list() == ["churn", "flights", "new"]
    assert key


def test_the_newest_revision_wins(ledger):
    record(ledger, result(verdict="ok", revision=1))
    record(ledger, result(verdict="violated", revision=2, digest="e" * 32), run=LATER)
    assert ledger.read("data_quality", *DAY).select("verdict", "revision").rows() == [("violated", 2)]
    assert ledger.read("data_quality", *DAY, every_revision=True)["revision"].to_list() == [1, 2]


def test_an_hour_and_its_day_are_two_verdicts(ledger):
    day = Window.day_of(HOUR.start)
    record(ledger, result(), result(window=day, period="daily", verdict="violated"))
    assert ledger.read("data_quality", *DAY).height == 2
    assert ledger.read("data_quality", *DAY, period="daily")["verdict"].to_list() == ["violated"]


def test_rows_are_chosen_by_endpoint_and_by_time(ledger):
    windows = [HOUR.shifted(timedelta(hours=hours)) for hours in (-10, 0, 30)]
    record(ledger, *(result(window=window) for window in windows), result(endpoint="churn"))
    assert ledger.read("data_quality", *DAY, endpoints=["flights"])["window_start"].to_list() == [HOUR.start]
    everything = ledger.read("data_quality", windows[0].start, windows[-1].end)
    assert everything["window_start"].to_list() == sorted([*(window.start for window in windows), HOUR.start])


def test_windows_are_told_by_file_names_alone(ledger):
    record(ledger, result(), result(window=HOUR.previous()))
    assert ledger.windows_recorded("data_quality", *DAY) == {HOUR, HOUR.previous()}


def test_a_file_of_an_older_version_lacks_columns_and_is_read(ledger):
    import io

    old = pl.DataFrame(
        {
            "endpoint": ["old"],
            "variant": ["v"],
            "period": ["hourly"],
            "window_start": [HOUR.start],
            "window_end": [HOUR.end],
            "verdict": ["ok"],
            "dropped": [1],
        }
    )
    buffer = io.BytesIO()
    old.write_parquet(buffer)
    ledger.objects.write(f"ledger/monitor=data_quality/date=2026-11-20/{HOUR.name}-aa.parquet", buffer.getvalue())
    record(ledger, result())
    assert ledger.read("data_quality", *DAY)["endpoint"].to_list() == ["flights", "old"]


def test_findings_beyond_the_rows_limit_stay_in_the_report_only(ledger):
    many = tuple(finding(f"f{number}") for number in range(200))
    record(ledger, result(findings=many, violated_count=200, verdict="violated"))
    row = ledger.read("data_quality", *DAY).row(0, named=True)
    assert (len(row["findings"]), row["violated_count"]) == (50, 200)
