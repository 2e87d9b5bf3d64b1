"""Rules of time: the window of a run, what was missed, what may act."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.capture_window import Window, windows_between
from watchkeeper.registry.window_rules import (
    backfill_command,
    is_fresh,
    may_act,
    missed_windows,
    run_window,
    settled_at,
    verdict_gaps,
)

NOW = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
LAST_HOUR = Window.parse("2026-11-21T09:00Z", "2026-11-21T10:00Z")
EARLIER = Window.parse("2026-11-20T03:00Z", "2026-11-20T04:00Z")
INTERVAL = (EARLIER.start, EARLIER.end)


def test_params_win_over_the_data_interval() -> None:
    params = {"window_start": "2026-11-19T00:00Z", "window_end": "2026-11-19T06:00+00:00"}
    choice = run_window("hourly", params, INTERVAL, NOW)
    assert (str(choice.window), choice.source) == ("2026-11-19T00:00Z/2026-11-19T06:00Z", "params")
    assert str(choice).endswith("(from the params window_start and window_end)")


def test_the_data_interval_wins_over_the_clock() -> None:
    choice = run_window("hourly", {"window_start": None, "window_end": None}, INTERVAL, NOW)
    assert (choice.window, choice.source) == (EARLIER, "data interval")


@pytest.mark.parametrize("interval", [None, (None, None), (NOW, NOW)], ids=["none", "empty", "no length"])
def test_without_either_it_is_the_last_complete_window(interval: tuple[datetime, datetime] | None) -> None:
    assert run_window("hourly", {}, interval, NOW).window == LAST_HOUR
    daily = run_window("daily", {}, interval, NOW)
    assert (str(daily.window), daily.source) == ("2026-11-20T00:00Z/2026-11-21T00:00Z", "last complete window")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"window_start": "2026-11-19T00:00Z"}, "got window_start without window_end; give both, or neither"),
        ({"window_end": "2026-11-19T00:00Z"}, "got window_end without window_start; give both, or neither"),
        ({"window_start": "x", "window_end": "2026-11-19T00:00Z"}, "got 'x'; expected an ISO 8601 time"),
        ({"window_start": "2026-11-21T10:00Z", "window_end": "2026-11-21T11:00Z"}, "ends after now"),
    ],
)
def test_params_that_make_no_window_are_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_window("hourly", params, INTERVAL, NOW)


@given(
    st.sets(st.integers(0, 60), max_size=61), st.integers(0, 59), st.sampled_from((0, 10, 90)), st.integers(-5000, 5000)
)
def test_missed_windows_and_judged_ones_are_all_of_the_last_48_hours(
    judged_ages: set[int], minute: int, grace: int, shift: int
) -> None:
    now = NOW.replace(minute=minute) + shift * timedelta(hours=1)
    judged = {Window.hour_of(now - timedelta(hours=age)) for age in judged_ages}
    missed = missed_windows("hourly", now, judged, grace)
    assert not judged & set(missed)
    assert list(missed) == sorted(missed)
    settled = [
        window
        for window in windows_between("hourly", now - timedelta(hours=60), now)
        if settled_at(window, grace) <= now <= window.end + timedelta(hours=48)
    ]
    assert set(missed) | (judged & set(settled)) == set(settled)


def test_a_missed_day_is_made_good_for_48_hours() -> None:
    days = missed_windows("daily", NOW, (), grace_minutes=10)
    assert [str(day) for day in days] == [
        "2026-11-19T00:00Z/2026-11-20T00:00Z",
        "2026-11-20T00:00Z/2026-11-21T00:00Z",
    ]


@given(st.sets(st.integers(0, 72)))
def test_gaps_are_the_longest_stretches_without_a_verdict(ages: set[int]) -> None:
    since = NOW.replace(minute=0) - timedelta(hours=72)
    judged = {Window.hour_of(NOW - timedelta(hours=age)) for age in ages}
    gaps = verdict_gaps("hourly", since, NOW, judged)
    hours = [hour for gap in gaps for hour in gap.hours()]
    assert set(hours) == set(windows_between("hourly", since, NOW)) - judged
    assert len(hours) == len(set(hours))
    assert all(left.end < right.start for left, right in itertools.pairwise(gaps))


@pytest.mark.parametrize(
    ("period", "gap", "last"),
    [
        ("hourly", ("2026-11-18T03:00Z", "2026-11-18T04:00Z"), "2026-11-18T03:00:00Z"),
        ("hourly", ("2026-11-18T03:00Z", "2026-11-18T06:00Z"), "2026-11-18T05:00:00Z"),
        ("daily", ("2026-11-18T00:00Z", "2026-11-20T00:00Z"), "2026-11-19T00:00:00Z"),
    ],
)
def test_the_backfill_command_names_the_first_and_the_last_run(period: str, gap: tuple[str, str], last: str) -> None:
    command = backfill_command(f"monitor_{period}", period, Window.parse(*gap))  # type: ignore[arg-type]
    first = gap[0].replace(":00Z", ":00:00Z")
    assert command == (
        f"airflow backfill create --dag-id monitor_{period} --from-date {first} --to-date {last} "
        "--reprocess-behavior completed"
    )


def test_only_fresh_windows_act_unless_the_param_says_so() -> None:
    assert is_fresh(LAST_HOUR, NOW, 6)
    assert is_fresh(LAST_HOUR, LAST_HOUR.end + timedelta(hours=6), 6)
    assert not is_fresh(LAST_HOUR, LAST_HOUR.end + timedelta(hours=6, seconds=1), 6)
    assert not is_fresh(LAST_HOUR, LAST_HOUR.end, 0)
    assert may_act(EARLIER, NOW, 6, act=True)
    assert not may_act(LAST_HOUR, NOW, 6, act=False)
    assert may_act(LAST_HOUR, NOW, 6)
