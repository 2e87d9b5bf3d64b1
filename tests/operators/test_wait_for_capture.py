from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import TaskDeferred

from tests.operators.conftest import context
from watchkeeper.operators.wait_for_capture import WaitForCaptureSensor
from watchkeeper.registry.capture_window import Window, parse_moment


def sensor(**fields):
    return WaitForCaptureSensor(task_id="settle", **({"deferrable": True} | fields))


def test_a_window_of_the_past_passes_at_once(place):
    assert sensor(window_end="2026-01-01T00:00:00Z", grace_minutes=10).execute({}) is None
    assert sensor(window_end="2026-01-01T00:00:00Z", grace_minutes="10").poke({}) is True


def test_a_fresh_window_is_deferred_until_its_grace_is_over(place):
    end = datetime.now(UTC) + timedelta(minutes=5)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(window_end=end.isoformat(), grace_minutes=3).execute({})
    moment = parse_moment(deferred.value.trigger.moment)
    assert abs(moment - (end + timedelta(minutes=3))) < timedelta(seconds=1)
    assert deferred.value.timeout > moment - datetime.now(UTC)


def test_without_deferral_it_is_poked(place):
    end = datetime.now(UTC) + timedelta(minutes=5)
    assert sensor(window_end=end.isoformat(), grace_minutes=0, deferrable=False).poke({}) is False


def test_by_itself_it_knows_the_runs_window_and_the_longest_grace(place):
    place.endpoint("slow", grace_minutes=45)
    now = datetime.now(UTC)
    settled = sensor().settled_moment(context(run={"run_after": now}))
    assert settled == Window.hour_of(now).start + timedelta(minutes=45)


def test_coming_back_from_anything_but_success_fails():
    sensor().execute_complete({}, {"status": "success", "moment": "x"})
    with pytest.raises(RuntimeError, match="error"):
        sensor().execute_complete({}, {"status": "error"})
