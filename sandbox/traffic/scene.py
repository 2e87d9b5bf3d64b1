"""What a scene says: which real hours are replayed, what is done to them, what a monitor must find.

Hours are counted from the span's start (0 to 47). A span is two UTC days, shifted by whole weeks
so that it ends in the last seven days: weekdays and hours stay what they were.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

HOURS = 48
_WEEK = timedelta(weeks=1)

Verdict = Literal["ok", "violated", "no_traffic", "capture_gap", "too_few"]


@dataclass(frozen=True)
class Garbled:
    """An upstream feed sends a number with its unit, and leaves another out, in every ``every``-th record."""

    hours: range
    suffixed: dict[str, str]
    blank: tuple[str, ...]
    every: int


@dataclass(frozen=True)
class ColumnMissing:
    """A caller's new release no longer sends a column at all."""

    hours: range
    column: str


@dataclass(frozen=True)
class CaptureLost:
    """The capture agent's disk is full: only each ``kept_of``-th invocation is captured, all are answered."""

    hours: range
    kept_of: int


Incident = Garbled | ColumnMissing | CaptureLost


@dataclass(frozen=True)
class Found:
    """One violated check of one feature."""

    feature: str
    check: str


@dataclass(frozen=True)
class Expectation:
    """The verdict of some hours and, where violated, exactly what is found in each of them."""

    hours: tuple[int, ...]
    verdict: Verdict
    findings: tuple[Found, ...]
    because: str


@dataclass(frozen=True)
class Scene:
    """Two days of one endpoint's traffic. Hours without an expectation must be ``ok``."""

    endpoint: str
    variant: str
    starts: datetime
    trained_from: datetime
    trained_until: datetime
    baseline_from: datetime
    incidents: tuple[Incident, ...]
    hourly: tuple[Expectation, ...]
    daily: tuple[Expectation, ...]
    """As ``hourly``; hour 0 stands for the first day, hour 24 for the second."""

    @property
    def ends(self) -> datetime:
        """End of the span, in the data's own time."""
        return self.starts + timedelta(hours=HOURS)

    def shift(self, before: datetime) -> timedelta:
        """Return the whole weeks to add to the data's time so that the span ends last before ``before``."""
        return (before - self.ends) // _WEEK * _WEEK

    def expectations(self) -> Iterator[tuple[str, int, int, Expectation]]:
        """Yield (period, first hour, hours, expectation) of every hourly and daily window."""
        for period, step, declared in (("hourly", 1, self.hourly), ("daily", 24, self.daily)):
            by_hour = {hour: expectation for expectation in declared for hour in expectation.hours}
            for hour in range(0, HOURS, step):
                quiet = Expectation((hour,), "ok", (), "quiet")
                yield period, hour, step, by_hour.get(hour, quiet)
