"""The decision to retrain: what is decided, what is recorded, and what a run by hand may override."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.aws.result_samples import finding, result
from tests.operators.attempt_world import LAST, NOW, AttemptWorld
from tests.operators.conftest import context
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.operators.decide_retraining import DecideRetrainingOperator
from watchkeeper.registry.capture_window import HOUR, moment_text


@pytest.fixture
def world(place):
    return AttemptWorld(place)


def violated(world, *windows, endpoint="flights"):
    """Record a violated verdict for each window."""
    run = RunFacts(run_id="r", dag_id="monitor_hourly", recorded_at=NOW)
    items = [
        (
            result(endpoint=endpoint, window=window, verdict="violated", severity="high", findings=(finding(),)),
            "s3://r/",
        )
        for window in windows
    ]
    world.place.deployment.ledger.record(items, run)


def drift(world, **fields):
    violated(world, LAST, LAST.shifted(-HOUR), **fields)


def decide(run_id="r1", at=NOW, **params):
    run = {"dag_id": "retrain", "run_id": run_id, "run_after": at}
    return DecideRetrainingOperator(task_id="decide").execute(context(params=params, run=run))


def records(world, endpoint="flights"):
    return world.actions.attempts(endpoint)


def test_enough_violated_windows_open_an_attempt_that_says_why(world):
    drift(world)
    (attempt,) = decide()
    (record,) = records(world)
    assert attempt == {"endpoint": "flights", "attempt_id": record.attempt_id}
    assert record.attempt_id.startswith(LAST.name)
    assert (record.state, record.dry_run, record.by_hand) == ("decided", False, False)
    assert (record.training_start, record.training_end) == (
        moment_text(LAST.end - timedelta(days=2)),
        moment_text(LAST.end),
    )
    assert record.evaluation_start == moment_text(LAST.end - timedelta(days=1))
    (event,) = record.history
    assert event.by == "retrain r1"
    assert event.why.startswith("Retrain: 2 of a monitor's last 3 judged hours are violated, the newest ")


def test_doubled_events_and_two_runs_at_once_make_one_attempt(world):
    drift(world)
    first = decide("r1")
    assert len(first) == 1
    assert decide("r2") == [], "the attempt is another run's, which goes on"
    assert decide("r1") == first, "a cleared task finds its own again"
    assert len(records(world)) == 1
    assert records(world)[0].history[0].by == "retrain r1"


def test_an_event_that_comes_after_the_end_makes_none(world):
    drift(world)
    (attempt,) = decide("r1")
    world.actions.advance(**attempt_step(attempt, "rejected"))
    assert decide("r2") == []
    assert len(records(world)) == 1


def attempt_step(attempt, state):
    from watchkeeper.aws.action_store import AttemptState

    return {
        "endpoint": attempt["endpoint"],
        "attempt_id": attempt["attempt_id"],
        "state": AttemptState(state),
        "by": "test",
        "why": "so",
        "now": NOW,
    }


def test_the_next_violated_window_waits_for_the_cooldown(world):
    violated(world, LAST.shifted(-HOUR), LAST.shifted(-2 * HOUR))
    (attempt,) = decide()
    world.actions.advance(**attempt_step(attempt, "failed"))
    violated(world, LAST)
    assert decide("r2") == []
    assert len(decide("r3", at=NOW + timedelta(hours=30))) == 1


def test_too_few_violated_windows_leave_no_trace(world):
    violated(world, LAST)
    assert decide() == []
    assert records(world) == ()


def test_a_dry_run_only_says_what_it_would_do_and_gives_way_to_the_attempt(world):
    world.endpoint(retraining={"mode": "dry_run"})
    drift(world)
    assert decide() == []
    (record,) = records(world)
    assert record.dry_run
    assert "but the mode is dry_run" in record.history[0].why
    assert decide("r2") == []
    assert len(records(world)[0].history) == 1
    world.endpoint()
    assert len(decide("r3")) == 1
    assert [event.by for event in records(world)[0].history] == ["retrain r1", "retrain r3"]


def test_an_attempt_that_is_under_way_does_not_go_on_in_a_dry_run(world):
    drift(world)
    decide()
    world.endpoint(retraining={"mode": "dry_run"})
    assert decide("r2") == []


def test_by_hand_no_window_is_needed_and_a_retry_finds_its_attempt(world):
    (attempt,) = decide(endpoints=["flights"])
    assert attempt["attempt_id"].startswith("hand-")
    assert decide(endpoints=["flights"]) == [attempt]
    assert decide("r2", endpoints=["flights"]) == [], "another attempt is under way"
    (record,) = records(world)
    assert (record.by_hand, record.history[0].why) == (True, "Retrain: a person asked for it.")


def test_force_overrides_dry_run_and_cooldown_and_only_by_hand(world):
    world.endpoint(retraining={"mode": "dry_run"})
    assert decide(endpoints=["flights"]) == []
    (attempt,) = decide(endpoints=["flights"], force=True)
    world.actions.advance(**attempt_step(attempt, "rejected"))
    assert len(decide("r2", endpoints=["flights"], force=True)) == 1
    with pytest.raises(AirflowFailException, match="name the endpoints in endpoints"):
        decide("r3", force=True)


def test_a_persons_windows_stand_in_the_record(world):
    windows = {
        "training_start": "2026-09-01T00:00:00Z",
        "training_end": "2026-09-08T00:00:00Z",
        "evaluation_start": "2026-09-07T02:00:00+02:00",
        "evaluation_end": "2026-09-09T00:00:00Z",
    }
    decide(endpoints=["flights"], **windows)
    (record,) = records(world)
    assert record.evaluation_start == "2026-09-07T00:00:00Z"
    given = {name: getattr(record, name) for name in windows}
    assert given == windows | {"evaluation_start": record.evaluation_start}


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"training_start": "2026-09-01T00:00:00Z"}, "only one of training_start and training_end"),
        ({"evaluation_start": "2026-09-01T00:30:00Z", "evaluation_end": "2026-09-02T00:00:00Z"}, "a whole hour"),
        ({"training_start": "2026-09-02T00:00:00Z", "training_end": "2026-09-01T00:00:00Z"}, "start before end"),
        (
            {
                "training_start": "2026-09-01T00:00:00Z",
                "training_end": "2026-09-02T00:00:00Z",
                "endpoints": ["flights", "others"],
            },
            "name exactly one in endpoints",
        ),
        ({"endpoints": ["flihgts"]}, "flihgts: no such endpoint file"),
        ({"endpoints": ["plain"]}, r"plain\.yaml: retraining: missing; add its pipeline and policy"),
    ],
)
def test_params_that_make_no_sense_fail_at_once(world, params, told):
    world.place.endpoint("plain")
    world.place.endpoint("others", retraining={"pipeline_name": "p", "model_package_group": "g", "definition": None})
    with pytest.raises(AirflowFailException, match=told):
        decide(**({"endpoints": ["flights"]} | params))
    assert records(world) == ()


def test_one_endpoints_broken_record_does_not_hold_up_the_others(world):
    retraining = {"pipeline_name": "p", "model_package_group": "g", "definition": None, "mode": "automatic"}
    world.place.endpoint("another", retraining=retraining)
    drift(world)
    world.actions.objects.write("actions/another/retrain/x/attempt.json", b"[]")
    pushed = {}
    run = {"dag_id": "retrain", "run_id": "r1", "run_after": NOW}
    instance = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    found = DecideRetrainingOperator(task_id="decide").execute(context(run=run, ti=instance))
    assert [item["endpoint"] for item in found] == ["flights"]
    (fault,) = pushed["faults"]
    assert fault.startswith("another: ")
    assert "not an attempt's record" in fault


def test_a_faulty_file_holds_up_nobody_else(world):
    (world.place.folder / "broken.yaml").write_text("owner: nobody\n")
    drift(world)
    assert len(decide()) == 1


@pytest.mark.parametrize(("going_on", "state"), [(1, "training"), (0, "failed")])
def test_an_attempt_whose_run_was_ended_holds_up_nobody(world, going_on, state):
    """A run that a person or its time limit ended reports nothing: its attempt would be under way for days."""
    (attempt,) = decide("gone", endpoints=["flights"])
    world.actions.advance(**attempt_step(attempt, "training"))
    asked = []
    instance = SimpleNamespace(get_dr_count=lambda **query: asked.append(query) or going_on)
    run = {"dag_id": "retrain", "run_id": "r2", "run_after": NOW}
    params = {"endpoints": ["flights"], "force": True}
    made = DecideRetrainingOperator(task_id="decide").execute(context(params=params, run=run, ti=instance))
    assert asked == [{"dag_id": "retrain", "run_ids": ["gone"], "states": ["queued", "running"]}]
    assert len(made) == 1 - going_on
    old = world.record(attempt["attempt_id"])
    assert old.state == state
    if not going_on:
        assert old.history[-1].why == "the run retrain gone was ended before the attempt was"
