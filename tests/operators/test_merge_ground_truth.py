"""The merge of an endpoint's labels: late ones, other writers, kills, and nothing twice."""

import contextlib
import gzip
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.client import BaseClient

from tests.operators.conftest import BUCKET, context
from tests.operators.label_lines import Labelled, capture_text, label_text
from watchkeeper.operators.due_labels import DueLabelsOperator
from watchkeeper.operators.merge_ground_truth import MergeGroundTruthOperator
from watchkeeper.operators.publish_merges import MERGED, MERGED_ALIAS, PublishMergesOperator
from watchkeeper.registry.capture_window import HOUR, Window

GROUND_TRUTH = {"s3_uri": f"s3://{BUCKET}/labels/", "waiting_hours": 24, "horizon_days": 3}


@pytest.fixture
def labelled(place):
    place.endpoint(ground_truth=GROUND_TRUTH, grace_minutes=0)
    return Labelled(place, Window.hour_of(datetime.now(UTC) - HOUR))


def run(run_id="r1", endpoints=("flights",), **fields):
    operator = MergeGroundTruthOperator(task_id="merge", endpoints=list(endpoints), **fields)
    operator.execute(context(run={"run_id": run_id}))


def report(run_id="r1", **fields):
    return PublishMergesOperator(task_id="report").execute(context(run={"run_id": run_id}, **fields))


