"""Which windows of a label monitor are due: by merged hours, the ledger and the time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.aws.result_samples import result
from tests.operators.conftest import BUCKET, context
from watchkeeper.aws.baseline_store import BaselineManifest
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.aws.merge_manifest import MergeManifest
from watchkeeper.operators.ripe_windows import RipeWindowsOperator, merge_digest_of
from watchkeeper.registry.capture_window import HOUR, Window, hour_floor

NOW = hour_floor(datetime.now(UTC)) + timedelta(minutes=30)
LAST = Window(hour_floor(NOW) - HOUR, hour_floor(NOW))
TRUTH = {"s3_uri": f"s3://{BUCKET}/truth", "waiting_hours": 4, "horizon_days": 3}
QUALITY = {"problem_type": "BinaryClassification", "probability_attribute": "0", "periods": ["hourly"]}


@pytest.fixture
def labelled(place):
    place.endpoint(ground_truth=TRUTH, monitors={"model_quality": QUALITY})
    manifest = BaselineManifest(
        endpoint="flights", monitor="model_quality", source="s", row_count=9, code_version="1", dialect="exact"
    )
    place.deployment.baselines.publish(manifest, {"statistics.json": b"{}"}, NOW - timedelta(days=9))
    return place


def merge(place, hour, matched=0, revision=1):
    store = place.deployment.merged
    manifest = MergeManifest(
        endpoint="flights",
        endpoint_name="flights-delay",
        variant="AllTraffic",
        hour=hour.name,
        digest=f"{matched}",
        capture_digest="c",
        capture_object_count=1,
        label_objects=(),
        captured_count=100,
        matched_count=matched,
        unmatched_count=100 - matched,
        malformed_capture_count=0,
        duplicate_label_count=0,
        conflicting_label_count=0,
        malformed_label_count=0,
        coverage=matched / 100,
        merge_rules=1,
        code_version="1",
        run_id="r",
        merged_at="2026-11-20T00:00:00Z",
        revision=revision,
    )
    known = store.list_hours("flights", "AllTraffic", hour).get(hour)
    from watchkeeper.aws.merged_store import MergedFolder

    assert store.write_hour(manifest, [], known or MergedFolder()) is not None
    return merge_digest_of(store.list_hours("flights", "AllTraffic", hour), hour)


def record(place, window, verdict, digest, revision=1):
    item = result(
        window=window,
        monitor="model_quality",
        verdict=verdict,
        merge_digest=digest,
        revision=revision,
        digest=f"{revision}",
    )
    run = RunFacts(run_id="r", dag_id="model_quality", recorded_at=NOW + timedelta(seconds=revision))
    place.deployment.ledger.record([(item, "s3://r/")], run)


def due(params=None, run=None):
    operator = RipeWindowsOperator(task_id="ripe", monitors=["model_quality"])
    work = operator.execute(context(params=params or {}, run={"run_after": NOW} | (run or {})))
    return [name for item in work for name in item["work"].get("flights", [])]


def recorded(place, *, until=LAST):
    """Record a verdict for every window of the last two days, so that none is due for the lack of one."""
    for hours in range(1, 51):
        window = LAST.shifted(-(hours - 1) * HOUR)
        if window.start <= until.start:
            record(place, window, "no_traffic", None)


def test_every_window_of_the_last_two_days_gets_a_verdict(labelled):
    names = due()
    assert names[-1] == LAST.name
    assert len(names) == 48
    recorded(labelled)
    assert due() == []


def test_older_windows_are_due_when_they_are_merged(labelled):
    recorded(labelled)
    old = LAST.shifted(-60 * HOUR)
    assert old.name not in due()
    merge(labelled, old)
    assert due() == [old.name]
    assert LAST.shifted(-80 * HOUR).name not in due(), "beyond the horizon nothing is looked for"


def test_a_window_is_due_again_when_labels_have_come_and_not_before(labelled):
    recorded(labelled)
    digest = merge(labelled, LAST, matched=90)
    record(labelled, LAST, "ok", digest, revision=2)
    assert due() == []
    merge(labelled, LAST, matched=95, revision=2)
    assert due() == [LAST.name]


def test_a_pending_window_is_due_when_its_waiting_is_over(labelled):
    recorded(labelled)
    waiting, over = LAST.shifted(-2 * HOUR), LAST.shifted(-5 * HOUR)
    for window in (waiting, over):
        record(labelled, window, "labels_pending", merge(labelled, window), revision=2)
    assert due() == [over.name]


def test_without_a_baseline_only_the_newest_window_is_tried(place):
    place.endpoint(ground_truth=TRUTH, monitors={"model_quality": QUALITY})
    assert due() == [LAST.name]


def test_params_name_windows_whatever_has_come(labelled):
    recorded(labelled)
    start = LAST.shifted(-HOUR).start
    assert due({"window_start": start.isoformat(), "window_end": LAST.end.isoformat()}) == [
        LAST.shifted(-HOUR).name,
        LAST.name,
    ]


def test_an_endpoint_without_labels_is_not_watched(place):
    place.endpoint()
    assert due() == []


def test_a_name_that_is_no_endpoint_fails_at_once(labelled):
    with pytest.raises(AirflowFailException, match="flihgts: no such endpoint file"):
        due({"endpoints": ["flihgts"]})


def test_model_quality_without_labels_is_a_fault_of_the_file(tmp_path: Path):
    from watchkeeper.registry.registry_files import load_registry

    (tmp_path / "flights.yaml").write_text(
        "endpoint_name: f\nowner: o\ncapture: {s3_uri: s3://bucket/capture}\n"
        "monitors: {model_quality: {problem_type: Regression, inference_attribute: '0'}}\n"
    )
    (problem,) = load_registry(tmp_path).problems
    assert "add ground_truth with the s3_uri" in problem
