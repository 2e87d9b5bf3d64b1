"""Windows: half-open UTC ranges of whole hours, and every piece of date arithmetic there is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["hourly", "daily"]
"""How often a monitor judges: every hour of the UTC day, or every UTC day."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
PERIOD_LENGTHS: dict[Period, timedelta] = {"hourly": HOUR, "daily": DAY}

_NAME_FORMAT = "%Y%m%dT%H"
_NAME_LENGTH = len("20261120T05")
_PATH_FORMAT = "%Y/%m/%d/%H"


def utc_moment(moment: datetime) -> datetime:
    """Return ``moment`` as a plain UTC datetime (Airflow hands out pendulum's).

    Raises ValueError for a datetime without an offset: guessing its zone would shift windows silently.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        message = f"got {moment.isoformat()} without an offset; expected a time in UTC, as {moment.isoformat()}Z"
        raise ValueError(message)
    shifted = moment.astimezone(UTC)
    return datetime(
        shifted.year,
        shifted.month,
        shifted.day,
        shifted.hour,
        shifted.minute,
        shifted.second,
        shifted.microsecond,
        tzinfo=UTC,
    )


def parse_moment(text: str) -> datetime:
    """Return the UTC time of an ISO 8601 text with ``Z`` or an offset; ValueError names text and expected form."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f"got {text!r}; expected an ISO 8601 time with its offset, such as '2026-11-20T05:00Z'"
        raise ValueError(message) from None
    return utc_moment(moment)


def moment_text(moment: datetime) -> str:
    """Return a time as ``2026-11-20T05:00:00Z``, to the second: the form of Model Monitor's environment variables."""
    return f"{utc_moment(moment):%Y-%m-%dT%H:%M:%SZ}"


def hour_floor(moment: datetime) -> datetime:
    """Return the start of the whole UTC hour that holds ``moment``."""
    return utc_moment(moment).replace(minute=0, second=0, microsecond=0)


