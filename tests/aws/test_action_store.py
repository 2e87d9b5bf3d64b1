from datetime import UTC, datetime, timedelta

import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.action_store import ActionStore, AttemptRecord, AttemptState
from watchkeeper.errors import DocumentError, StoreError

NOW = datetime(2026, 11, 20, 6, 12, tzinfo=UTC)
ATTEMPT = "20261120T05-20261120T06-abc"


@pytest.fixture
def store(s3):
    return ActionStore(BUCKET, "wk", s3)


def record(attempt_id=ATTEMPT, **fields):
    defaults = {"endpoint": "flights", "state": "decided", "decided_at": "2026-11-20T06:12:00Z"}
    return AttemptRecord(attempt_id=attempt_id, **(defaults | fields))


def begin(store, **fields):
    return store.open_attempt(record(**fields), by="scheduled__1", why="2 of 3 windows are violated", now=NOW)


def step(store, state, minutes=1, attempt_id=ATTEMPT, **fields):
    now = NOW + timedelta(minutes=minutes)
    return store.advance("flights", attempt_id, state, by="scheduled__1", why="so", now=now, **fields)


def test_an_attempt_is_recorded_once_and_a_retry_finds_it(store, s3):
    first = begin(store)
    step(store, AttemptState.TRAINING, execution_arn="arn:execution")
    again = begin(store, decided_at="2026-11-20T07:00:00Z")
    assert (again.state, again.decided_at, again.execution_arn) == ("training", first.decided_at, "arn:execution")
    assert store.uri("flights", ATTEMPT) == f"s3://{BUCKET}/wk/actions/flights/retrain/{ATTEMPT}/"
    s3.head_object(Bucket=BUCKET, Key=f"wk/actions/flights/retrain/{ATTEMPT}/attempt.json")


def test_the_history_says_who_did_what_when_and_why(store):
    begin(store)
    step(store, AttemptState.AWAITING_APPROVAL)
    step(store, AttemptState.TRAINING, 2, execution_arn="arn:execution")
    done = step(store, AttemptState.TRAINED, 9, model_package_arn="arn:package")
    assert [(event.state, event.at[11:16]) for event in done.history] == [
        ("decided", "06:12"),
        ("awaiting_approval", "06:13"),
        ("training", "06:14"),
        ("trained", "06:21"),
    ]
    assert done.history[0].why == "2 of 3 windows are violated"
    assert store.read("flights", ATTEMPT) == done


def test_a_repeated_step_changes_nothing(store):
    begin(store)
    once = step(store, AttemptState.TRAINING, execution_arn="arn:execution")
    assert step(store, AttemptState.TRAINING, 5, execution_arn="arn:execution") == once
    assert len(step(store, AttemptState.TRAINING, 6, execution_arn="arn:another").history) == 3


def test_a_run_that_was_late_cannot_reopen_what_has_ended(store):
    begin(store)
    step(store, AttemptState.REJECTED)
    with pytest.raises(StoreError, match="is rejected already and cannot become promoted"):
        step(store, AttemptState.PROMOTED)


def test_a_promotion_can_be_taken_back_and_a_failure_taken_up_again(store):
    begin(store)
    step(store, AttemptState.FAILED)
    assert step(store, AttemptState.TRAINING).state == "training"
    step(store, AttemptState.PROMOTED, 3, previous_config="old", new_config="new")
    assert store.last_promotion("flights").previous_config == "old"
    step(store, AttemptState.ROLLED_BACK, 4)
    assert store.last_promotion("flights") is None


def test_two_runs_at_once_lose_no_event(store, monkeypatch):
    begin(store)
    write, seen = store.objects.write, []

    def interrupted(key, body, **conditions):
        if not seen:
            seen.append(key)
            other = ActionStore(BUCKET, "wk", store.objects.client)
            step(other, AttemptState.AWAITING_APPROVAL)
        return write(key, body, **conditions)

    monkeypatch.setattr(store.objects, "write", interrupted)
    done = step(store, AttemptState.TRAINING, 2)
    assert [event.state for event in done.history] == ["decided", "awaiting_approval", "training"]
    monkeypatch.setattr(store.objects, "write", lambda *_, **__: False)
    with pytest.raises(StoreError, match="another run changed it 5 times"):
        step(store, AttemptState.TRAINED)


def test_a_dry_run_gives_way_to_the_attempt_itself(store):
    begin(store, dry_run=True)
    assert begin(store, dry_run=True).dry_run
    assert len(begin(store, dry_run=True).history) == 1
    real = begin(store)
    assert (real.dry_run, len(real.history)) == (False, 2)


def test_the_policy_sees_what_it_needs_newest_first(store):
    begin(store)
    step(store, AttemptState.TRAINING, execution_arn="arn:execution")
    step(store, AttemptState.PROMOTED, 30)
    begin(store, attempt_id="hand-1", decided_at="2026-11-21T06:12:00Z", dry_run=True)
    store.write_evidence("flights", ATTEMPT, b"{}")
    dry, real = store.past_attempts("flights")
    assert (dry.attempt_id, dry.started, dry.ended, dry.dry_run) == ("hand-1", False, False, True)
    assert (real.started, real.ended, real.model_changed_at) == (True, True, NOW + timedelta(minutes=30))
    assert store.past_attempts("others") == ()
    step(store, AttemptState.ROLLED_BACK, 50)
    assert store.past_attempts("flights")[1].model_changed_at == NOW + timedelta(minutes=50)


def test_evidence_lies_beside_the_record(store, s3):
    uri = store.write_evidence("flights", ATTEMPT, b'{"decision": "keep"}')
    assert uri == f"s3://{BUCKET}/wk/actions/flights/retrain/{ATTEMPT}/evidence.json"
    found = s3.get_object(Bucket=BUCKET, Key=f"wk/actions/flights/retrain/{ATTEMPT}/evidence.json")
    assert found["Body"].read() == b'{"decision": "keep"}'


def test_no_such_attempt_and_no_such_document(store, s3):
    assert store.read("flights", "none") is None
    with pytest.raises(StoreError, match="no such attempt"):
        step(store, AttemptState.TRAINING)
    s3.put_object(Bucket=BUCKET, Key=f"wk/actions/flights/retrain/{ATTEMPT}/attempt.json", Body=b"[]")
    with pytest.raises(DocumentError, match="not an attempt's record"):
        store.read("flights", ATTEMPT)


def test_a_model_that_is_kept_is_promoted_when_it_was(store):
    begin(store)
    step(store, AttemptState.PROMOTED, 30, new_config="new")
    kept = step(store, AttemptState.PROMOTED, 90, kept_at="2026-11-20T07:42:00Z")
    assert [event.state for event in kept.history] == ["decided", "promoted", "promoted"]
    assert store.past_attempts("flights")[0].model_changed_at == NOW + timedelta(minutes=30)
    promotion = store.promotion("flights")
    assert (promotion.promoted_at, promotion.kept) == (NOW + timedelta(minutes=30), True)


def test_a_model_that_serves_again_serves_since_the_later_one_left(store):
    assert store.promotion("flights") is None
    begin(store)
    step(store, AttemptState.PROMOTED, 10)
    begin(store, attempt_id="later")
    step(store, AttemptState.PROMOTED, 20, "later")
    assert store.promotion("flights").attempt_id == "later"
    step(store, AttemptState.ROLLED_BACK, 30, "later")
    promotion = store.promotion("flights")
    assert (promotion.attempt_id, promotion.kept) == (ATTEMPT, False)
    assert promotion.promoted_at == NOW + timedelta(minutes=10)
    assert promotion.serving_since == NOW + timedelta(minutes=30)
