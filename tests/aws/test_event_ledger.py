"""The ledger of events: each event once, whoever records it how often, in files that can be made one."""

import io
from datetime import datetime, timedelta

import polars as pl
import pytest

from tests.aws import job_answers as answers
from tests.aws.conftest import BUCKET
from tests.registry import event_samples as samples
from tests.registry.event_samples import AT, read
from watchkeeper.aws.event_ledger import EventLedger, event_row, job_row
from watchkeeper.aws.job_facts import read_facts
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.registry.event_rules import decide_event
from watchkeeper.registry.event_rules_spec import EventRulesSpec

RUN = RunFacts(run_id="r1", dag_id="platform_events", recorded_at=AT + timedelta(minutes=5))
DAY = timedelta(days=1)


@pytest.fixture
def ledger(s3):
    return EventLedger(BUCKET, "wk", s3)


def row(event, event_id="e-1"):
    found = read(event | {"id": event_id})
    return event_row(found, decide_event(found, EventRulesSpec(), AT))


def keys(s3):
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="wk/ledger_events/").get("Contents", [])
    return [item["Key"] for item in listed]


def test_rows_lie_by_kind_and_day_and_come_back_in_time_order(ledger, s3):
    later = samples.training_job("Completed", at=AT + DAY)
    written = ledger.record([row(later, "c"), row(samples.training_job(), "a"), row(samples.api_call(), "b")], RUN)
    assert [one.event_id for one in written] == ["b", "a", "c"]
    assert [key.rpartition("/")[0] for key in keys(s3)] == [
        "wk/ledger_events/kind=api_call/date=2026-11-20",
        "wk/ledger_events/kind=training_job/date=2026-11-20",
        "wk/ledger_events/kind=training_job/date=2026-11-21",
    ]
    rows = ledger.read(AT - DAY, AT + 2 * DAY)
    assert rows["event_id"].to_list() == ["b", "a", "c"]
    assert rows["kind"].to_list() == ["api_call", "training_job", "training_job"]
    told = rows.row(0, named=True)
    assert (told["actor"], told["address"]) == ("arn:aws:sts::123456789012:assumed-role/ml-admin/mira", "198.51.100.7")
    assert (told["rule"], told["severity"], told["endpoint"]) == ("endpoint-changed-by", "info", "flights")
    failed = rows.row(1, named=True)
    assert (failed["reason"], failed["tags"]) == ("AlgorithmError: exit code 1", [{"key": "team", "value": "flights"}])
    assert (failed["run_id"], failed["dag_id"], failed["recorded_at"]) == ("r1", "platform_events", RUN.recorded_at)


def test_only_what_was_asked_for_comes_back(ledger):
    ledger.record([row(samples.training_job(), "a"), row(samples.endpoint(), "b")], RUN)
    assert ledger.read(AT, AT + DAY, kinds=["endpoint"])["event_id"].to_list() == ["b"]
    assert ledger.read(AT - DAY, AT).is_empty(), "the end is not in it"
    with pytest.raises(ValueError, match="got the kinds endpoints; use of"):
        ledger.read(AT, AT + DAY, kinds=["endpoints"])


def test_an_empty_ledger_has_all_columns(ledger):
    rows = ledger.read(AT, AT + DAY)
    assert rows.is_empty()
    assert {"kind", "event_id", "at", "metrics", "cost_usd"} <= set(rows.columns)


def test_what_stands_there_is_not_written_again(ledger, s3):
    first = [row(samples.training_job(), "a"), row(samples.training_job(), "b")]
    assert [one.event_id for one in ledger.record(first, RUN)] == ["a", "b"]
    assert len(keys(s3)) == 1
    before = keys(s3)
    assert ledger.record(first, RUN) == ()
    assert ledger.record([*first, first[0]], RUN) == ()
    assert keys(s3) == before
    assert [one.event_id for one in ledger.record([*first, row(samples.training_job(), "c")], RUN)] == ["c"]
    files = [pl.read_parquet(io.BytesIO(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())) for key in keys(s3)]
    assert sorted(event_id for file in files for event_id in file["event_id"]) == ["a", "b", "c"], "each in one file"


def test_a_day_becomes_one_file_and_no_event_is_lost_or_doubled(ledger, s3):
    for number in range(4):
        ledger.record([row(samples.training_job(), f"e-{number}")], RUN)
    ledger.record([row(samples.training_job("Completed", at=AT + DAY), "today")], RUN)
    before = ledger.read(AT - DAY, AT + 2 * DAY)
    body = s3.get_object(Bucket=BUCKET, Key=keys(s3)[0])["Body"].read()
    left_behind = "wk/ledger_events/kind=training_job/date=2026-11-20/left-behind.parquet"
    s3.put_object(Bucket=BUCKET, Key=left_behind, Body=body)
    assert ledger.read(AT - DAY, AT + 2 * DAY).equals(before), "a copy left behind by a killed run is no second event"
    assert ledger.compact(AT + DAY) == 1
    assert len(keys(s3)) == 2
    assert ledger.read(AT - DAY, AT + 2 * DAY).equals(before)
    assert ledger.compact(AT + DAY) == 0
    assert ledger.record([row(samples.training_job(), "e-2")], RUN) == ()


def test_a_job_has_a_row_of_its_own_with_its_figures(ledger):
    facts = read_facts("training_job", answers.training())
    one = job_row(facts, base_name="flights-train", endpoint="flights", account="123456789012", region="us-east-1")
    ledger.record([one], RUN)
    ledger.record([one], RUN)
    (told,) = ledger.read(AT - DAY, AT + DAY, kinds=["job"]).iter_rows(named=True)
    assert (told["job_type"], told["job_base_name"], told["endpoint"]) == ("training_job", "flights-train", "flights")
    assert told["metrics"] == [{"name": "MAE", "value": 3.25}, {"name": "accuracy", "value": 0.91}]
    assert told["metric_definitions"][0] == {"name": "MAE", "regex": "mae=([0-9.]+)"}
    assert (told["billable_seconds"], told["instance_type"], told["instance_count"]) == (900.0, "ml.m5.xlarge", 2)
    assert isinstance(told["ended_at"], datetime)
    running = answers.training("InProgress")
    with pytest.raises(ValueError, match="is InProgress; only a job that has ended is recorded"):
        job_row(read_facts("training_job", running), base_name="x", endpoint=None, account="1", region="r")
