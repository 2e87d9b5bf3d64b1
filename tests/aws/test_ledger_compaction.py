"""Put together, the ledger says exactly what it said: whatever comes late, dies half way or runs twice."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import boto3
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aws.conftest import BUCKET, REGION
from tests.aws.result_samples import finding, result
from watchkeeper.aws.ledger import Ledger, RunFacts
from watchkeeper.aws.ledger_compaction import compact_ledger
from watchkeeper.aws.ledger_file import LedgerFile, day_file_key, window_file_key
from watchkeeper.errors import StoreError
from watchkeeper.registry.capture_window import HOUR, Window

DAY = Window.parse("2026-11-20T00:00Z", "2026-11-21T00:00Z")
NEXT = DAY.shifted(timedelta(days=1))
BEFORE = datetime(2026, 11, 25, tzinfo=UTC)
HOURS = DAY.hours()


class KilledError(Exception):
    """Stands for the end of a process."""


class Dying:
    """An S3 client whose process dies at a write or deletion, before or after it is done."""

    def __init__(self, client, after):
        self._client, self._left = client, after

    def __getattr__(self, name):
        return getattr(self._client, name)

    def put_object(self, **request):
        return self._step(self._client.put_object, request)

    def delete_object(self, **request):
        return self._step(self._client.delete_object, request)

    def _step(self, call, request):
        self._left -= 1
        if self._left < 0:
            raise KilledError
        return call(**request)


def ledger(client=None):
    return Ledger(BUCKET, "wk", client or boto3.client("s3", region_name=REGION))


def record(*results, run="r1", at=0):
    facts = RunFacts(run_id=run, dag_id="monitor_hourly", recorded_at=BEFORE + timedelta(minutes=at))
    return ledger().record([(item, "s3://report/") for item in results], facts)


def compact(client=None, before=BEFORE):
    warnings = []
    return list(compact_ledger(ledger(client), before, warnings.append)), warnings


def whole(**asked):
    frame = ledger().read("data_quality", DAY.start, NEXT.end, every_revision=True, **asked)
    return frame.sort("endpoint", "window_start", "window_end", "revision", "digest", "run_id")


def keys():
    return [item.key for item in ledger().objects.list("ledger/")]


def test_a_day_becomes_one_file_with_the_same_rows():
    for hour in HOURS[:5]:
        record(result(window=hour), result(window=hour, endpoint="churn", findings=(finding(),), violated_count=1))
    record(result(window=DAY, period="daily"))
    record(result(window=NEXT.hours()[0]))
    before = whole()
    (done,), warnings = compact()
    assert (done.monitor, done.day, done.file_count, done.row_count) == ("data_quality", "2026-11-20", 6, 11)
    assert warnings == []
    assert len(keys()) == 2
    assert whole().equals(before)
    assert compact() == ([], [])


def test_what_is_asked_of_a_day_is_told_from_its_one_file():
    for hour in HOURS[:3]:
        record(result(window=hour))
    record(result(window=DAY, period="daily"))
    compact()
    recorded = ledger().windows_recorded("data_quality", DAY.start, DAY.end)
    assert recorded == {*HOURS[:3], DAY}
    assert ledger().windows_recorded("data_quality", HOURS[1].start, HOURS[2].start) == {HOURS[1]}
    assert ledger().read("data_quality", HOURS[1].start, HOURS[2].start)["window_start"].to_list() == [HOURS[1].start]
    assert ledger().read("data_quality", DAY.start, DAY.end, period="daily")["period"].to_list() == ["daily"]
    # What stands there already is still not written again.
    assert record(result(window=HOURS[0]), run="r2") == ()


def test_young_days_are_left_alone():
    for hour in HOURS[:2]:
        record(result(window=hour))
    assert compact(before=DAY.end - HOUR) == ([], [])
    assert len(keys()) == 2


def test_columns_of_a_newer_version_are_kept():
    import io

    (key,) = record(result(window=HOURS[0]))
    frame = pl.read_parquet(io.BytesIO(ledger().objects.read(key).body)).with_columns(pl.lit("new").alias("later"))
    buffer = io.BytesIO()
    frame.with_columns(pl.lit("other").alias("endpoint")).write_parquet(buffer)
    ledger().objects.write(key.replace(".parquet", "0.parquet"), buffer.getvalue())
    compact()
    (key,) = keys()
    rows = pl.read_parquet(io.BytesIO(ledger().objects.read(key).body)).sort("endpoint")
    assert rows.select("endpoint", "later").rows() == [("flights", None), ("other", "new")]


def test_a_file_that_cannot_be_read_stops_its_own_day_only():
    record(result(window=HOURS[0]))
    ledger().objects.write(window_file_key("data_quality", HOURS[1], "aa"), b"no parquet")
    record(result(window=NEXT.hours()[0]))
    record(result(window=NEXT.hours()[1]))
    done, (warning,) = compact()
    assert [day.day for day in done] == ["2026-11-21"]
    assert "2026-11-20, stays" in warning or "2026-11-20 stays" in warning
    assert len(keys()) == 3


def test_another_object_under_the_days_name_is_not_believed():
    for hour in HOURS[:2]:
        record(result(window=hour))
    compact()
    (key,) = keys()
    held = ledger().objects.read(key).body
    late = record(result(window=HOURS[2]))
    # Somebody put the old content where the new day's file belongs.
    digest_key = _next_key(held)
    ledger().objects.write(digest_key, held)
    done, (warning,) = compact()
    assert done == []
    assert "does not hold the rows" in warning
    assert set(late) <= set(keys())
    assert len(whole()) == 3


def _next_key(held):
    """Return the key that the day's file will have, found by letting another ledger make it."""
    other = Ledger(BUCKET, "elsewhere", boto3.client("s3", region_name=REGION))
    for item in ledger().objects.list("ledger/"):
        other.objects.write(item.key, ledger().objects.read(item.key).body)
    list(compact_ledger(other, BEFORE, lambda _text: None))
    (made,) = [item.key for item in other.objects.list("ledger/")]
    assert other.objects.read(made).body != held
    return made