def day_floor(moment: datetime) -> datetime:
    """Return the start of the UTC day that holds ``moment``."""
    return hour_floor(moment).replace(hour=0)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open UTC range ``[start, end)`` of whole hours; windows sort by start, then end.

    Any aware datetime is taken and kept as plain UTC. ValueError says what was found and expected.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for field in ("start", "end"):
            moment = utc_moment(getattr(self, field))
            if moment != hour_floor(moment):
                message = f"window {field}: got {moment.isoformat()}; expected a whole hour"
                raise ValueError(message)
            object.__setattr__(self, field, moment)
        if self.start >= self.end:
            message = f"got a window from {self.start.isoformat()} to {self.end.isoformat()}; expected start before end"
            raise ValueError(message)

    @classmethod
    def parse(cls, start: str, end: str) -> "Window":
        """Return the window between two ISO 8601 texts, each with ``Z`` or an offset."""
        return cls(parse_moment(start), parse_moment(end))

    @classmethod
    def hour_of(cls, moment: datetime) -> "Window":
        """Return the whole UTC hour that holds ``moment``."""
        start = hour_floor(moment)
        return cls(start, start + HOUR)

    @classmethod
    def day_of(cls, moment: datetime) -> "Window":
        """Return the whole UTC day that holds ``moment``."""
        start = day_floor(moment)
        return cls(start, start + DAY)

    @classmethod
    def from_name(cls, name: str) -> "Window":
        """Return the window of a ``name`` as it stands in keys; ValueError for any other text."""
        start, separator, end = name.partition("-")
        try:
            if not separator or len(start) != _NAME_LENGTH or len(end) != _NAME_LENGTH:
                raise ValueError(name)
            return cls(
                datetime.strptime(start, _NAME_FORMAT).replace(tzinfo=UTC),
                datetime.strptime(end, _NAME_FORMAT).replace(tzinfo=UTC),
            )
        except ValueError:
            message = f"got the window name {name!r}; expected one such as '20261120T05-20261120T06'"
            raise ValueError(message) from None

    @classmethod
    def from_start_path(cls, path: str) -> "Window":
        """Return the hour of a ``start_path``, as it stands in keys of captures and labels; ValueError else."""
        try:
            window = cls.hour_of(datetime.strptime(path, _PATH_FORMAT).replace(tzinfo=UTC))
        except ValueError:
            window = None
        if window is None or window.start_path != path:
            message = f"got the path {path!r}; expected an hour such as '2026/11/20/05'"
            raise ValueError(message)
        return window

    @property
    def name(self) -> str:
        """The window in keys: ``20261120T05-20261120T06``."""
        return f"{self.start:{_NAME_FORMAT}}-{self.end:{_NAME_FORMAT}}"

    @property
    def start_path(self) -> str:
        """``yyyy/mm/dd/hh`` of the start: captures and states lie there."""
        return f"{self.start:{_PATH_FORMAT}}"

    @property
    def end_path(self) -> str:
        """``yyyy/mm/dd/hh`` of the end: reports lie there, as Model Monitor's do."""
        return f"{self.end:{_PATH_FORMAT}}"

    @property
    def start_date(self) -> str:
        """``yyyy-mm-dd`` of the start: the ledger's partition."""
        return f"{self.start:%Y-%m-%d}"

    @property
    def length(self) -> timedelta:
        """How long the window is: a whole number of hours."""
        return self.end - self.start

    @property
    def period(self) -> Period | None:
        """``hourly`` for one whole hour, ``daily`` for one whole UTC day, None for any other range."""
        if self.length == HOUR:
            return "hourly"
        return "daily" if self == Window.day_of(self.start) else None

    def hours(self) -> tuple["Window", ...]:
        """Return the window's hours, in time order: they cover it without gap or overlap."""
        return tuple(Window(start, start + HOUR) for start in _steps(self.start, self.end, HOUR))

    def days(self) -> tuple["Window", ...]:
        """Return the UTC days that the window touches, in time order."""
        return tuple(Window(start, start + DAY) for start in _steps(day_floor(self.start), self.end, DAY))

    def previous(self) -> "Window":
        """Return the window of the same length that ends where this one starts."""
        return Window(self.start - self.length, self.start)

    def shifted(self, shift: timedelta) -> "Window":
        """Return the window moved by ``shift``, which must be whole hours."""
        return Window(self.start + shift, self.end + shift)

    def holds(self, moment: datetime) -> bool:
        """Say whether ``moment`` lies in ``[start, end)``."""
        return self.start <= utc_moment(moment) < self.end

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%MZ}/{self.end:%Y-%m-%dT%H:%MZ}"


def period_of(window: Window) -> Period:
    """Return the period that a window is one of; ValueError for any other range."""
    if window.period is None:
        message = f"{window} is neither one whole hour nor one whole UTC day"
        raise ValueError(message)
    return window.period


def windows_between(period: Period, start: datetime, end: datetime) -> tuple[Window, ...]:
    """Return the windows of a period that lie wholly inside ``[start, end)``, in time order; possibly none."""
    length = PERIOD_LENGTHS[period]
    first = period_floor(period, start)
    if first < utc_moment(start):
        first += length
    return tuple(
        Window(begin, begin + length) for begin in _steps(first, utc_moment(end), length) if begin + length <= end
    )


def last_complete_window(period: Period, now: datetime) -> Window:
    """Return the newest window of a period that has ended by ``now``."""
    end = period_floor(period, now)
    return Window(end - PERIOD_LENGTHS[period], end)


def period_floor(period: Period, moment: datetime) -> datetime:
    """Return the start of the hour (``hourly``) or UTC day (``daily``) that holds ``moment``."""
    return hour_floor(moment) if period == "hourly" else day_floor(moment)


def weeks_to_just_before(moment: datetime, limit: datetime) -> timedelta:
    """Return the whole weeks that move ``moment`` to the last place at or before ``limit``.

    Whole weeks keep the hour of the day and the day of the week, so traffic keeps its shape. May be negative.
    """
    return ((utc_moment(limit) - utc_moment(moment)) // WEEK) * WEEK


def _steps(start: datetime, end: datetime, length: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += length
