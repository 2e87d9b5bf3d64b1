"""Laws of windows: hours partition, names and paths come back, order and arithmetic."""

import itertools
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.capture_window import (
    PERIOD_LENGTHS,
    Period,
    Window,
    last_complete_window,
    moment_text,
    parse_moment,
    weeks_to_just_before,
    windows_between,
)

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 20, 5, tzinfo=UTC)

moments = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
periods: st.SearchStrategy[Period] = st.sampled_from(("hourly", "daily"))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(moments).replace(minute=0, second=0, microsecond=0)
    return Window(start, start + draw(st.integers(1, 200)) * HOUR)


@given(windows())
def test_the_hours_of_a_window_partition_it(window: Window) -> None:
    hours = window.hours()
    assert hours[0].start == window.start
    assert hours[-1].end == window.end
    assert all(left.end == right.start for left, right in itertools.pairwise(hours))
    assert all(hour.length == HOUR and hour.period == "hourly" for hour in hours)


@given(windows())
def test_a_name_comes_back_as_the_same_window(window: Window) -> None:
    assert Window.from_name(window.name) == window
    assert Window.parse(*str(window).split("/")) == window
    assert pickle.loads(pickle.dumps(window)) == window  # noqa: S301 - our own bytes


@given(windows(), windows())
def test_names_sort_as_windows_do(left: Window, right: Window) -> None:
    assert (left < right) == (left.name < right.name)


@given(windows())
def test_the_previous_window_is_as_long_and_ends_at_the_start(window: Window) -> None:
    assert window.previous().end == window.start
    assert window.previous().length == window.length
    assert window.previous().shifted(window.length) == window


@given(moments, offsets)
def test_an_hour_is_that_of_the_moment_in_utc_whatever_its_offset(moment: datetime, offset: timezone) -> None:
    assert Window.hour_of(moment.astimezone(offset)) == Window.hour_of(moment)
    assert Window.hour_of(moment).holds(moment)
    assert Window.day_of(moment.astimezone(offset)).holds(moment)
    assert len(Window.day_of(moment).hours()) == 24


@given(periods, moments, st.integers(0, 100))
def test_windows_between_are_all_that_lie_inside(period: Period, start: datetime, hours: int) -> None:
    end = start + hours * HOUR
    found = windows_between(period, start, end)
    assert all(start <= window.start and window.end <= end and window.period == period for window in found)
    assert all(left.end == right.start for left, right in itertools.pairwise(found))
    length = PERIOD_LENGTHS[period]
    if found:
        assert found[0].start - start < length
        assert end - found[-1].end < length
    else:
        assert end - start < 2 * length


@given(periods, moments)
def test_the_last_complete_window_has_ended_and_the_next_has_not(period: Period, now: datetime) -> None:
    window = last_complete_window(period, now)
    assert window.period == period
    assert window.end <= now < window.end + window.length


@given(moments, moments)
def test_whole_weeks_move_a_moment_to_just_before_a_limit(moment: datetime, limit: datetime) -> None:
    moved = moment + weeks_to_just_before(moment, limit)
    assert moved <= limit < moved + timedelta(weeks=1)
    assert (moved.weekday(), moved.time()) == (moment.weekday(), moment.time())


def test_a_window_says_itself_in_names_paths_and_text() -> None:
    window = Window.parse("2026-11-20T23:00Z", "2026-11-21T02:00+02:00")
    assert (window.name, str(window)) == ("20261120T23-20261121T00", "2026-11-20T23:00Z/2026-11-21T00:00Z")
    assert (window.start_path, window.end_path) == ("2026/11/20/23", "2026/11/21/00")
    assert window.start_date == "2026-11-20"


def test_a_period_is_one_hour_or_one_utc_day() -> None:
    assert Window.day_of(START).period == "daily"
    assert Window(START, START + timedelta(days=1)).period is None
    assert Window(START, START + 2 * HOUR).period is None


def test_pendulum_times_become_plain_ones() -> None:
    window = Window.hour_of(pendulum.datetime(2026, 11, 20, 6, 30, tz="Europe/Berlin"))
    assert window == Window(START, START + HOUR)
    assert type(window.start) is datetime


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2026-11-20T05:00", "2026-11-20T06:00Z", "without an offset; expected a time in UTC"),
        ("2026-11-20T05:30Z", "2026-11-20T06:00Z", "expected a whole hour"),
        ("2026-11-20T05:00:00.5Z", "2026-11-20T06:00Z", "expected a whole hour"),
        ("2026-11-20T05:00Z", "2026-11-20T06:00+05:30", "expected a whole hour"),
        ("2026-11-20T06:00Z", "2026-11-20T06:00Z", "expected start before end"),
        ("2026-11-20T07:00Z", "2026-11-20T06:00Z", "expected start before end"),
        ("yesterday", "2026-11-20T06:00Z", "got 'yesterday'; expected an ISO 8601 time"),
    ],
)
def test_what_is_no_window_is_refused_with_what_was_found(start: str, end: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        Window.parse(start, end)


@pytest.mark.parametrize(
    "name", ["", "20261120T05", "20261120T05-20261120T05", "20261120T5-20261120T06", "20261320T05-20261320T06", "a-b"]
)
def test_what_is_no_name_of_a_window_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected one such as '20261120T05-20261120T06'"):
        Window.from_name(name)


def test_moment_text_is_what_parse_moment_reads() -> None:
    assert moment_text(START) == "2026-11-20T05:00:00Z"
    assert parse_moment(moment_text(START)) == START


def test_an_hour_is_read_from_its_path_and_nothing_else_is() -> None:
    hour = Window.parse("2026-11-20T05:00Z", "2026-11-20T06:00Z")
    assert Window.from_start_path(hour.start_path) == hour
    for path in ("2026/11/20", "2026/11/20/5", "2026/11/20/24", "2026/11/20/05/x", "", "a/b/c/d"):
        with pytest.raises(ValueError, match="expected an hour such as"):
            Window.from_start_path(path)


def test_days_cover_what_a_window_touches() -> None:
    window = Window.parse("2026-11-20T23:00Z", "2026-11-22T00:00Z")
    assert [day.start_date for day in window.days()] == ["2026-11-20", "2026-11-21"]