def test_a_reader_that_listed_before_reads_what_was_written_since():
    for hour in HOURS[:3]:
        record(result(window=hour))

    class Late:
        """Compacts between a reader's listing and its first read."""

        def __init__(self, client):
            self._client, self._done = client, False

        def __getattr__(self, name):
            return getattr(self._client, name)

        def get_object(self, **request):
            if not self._done:
                self._done = True
                compact()
            return self._client.get_object(**request)

    client = Late(boto3.client("s3", region_name=REGION))
    assert len(ledger(client).read("data_quality", DAY.start, DAY.end)) == 3


def test_files_that_never_stay_are_told():
    record(result(window=HOURS[0]))

    class Vanishing:
        def __init__(self, client):
            self._client = client

        def __getattr__(self, name):
            return getattr(self._client, name)

        def get_object(self, **request):
            return self._client.get_object(**request | {"Key": "gone"})

    with pytest.raises(StoreError, match="went away"):
        ledger(Vanishing(boto3.client("s3", region_name=REGION))).read("data_quality", DAY.start, DAY.end)


@given(st.sets(st.sampled_from([*HOURS, DAY])))
def test_a_days_name_says_which_windows_it_holds(windows):
    file = LedgerFile.parse(day_file_key("bias", DAY, windows, "ab12"))
    assert file is not None
    assert set(file.windows) == windows
    assert file.is_day


@pytest.mark.parametrize("key", ["ledger/monitor=bias/date=2026-11-20/x.parquet", "ledger/monitor=bias/day-zz-1.csv"])
def test_what_is_no_file_of_the_ledger_is_not_read(key):
    assert LedgerFile.parse(key) is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(0, 4), st.integers(0, 2), st.sampled_from(["flights", "churn"])),
        st.tuples(st.just("compact"), st.none(), st.none(), st.none()),
        st.tuples(st.just("die"), st.integers(0, 6), st.none(), st.none()),
    ),
    max_size=14,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_no_row_is_lost_and_none_is_doubled(steps):
    """Each step is checked against rows that were kept beside."""
    for key in keys():
        ledger().objects.delete(key)
    expected = {}
    for number, (kind, first, revision, endpoint) in enumerate(steps):
        if kind == "record":
            one = result(
                window=HOURS[first], endpoint=endpoint, revision=revision, digest=f"{revision}" * 32, row_count=number
            )
            if record(one, run=f"r{number}", at=number):
                expected[endpoint, HOURS[first].start, f"r{number}"] = (revision, number)
        elif kind == "compact":
            assert compact()[1] == []
        else:
            client = Dying(boto3.client("s3", region_name=REGION), first)
            with suppress(KilledError):
                compact(client)
        rows = whole().select("endpoint", "window_start", "run_id", "revision", "row_count").rows()
        found = {(name, start, run): (revised, count) for name, start, run, revised, count in rows}
        assert len(rows) == len(found)
        assert found == expected
    compact()
    assert len(keys()) <= 1
