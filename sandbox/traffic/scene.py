"""What a scene says: which real hours are replayed, what is done to them, what a monitor must find.

Hours are counted from the span's start. A span is some UTC days (two, if nothing else is said), shifted by whole
weeks so that it ends in the last seven days: weekdays and hours stay what they were.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

HOURS = 48
"""Of a scene that does not say otherwise."""
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
class LabelFeed:
    """How ground truth comes in, beside the time at which it is known: shares of requests, and two single ones."""

    slipped_share: float = 0.08
    """Collected one to four hours after it was known, so out of order."""
    late_share: float = 0.05
    late_by: timedelta = timedelta(hours=30)
    missing_share: float = 0.01
    duplicated: int = 100
    """The number of the request whose label comes twice, the second time an hour later."""
    conflicting: int = 200
    """The number of the request whose label is wrong at first, and put right six hours later."""


@dataclass(frozen=True)
class Successor:
    """A model that is brought into service by hand, hours after the span's start."""

    hour: int
    ignored: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of its container: how it serves, by ``service_load``."""


@dataclass(frozen=True)
class Scene:
    """Some days of one endpoint's traffic. Hours without an expectation must be ``ok``."""

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
    hours: int = HOURS
    baseline_until: datetime | None = None
    """End of the weeks that the baseline is made of; the span's start if they end there."""
    registered: bool = False
    """Whether the model that is deployed is a package of the registry, in the group named as the endpoint."""
    labels: LabelFeed = LabelFeed()
    ignored: tuple[str, ...] = ()
    """The inputs that callers send and the model does not look at."""
    successor: Successor | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the model's container: how it serves, by ``service_load``."""

    @property
    def ends(self) -> datetime:
        """End of the span, in the data's own time."""
        return self.starts + timedelta(hours=self.hours)

    def shift(self, before: datetime) -> timedelta:
        """Return the whole weeks to add to the data's time so that the span ends last before ``before``."""
        return (before - self.ends) // _WEEK * _WEEK

    def at(self, hour: int, before: datetime) -> str:
        """Return an hour of the span that ends last before ``before``, in ISO 8601 with ``Z``."""
        return (self.starts + self.shift(before) + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def days(self, before: datetime) -> list[dict[str, Any]]:
        """Return each day with its expected verdict and findings, as JSON-ready data."""
        return [
            {
                "endpoint": self.endpoint,
                "variant": self.variant,
                "period": period,
                "start": self.at(hour, before),
                "end": self.at(hour + hours, before),
                "verdict": expectation.verdict,
                "findings": [asdict(found) for found in expectation.findings],
                "because": expectation.because,
            }
            for period, hour, hours, expectation in self.expectations()
            if period == "daily"
        ]

    def expectations(self) -> Iterator[tuple[str, int, int, Expectation]]:
        """Yield (period, first hour, hours, expectation) of every hourly and daily window."""
        for period, step, declared in (("hourly", 1, self.hourly), ("daily", 24, self.daily)):
            by_hour = {hour: expectation for expectation in declared for hour in expectation.hours}
            for hour in range(0, self.hours, step):
                quiet = Expectation((hour,), "ok", (), "quiet")
                yield period, hour, step, by_hour.get(hour, quiet)
