"""Mute windows: what CloudWatch is told, and whether a moment lies in one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watchkeeper.registry.mute_window_spec import WEEKDAYS, MuteWindowSpec

MOMENTS = st.integers(0, 366 * 24 * 60).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute))


def window(**fields):
    return MuteWindowSpec.model_validate({"start": "02:00", "duration_minutes": 120} | fields)


def test_cloudwatch_is_told_in_its_own_words():
    assert (window().schedule, window().duration) == ("cron(0 2 * * *)", "PT2H")
    assert window(weekdays=["SAT", "SUN"], start="23:30").schedule == "cron(30 23 * * SAT,SUN)"
    assert window(on_date="2026-12-24", duration_minutes=90).schedule == "at(2026-12-24T02:00)"
    assert window(duration_minutes=90).duration == "PT1H30M"
    assert window(duration_minutes=45).duration == "PT45M"


def test_once_and_again_exclude_each_other():
    with pytest.raises(ValidationError, match="exclude each other"):
        window(on_date="2026-12-24", weekdays=["SUN"])


def test_a_window_holds_its_beginning_and_not_its_end():
    one = window(on_date="2026-12-24", timezone="Europe/Berlin")
    begin = datetime(2026, 12, 24, 1, tzinfo=UTC)
    assert one.holds(begin)
    assert one.holds(begin + timedelta(minutes=119))
    assert not one.holds(begin + timedelta(minutes=120))
    assert not one.holds(begin - timedelta(seconds=1))


@given(
    moment=MOMENTS,
    weekdays=st.lists(st.sampled_from(WEEKDAYS), unique=True),
    minutes=st.integers(1, 3 * 24 * 60),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
def test_a_moment_is_muted_just_if_a_window_began_so_little_before(moment, weekdays, minutes, zone):
    # Not at an hour that clocks skip in spring.
    spec = window(start="05:00", weekdays=weekdays, duration_minutes=minutes, timezone=zone)
    # Minute by minute backwards, as somebody without arithmetic would look.
    muted = False
    for back in range(minutes):
        local = (moment.replace(second=0, microsecond=0) - timedelta(minutes=back)).astimezone(ZoneInfo(zone))
        if (local.hour, local.minute) == (5, 0) and (not weekdays or WEEKDAYS[local.weekday()] in weekdays):
            muted = True
            break
    assert spec.holds(moment) == muted
