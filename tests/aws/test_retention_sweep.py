"""What is deleted: only what is past its day, below our prefix, of a kind with a retention, and long written."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.aws.retention_sweep import sweep_kind
from watchkeeper.registry.retention_policy import DATA_KINDS

BEFORE = date(2026, 11, 10)
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def objects(s3):
    return ObjectStore(BUCKET, "wk", s3)


def keys(objects):
    return [item.key for item in objects.list("")]


def sweep(objects, kind="reports", before=BEFORE, **options):
    rules = {"written_before": LATER, "limit": 100, "delete": True} | options
    return sweep_kind(objects, DATA_KINDS[kind], before, **rules)


def test_old_days_go_and_all_else_stays(objects, s3):
    old = [
        "reports/churn/v/churn-bias-daily/2026/11/09/00/rev=1/result.json",
        "reports/churn/v/churn-bias-daily/2026/11/09/00/result.json",
        "reports/flights/v/flights-data_quality-hourly/2025/12/31/23/report.html",
    ]
    kept = [
        "actions/churn/retrain/2020/01/01/attempt.json",
        "baselines/churn/bias/2020/01/01/current.json",
        "reports/churn/v/churn-bias-daily/2026/11/10/00/result.json",
        "reports/churn/v/churn-bias-daily/notes.txt",
        "states/churn/v/bias/2020/01/01/00.state",
    ]
    for key in [*old, *kept]:
        objects.write(key, b"12345")
    s3.put_object(Bucket=BUCKET, Key="other/reports/e/v/s/2020/01/01/00/x", Body=b"x")
    swept = sweep(objects)
    assert (swept.object_count, swept.byte_count, swept.is_deleted, swept.is_whole) == (3, 15, True, True)
    assert keys(objects) == sorted(kept)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="other/")["KeyCount"] == 1
    assert sweep(objects).object_count == 0


def test_a_dry_run_counts_and_deletes_nothing(objects):
    objects.write("reports/e/v/s/2026/11/01/00/result.json", b"x")
    swept = sweep(objects, delete=False)
    assert (swept.object_count, swept.is_deleted) == (1, False)
    assert len(keys(objects)) == 1


def test_what_was_written_lately_stays_however_old_its_day(objects):
    objects.write("reports/e/v/s/2020/11/01/00/result.json", b"x")
    assert sweep(objects, written_before=datetime.now(UTC) - timedelta(days=14)).object_count == 0
    assert len(keys(objects)) == 1


def test_a_limit_leaves_the_rest_to_another_day(objects):
    for hour in range(5):
        objects.write(f"states/e/v/bias/2026/11/01/{hour:02}.state", b"x")
    assert sweep(objects, "states", limit=3).is_whole is False
    assert [key[-8:] for key in keys(objects)] == ["03.state", "04.state"]
    assert sweep(objects, "states", limit=3).is_whole


@pytest.mark.parametrize(
    ("kind", "old", "young"),
    [
        (
            "ledger",
            "ledger/monitor=bias/date=2026-11-09/a-b.pq",
            "ledger/monitor=bias/date=2026-11-10/a-b.pq",
        ),
        ("events", "events/archive/2026/11/09/a.json", "events/archive/2026/11/10/a.json"),
        ("alerts", "alerts/e/v/bias/20261109T23-20261110T00/a.json", "alerts/e/v/bias/20261110T00-20261110T01/a.json"),
        ("cost", "cost/2026/10.json", "cost/2026/11.json"),
    ],
)
def test_each_kind_is_told_by_its_own_day(objects, kind, old, young):
    for key in (old, young):
        objects.write(key, b"x")
    sweep(objects, kind)
    assert keys(objects) == [young]


def test_notices_go_by_when_they_were_written(objects):
    objects.write("notices/aa.json", b"x")
    assert sweep(objects, "notices").object_count == 0
    assert sweep(objects, "notices", before=(datetime.now(UTC) + timedelta(days=2)).date()).object_count == 1


def test_more_than_a_request_takes_are_deleted(objects):
    for number in range(1005):
        objects.write(f"probes/e/v/2026/11/01/00/{number}.json", b"x")
    assert sweep(objects, "probes", limit=2000).object_count == 1005
    assert keys(objects) == []