def before_each_call(monkeypatch, tell):
    """Let ``tell`` see the operation and key of every call to AWS before it is made."""
    call = BaseClient._make_api_call

    def told(self, operation, params):
        tell(operation, params.get("Key", ""))
        return call(self, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", told)


def test_an_hour_is_merged_and_a_second_run_writes_nothing(labelled):
    hour = labelled.hour(5)
    labelled.capture(hour, ["a", "b", "c", "d"])
    labelled.label(labelled.hour(3), ["a", "b", "zz"])
    run()
    manifest = labelled.manifest(hour)
    assert labelled.merged(hour) == {"a": "1", "b": "1"}
    assert (manifest.captured_count, manifest.matched_count, manifest.unmatched_count) == (4, 2, 2)
    assert (manifest.coverage, manifest.revision) == (0.5, 1)
    assert [source.key for source in manifest.label_objects] == [f"labels/{labelled.hour(3).start_path}/a.jsonl"]
    (part,) = manifest.parts
    assert part.name.startswith("part-00000-")
    assert part.name.endswith(".c000.jsonl")
    summary = labelled.summary()
    assert (summary.captured_count, summary.label_count, summary.unmatched_label_count) == (4, 3, 1)
    assert summary.changed_hours == (f"AllTraffic/{hour.name}",)
    before = labelled.stored()
    run("r2")
    assert labelled.stored() == before


def test_a_late_label_changes_its_own_hour_only_and_captures_of_others_are_not_read(labelled, monkeypatch):
    early, late = labelled.hour(40), labelled.hour(4)
    labelled.capture(early, ["a", "b"])
    labelled.capture(late, ["c"])
    labelled.label(labelled.hour(3), ["c"])
    run()
    kept = labelled.manifest(late)
    old = labelled.parts(early)
    labelled.label(labelled.hour(1), ["a"])
    read = []
    before_each_call(monkeypatch, lambda operation, key: read.append(key) if operation == "GetObject" else None)
    run("r2")
    assert [key for key in read if key.startswith("capture/")] == [
        f"capture/flights-delay/AllTraffic/{early.start_path}/a.jsonl"
    ]
    assert labelled.merged(early) == {"a": "1"}
    assert (labelled.manifest(early).revision, old) == (2, set())
    assert labelled.manifest(late) == kept
    assert labelled.summary().changed_hours == (f"AllTraffic/{early.name}",)


def test_a_corrected_label_supersedes_the_part_before_it(labelled):
    hour = labelled.hour(9)
    labelled.capture(hour, ["a", "b"])
    labelled.label(labelled.hour(8), ["a", "b"], data="0")
    run()
    first = labelled.parts(hour)
    labelled.label(labelled.hour(2), ["a"], data="1")
    run("r2")
    assert labelled.merged(hour) == {"a": "1", "b": "0"}
    assert labelled.manifest(hour).conflicting_label_count == 1
    (name,) = labelled.parts(hour)
    assert name not in first


def test_one_label_serves_captures_of_many_hours_and_variants(labelled):
    labelled.place.endpoint(ground_truth=GROUND_TRUTH, grace_minutes=0, variants=["AllTraffic", "Green"])
    first, second = labelled.hour(9), labelled.hour(7)
    labelled.capture(first, ["e1", "e2"], inference_ids=["x", "x"])
    labelled.capture(second, ["e3"], inference_ids=["x"], variant="Green")
    labelled.label(labelled.hour(6), ["x"])
    run()
    assert labelled.merged(first) == {"e1": "1", "e2": "1"}
    assert labelled.merged(second, "Green") == {"e3": "1"}
    assert labelled.summary().unmatched_label_count == 0


def test_late_captures_find_labels_that_waited_for_them(labelled):
    hour = labelled.hour(9)
    labelled.label(labelled.hour(8), ["a", "b", "c"])
    labelled.capture(hour, ["a"])
    run()
    assert labelled.summary().unmatched_label_count == 2
    labelled.capture(hour, ["b"], name="late")
    run("r2")
    assert labelled.merged(hour) == {"a": "1", "b": "1"}
    assert labelled.summary().unmatched_label_count == 1


def test_labels_of_before_the_hour_or_beyond_the_horizon_are_not_its(labelled):
    hour = labelled.hour(60)
    labelled.capture(hour, ["a", "b", "c"])
    labelled.label(labelled.hour(61), ["a"])
    labelled.label(labelled.hour(60), ["b"])
    labelled.label(labelled.hour(10), ["c"])
    run(horizon_days="3")
    assert labelled.merged(hour) == {"b": "1", "c": "1"}
    other = labelled.hour(100)
    labelled.capture(other, ["z"])
    labelled.label(labelled.hour(5), ["z"])
    run("r2")
    assert labelled.manifest(other) is None
    run("r3", horizon_days=5)
    assert labelled.merged(other) == {"z": "1"}
    before = labelled.manifest(other)
    run("r4")
    assert labelled.manifest(other) == before


def test_an_hour_without_labels_says_so(labelled):
    hour = labelled.hour(2)
    labelled.capture(hour, ["a"])
    run()
    manifest = labelled.manifest(hour)
    assert (manifest.coverage, manifest.captured_count, manifest.parts) == (0.0, 1, ())
    window = labelled.place.deployment.merged.read_window("flights", "AllTraffic", labelled.hour(1))
    assert (window.coverage, window.captured_count, window.manifests) == (None, 0, ())


def test_malformed_lines_are_counted_and_told_without_their_payload(labelled, capsys):
    hour = labelled.hour(5)
    labelled.capture(hour, ["a"])
    bad = '{"groundTruthData":{"data":"secret"},"eventMetadata":{}}\nsecret\n'
    labelled.label(labelled.hour(4), bad)
    mixed = labelled.label(labelled.hour(3), bad + label_text(["a"]))
    labelled.place.s3.put_object(Bucket=BUCKET, Key=f"labels/{hour.start_path}/notes.txt", Body=b"secret")
    run()
    assert labelled.summary().malformed_label_count == 4
    manifest = labelled.manifest(hour)
    assert (manifest.matched_count, manifest.malformed_label_count) == (1, 2)
    assert manifest.malformed_label_samples == (
        f"{mixed} line 1: no eventMetadata.eventId",
        f"{mixed} line 2: not JSON",
    )
    told = capsys.readouterr().out
    for sentence in (
        "1 objects among the labels are not *.jsonl",
        "1 of 1 captured invocations have a label, coverage 100.0%, revision 1; 2 malformed label lines",
        f"Malformed label: {mixed} line 2: not JSON",
        "1 captures and 1 labels of the last 3 days; hours changed: 1; unmatched: 0 captures, 0 label ids",
    ):
        assert sentence in told
    assert "secret" not in told


@pytest.mark.parametrize("after", range(12))
def test_a_run_killed_before_any_write_is_made_good_by_the_next(labelled, monkeypatch, after):
    hours = [labelled.hour(9), labelled.hour(8)]
    for hour in hours:
        labelled.capture(hour, [f"{hour.name}-{number}" for number in range(3)])
    labelled.label(labelled.hour(7), [f"{hour.name}-0" for hour in hours])
    run("r0")
    labelled.label(labelled.hour(6), [f"{hour.name}-1" for hour in hours])
    left = [after]

    def kill(operation, _key):
        if operation in {"PutObject", "DeleteObject"}:
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        before_each_call(patch, kill)
        run("r1")
    for hour in hours:
        assert len(labelled.merged(hour)) == labelled.manifest(hour).matched_count
    run("r1")
    for hour in hours:
        assert set(labelled.merged(hour)) == {f"{hour.name}-0", f"{hour.name}-1"}
    assert report("r1")["changed"] == {"flights": 2}


def test_two_runs_at_once_end_with_the_newest_inputs(labelled, monkeypatch):
    hour = labelled.hour(9)
    labelled.capture(hour, ["a", "b"])
    labelled.label(labelled.hour(8), ["a"])
    inner = []

    def interfere(operation, key):
        if operation == "PutObject" and key.endswith(".c000.jsonl") and not inner:
            inner.append(True)
            labelled.label(labelled.hour(7), ["b"])
            run("other")

    before_each_call(monkeypatch, interfere)
    run("mine")
    assert labelled.merged(hour) == {"a": "1", "b": "1"}
    assert labelled.manifest(hour).run_id == "other"
    assert labelled.parts(hour) == {part.name for part in labelled.manifest(hour).parts}


def test_an_object_that_changes_while_it_is_read_is_read_again(labelled, monkeypatch):
    hour = labelled.hour(9)
    labelled.capture(hour, ["a"])
    labelled.label(labelled.hour(8), ["a"])
    inner = []

    def rewrite(operation, key):
        if operation == "PutObject" and "/_labels/" in key and not inner:
            inner.append(True)
            labelled.label(labelled.hour(8), ["a"], data="0")

    before_each_call(monkeypatch, rewrite)
    run()
    assert inner
    assert labelled.merged(hour) == {"a": "0"}


def test_the_current_hour_waits_for_its_grace(labelled):
    labelled.place.endpoint(ground_truth=GROUND_TRUTH, grace_minutes=60)
    labelled.capture(labelled.hour(0), ["a"])
    run()
    assert labelled.manifest(labelled.hour(0)) is None


def test_one_endpoints_failure_leaves_the_others_going(labelled):
    hour = labelled.hour(5)
    labelled.capture(hour, ["a"])
    labelled.place.endpoint("broken", ground_truth=GROUND_TRUTH | {"s3_uri": "s3://no-such-bucket-x/labels"})
    with pytest.raises(AirflowException, match=r"1 endpoints could not be merged:\n  broken: .*does not exist"):
        run(endpoints=("broken", "flights"))
    assert labelled.manifest(hour).captured_count == 1
    found = report()
    assert found["changed"] == {"flights": 1}
    (fault,) = found["faults"]
    assert fault.startswith("labels of broken: s3://no-such-bucket-x: the bucket does not exist")
    labelled.place.s3.create_bucket(Bucket="no-such-bucket-x")
    run("r1", endpoints=("broken",))
    assert report()["faults"] == []


def test_nothing_changed_rings_nothing_and_a_change_rings_once(labelled):
    class Events(dict):
        def __missing__(self, key):
            self[key] = Alias()
            return self[key]

    class Alias:
        def add(self, asset, extra):
            self.found = (asset, extra)

    labelled.capture(labelled.hour(5), ["a"])
    run()
    events = Events()
    report(outlet_events=events)
    asset, extra = events[MERGED_ALIAS].found
    assert asset == MERGED
    assert extra == {
        "changed": [{"endpoint": "flights", "hours": [f"AllTraffic/{labelled.hour(5).name}"]}],
        "endpoint_count": 1,
    }
    run("r2")
    events = Events()
    assert report("r2", outlet_events=events)["changed"] == {}
    assert not events


def test_who_is_due(labelled):
    labelled.place.endpoint("churn", ground_truth=GROUND_TRUTH)
    labelled.place.endpoint("unlabelled")

    def due(limit=1000, **params):
        return DueLabelsOperator(task_id="due", pack_limit=limit).execute(context(params=params))

    assert due() == [{"endpoints": ["churn"]}, {"endpoints": ["flights"]}]
    assert due(limit=1) == [{"endpoints": ["churn", "flights"]}]
    assert due(endpoints=["flights"]) == [{"endpoints": ["flights"]}]
    with pytest.raises(AirflowFailException, match=r"unlabelled\.yaml: ground_truth: missing"):
        due(endpoints=["unlabelled"])
    labelled.place.endpoint()
    labelled.place.endpoint("churn")
    assert due() == []


@pytest.mark.parametrize("days", ["0", "many", 400])
def test_a_horizon_that_is_none_is_refused(labelled, days):
    with pytest.raises(AirflowFailException, match="use a whole number of days from 1 to 365"):
        run(horizon_days=days)


def test_a_damaged_index_is_made_again(labelled):
    hour = labelled.hour(5)
    labelled.capture(hour, ["a"])
    labelled.label(labelled.hour(4), ["a"])
    run()
    for key in labelled.stored("merged/"):
        if "keys-" in key:
            labelled.place.s3.put_object(Bucket=BUCKET, Key=f"wk/{key}", Body=b"\xff")
    labelled.label(labelled.hour(3), ["a"], data="0")
    run("r2")
    assert labelled.merged(hour) == {"a": "0"}


def test_gzip_captures_and_a_whole_day_in_one_label_object(labelled):
    hours = [labelled.hour(ago) for ago in range(30, 6, -1)]
    for hour in hours:
        key = f"capture/flights-delay/AllTraffic/{hour.start_path}/a.jsonl.gz"
        body = gzip.compress(capture_text([f"{hour.name}-{number}" for number in range(5)]).encode())
        labelled.place.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    labelled.label(labelled.hour(2), [f"{hour.name}-{number}" for hour in hours for number in range(5)])
    run()
    window = labelled.place.deployment.merged.read_window(
        "flights", "AllTraffic", Window(hours[0].start, hours[-1].end)
    )
    assert (window.captured_count, window.matched_count, window.coverage, len(window.manifests)) == (120, 120, 1.0, 24)
