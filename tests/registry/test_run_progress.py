"""How far runs are, in whatever order their events come, and which deadlines were missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.event_rules_spec import EventDeadline
from watchkeeper.registry.run_progress import RunState, last_due, late_starts, newest_states, stuck_runs

DAY = datetime(2026, 11, 20, tzinfo=UTC)  # a Friday
OUTCOMES = {"started": "Starting", "running": "InProgress", "succeeded": "Completed", "failed": "Failed"}


def state(outcome="started", minute=0, run="r1", name="flights-train", kind="training_job", day=DAY):
    at = day + timedelta(minutes=minute)
    return RunState(kind, name, run, OUTCOMES[outcome], outcome, at, at)


events = st.builds(
    state,
    outcome=st.sampled_from(sorted(OUTCOMES)),
    minute=st.integers(0, 5),
    run=st.sampled_from(["r1", "r2"]),
    kind=st.sampled_from(["training_job", "code_pipeline"]),
)


@given(st.lists(events, max_size=8), st.randoms())
def test_order_and_repetition_change_nothing(given_events, chance):
    shuffled = [*given_events, *given_events[:3]]
    chance.shuffle(shuffled)
    assert newest_states(shuffled) == newest_states(given_events)


@given(st.lists(events, min_size=1, max_size=8))
def test_a_state_never_goes_back(given_events):
    for (kind, _), found in newest_states(given_events).items():
        mine = [one for one in given_events if (one.kind, one.run) == (found.kind, found.run)]
        assert found.started_at == min(one.started_at for one in mine)
        if kind == "training_job" and any(one.has_ended for one in mine):
            assert found.has_ended, "a job does not run again"
        else:
            assert found.at == max(one.at for one in mine)


def test_a_pipeline_whose_stage_is_retried_runs_again():
    failed = state("failed", 10, kind="code_pipeline")
    resumed = state("running", 20, kind="code_pipeline")
    assert not newest_states([resumed, failed])["code_pipeline", "r1"].has_ended


def deadline(**more):
    return EventDeadline.model_validate({"kind": "training_job", "name": "flights-*"} | more)


def test_a_run_is_stuck_when_it_takes_longer():
    deadlines = {"short": deadline(runs_at_most_minutes=30)}
    runs = [state("running", 0), state("running", 0, run="r2", name="churn"), state("succeeded", 0, run="r3")]
    assert stuck_runs(deadlines, runs, DAY + timedelta(minutes=30)) == []
    (found,) = stuck_runs(deadlines, runs, DAY + timedelta(minutes=31))
    assert (found.what, found.run, found.due) == ("stuck", "r1", DAY + timedelta(minutes=30))
    assert found.key == "deadline:short:stuck:r1"


def test_a_start_is_late_when_nothing_started_in_the_day_before():
    deadlines = {"nightly": deadline(starts_by="06:00", endpoint="flights")}
    due = DAY + timedelta(hours=6)
    before = [state("succeeded", -19 * 60)]  # the day before at 05:00: that was yesterday's
    assert late_starts(deadlines, before, due - timedelta(minutes=1)) == [], "today's is not due yet"
    (found,) = late_starts(deadlines, before, due)
    assert (found.what, found.due, found.endpoint) == ("late", due, "flights")
    assert found.key == "deadline:nightly:late:2026-11-20T06:00:00Z"
    assert late_starts(deadlines, [*before, state("started", 300)], due) == []
    assert late_starts(deadlines, [*before, state("started", 390)], due + timedelta(hours=1)) == [], "it has come since"


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (DAY + timedelta(hours=5), None),  # Thursday's
        (DAY + timedelta(hours=6), DAY + timedelta(hours=6)),
        (DAY + timedelta(hours=29), DAY + timedelta(hours=6)),
        (DAY + timedelta(hours=30), None),  # Saturday's
    ],
)
def test_only_the_days_that_are_named_have_a_deadline(now, due):
    assert last_due(deadline(starts_by="06:00", weekdays=["fri"]), now) == due


def test_a_deadline_without_any_is_refused():
    with pytest.raises(ValueError, match="needs starts_by or runs_at_most_minutes"):
        deadline()
