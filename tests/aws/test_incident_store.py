"""Records of incidents, places in the blast radius, circuit breakers, seen configurations: safe for two at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.blast_radius import BlastRadius
from watchkeeper.aws.breaker_record import BreakerRecords
from watchkeeper.aws.config_history import ConfigHistory
from watchkeeper.aws.incident_record import IncidentRecord, IncidentState, IncidentStep, StepOutcome
from watchkeeper.aws.incident_store import HeldElsewhereError, IncidentStore
from watchkeeper.errors import DocumentError, StoreError

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID = "20261120T115000Z-00000001"


@pytest.fixture
def store(s3):
    return IncidentStore(BUCKET, "wk", s3)


def draft(incident_id=ID, endpoint="flights"):
    return IncidentRecord(
        incident_id=incident_id, endpoint=endpoint, endpoint_name="e", state="open", opened_at="2026-11-20T12:00:00Z"
    )


def opened(store, incident_id=ID, endpoint="flights"):
    return store.open_incident(draft(incident_id, endpoint), by="r1", why="w", now=NOW)


def advance(store, state, by="r1", why="w", incident_id=ID, **fields):
    return store.advance("flights", incident_id, IncidentState(state), by=by, why=why, now=NOW, **fields)


def one_step(**fields):
    values = {"rule": "errors", "level": 0, "action": "roll_back", "alarms": ("a",), "why": "w", "by": "r1"}
    return IncidentStep(**(values | {"decided_at": "2026-11-20T12:00:00Z"} | fields))


def test_an_endpoint_has_one_open_incident(store):
    first = opened(store)
    second = opened(store, "20261120T115500Z-00000002")
    assert second.incident_id == first.incident_id
    assert store.open_ids() == {"flights": ID}


def test_two_that_open_at_once_get_the_same(store):
    ids = [f"20261120T1155{place:02d}Z-00000000" for place in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = {record.incident_id for record in pool.map(lambda one: opened(store, one), ids)}
    assert len(found) == 1
    assert store.open_ids() == {"flights": found.pop()}


def test_a_run_that_died_between_pointer_and_record_is_made_good(store, s3):
    s3.put_object(Bucket=BUCKET, Key="wk/actions/_fleet/remediate/open/flights", Body=ID.encode())
    assert opened(store, "20261120T120500Z-00000002").incident_id == ID
    assert store.read("flights", ID) is not None


def test_a_pointer_to_what_has_ended_gives_way(store, s3):
    opened(store)
    advance(store, "closed")
    assert store.open_ids() == {}
    s3.put_object(Bucket=BUCKET, Key="wk/actions/_fleet/remediate/open/flights", Body=ID.encode())
    assert opened(store, "20261120T120500Z-00000002").incident_id == "20261120T120500Z-00000002"


def test_closing_late_does_not_close_the_next_incident(store):
    opened(store)
    advance(store, "closed")
    later = "20261120T120500Z-00000002"
    opened(store, later)
    store.update("flights", ID, lambda record: record)
    assert store.open_ids() == {"flights": later}


def test_only_the_run_that_holds_an_incident_works_on_it(store):
    opened(store)
    advance(store, "decided", steps=(one_step(),))
    with pytest.raises(HeldElsewhereError, match="r1 works on it"):
        advance(store, "decided", by="r2")
    assert advance(store, "unresolved").held_by == ""
    assert advance(store, "decided", by="r2").held_by == "r2"
    advance(store, "recovered", by="r2")
    with pytest.raises(HeldElsewhereError, match="recovered already"):
        advance(store, "decided", by="r2")


def test_of_two_that_decide_at_once_one_gets_it(store):
    opened(store)

    def decide(run):
        try:
            return advance(store, "decided", by=run).held_by
        except HeldElsewhereError:
            return None

    with ThreadPoolExecutor(6) as pool:
        winners = [run for run in pool.map(decide, [f"r{place}" for place in range(6)]) if run]
    assert len(winners) == 1
    assert store.read("flights", ID).held_by == winners[0]


def test_history_says_everything_once(store):
    opened(store)
    for _ in range(3):
        advance(store, "open", why="in cooldown")
    record = advance(store, "closed", why="over")
    assert [(event.state, event.why) for event in record.history] == [
        ("open", "w"),
        ("open", "in cooldown"),
        ("closed", "over"),
    ]
    assert record.ended_at == "2026-11-20T12:00:00Z"


def test_the_policy_sees_what_was_done(store):
    opened(store)
    done = one_step(outcome=StepOutcome.NOT_VERIFIED.value, started_at="2026-11-20T12:01:00Z")
    told = one_step(action="notify", outcome="done", started_at="2026-11-20T12:00:00Z")
    off = one_step(outcome="postponed", level=1)
    record = advance(store, "unresolved", steps=(told, done, off))
    seen = record.as_open(held=False)
    assert [(step.acted, step.postponed) for step in seen.steps] == [(True, False), (True, False), (False, True)]
    assert [action.at for action in record.past_actions()] == [datetime(2026, 11, 20, 12, 1, tzinfo=UTC)]


def test_incidents_are_listed_newest_first_and_from_a_time_on(store):
    for minute in (10, 20, 30):
        incident_id = f"20261120T12{minute}00Z-0000000{minute // 10}"
        opened(store, incident_id)
        advance(store, "closed", incident_id=incident_id)
    ids = [record.incident_id[9:13] for record in store.incidents("flights")]
    assert ids == ["1230", "1220", "1210"]
    since = datetime(2026, 11, 20, 12, 15, tzinfo=UTC)
    assert len(store.incidents("flights", since)) == 2
    opened(store, endpoint="churn")
    assert list(store.endpoints()) == ["churn", "flights"]


def test_a_broken_record_is_named(store, s3):
    opened(store)
    s3.put_object(Bucket=BUCKET, Key=f"wk/actions/flights/remediate/{ID}/incident.json", Body=b"{}")
    with pytest.raises(DocumentError, match=r"incident\.json"):
        store.read("flights", ID)
    with pytest.raises(StoreError, match="no such incident"):
        store.require("flights", "other")


# ---- blast radius


@pytest.fixture
def radius(s3):
    return BlastRadius(BUCKET, "wk", s3)


def claim(radius, endpoint, at_once=2, per_hour=3, now=NOW):
    return radius.claim(endpoint, "i", at_once=at_once, per_hour=per_hour, now=now)


def test_no_more_endpoints_at_once_than_may_be(radius):
    assert [claim(radius, name) for name in ("a", "b", "c")] == [None, None, "at_once"]
    assert claim(radius, "a") is None, "it has a place"
    radius.release("a", NOW)
    assert radius.acting(NOW) == {"b"}
    assert claim(radius, "d", per_hour=9) is None
    assert radius.acting(NOW) == {"b", "d"}


def test_no_more_endpoints_within_any_hour_than_may_be(radius):
    for name in ("a", "b", "c"):
        assert claim(radius, name, at_once=9) is None
        radius.release(name, NOW)
    assert claim(radius, "d", at_once=9, now=NOW + timedelta(minutes=59)) == "per_hour"
    assert claim(radius, "a", at_once=9, now=NOW + timedelta(minutes=59)) is None
    assert claim(radius, "d", at_once=9, now=NOW + timedelta(minutes=60)) is None
    assert radius.acted(NOW + timedelta(minutes=60)) == {"a", "d"}


def test_many_that_claim_at_once_do_not_exceed_it(radius):
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda name: claim(radius, name, at_once=3, per_hour=9), [f"e{n}" for n in range(8)]))
    assert got.count(None) <= 3
    assert len(radius.acting(NOW)) <= 3


def test_what_a_run_that_died_holds_is_given_back_at_last(radius):
    claim(radius, "a", at_once=1)
    assert claim(radius, "b", at_once=1, now=NOW + timedelta(hours=29)) == "at_once"
    assert claim(radius, "b", at_once=1, now=NOW + timedelta(hours=30)) is None


def test_a_place_that_somebody_broke_is_free(radius, s3):
    claim(radius, "a", at_once=1)
    s3.put_object(Bucket=BUCKET, Key="wk/actions/_fleet/remediate/slots/at_once/0000.json", Body=b"[]")
    assert claim(radius, "b", at_once=1) is None


# ---- circuit breaker and configurations


def test_a_breaker_keeps_when_it_opened_and_who_closed_it(s3):
    breakers = BreakerRecords(BUCKET, "wk", s3)
    assert breakers.read("flights").as_breaker().opened_at is None
    breakers.open("flights", "three actions", NOW)
    record = breakers.close("flights", "jo: mended", NOW + timedelta(hours=1))
    assert (record.why, record.closed_by) == ("three actions", "jo: mended")
    assert breakers.read("flights") == record


def test_what_was_seen_before_is_gone_back_to_but_not_what_was_rolled_back_from(s3):
    history = ConfigHistory(BUCKET, "wk", s3)
    for config in ("a", "a", "b", "c"):
        history.observe("flights", config, NOW)
    assert history.before("flights", "c") == ("b", "a")
    history.mark_bad("flights", "c", "5xx", NOW)
    history.observe("flights", "b", NOW)
    assert history.before("flights", "b") == ("a",)
    history.observe("flights", "c", NOW)
    assert history.before("flights", "c") == ("b", "a")
    assert history.is_bad("flights", "c")
    assert history.before("flights", "unseen") == ("b", "a")
    stored = s3.get_object(Bucket=BUCKET, Key="wk/actions/flights/remediate/configs.json")["Body"].read()
    assert [item["config"] for item in msgspec.json.decode(stored)] == ["a", "b", "c", "b", "c"]
