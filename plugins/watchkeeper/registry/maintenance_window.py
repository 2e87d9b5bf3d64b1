"""Times in which nothing is acted on: whoever works there expects alarms."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.capture_window import parse_moment, utc_moment
from watchkeeper.registry.spec_base import FromList, SpecModel, Text, distinct

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY_MINUTES = 24 * 60


class MaintenanceWindow(SpecModel):
    """A window that comes every week (``start_time`` and ``minutes``), or once (``begins`` and ``ends``)."""

    name: Text = Field(
        description="What is done then; told with what was not done because of it.", examples=["nightly batch"]
    )
    days: Annotated[tuple[Weekday, ...], FromList, Field(min_length=1), AfterValidator(distinct)] = Field(
        default=_WEEKDAYS,
        description="The days, of UTC, on which a weekly window begins.",
        examples=[["sat", "sun"]],
    )
    start_time: Text | None = Field(
        default=None,
        description="When a weekly window begins, UTC, in quotes.",
        examples=["02:30"],
    )
    minutes: Annotated[int, Field(ge=1, le=_DAY_MINUTES)] = Field(
        default=60,
        description="How long a weekly window lasts.",
        examples=[90],
    )
    begins: Text | None = Field(
        default=None,
        description="When a window that comes once begins, in quotes.",
        examples=["2026-12-01T22:00Z"],
    )
    ends: Text | None = Field(
        default=None,
        description="When a window that comes once ends, in quotes.",
        examples=["2026-12-02T04:00Z"],
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "MaintenanceWindow":
        once = (self.begins is not None, self.ends is not None)
        if all(once) == (self.start_time is not None) or any(once) != all(once):
            message = "give start_time for a window that comes every week, or begins and ends for one that comes once"
            raise ValueError(message)
        if self.start_time is not None and not _CLOCK.fullmatch(self.start_time):
            message = f"start_time: got {self.start_time!r}; use hours and minutes such as '02:30'"
            raise ValueError(message)
        if self.begins is not None and self.ends is not None and parse_moment(self.begins) >= parse_moment(self.ends):
            message = f"ends {self.ends} is not after begins {self.begins}"
            raise ValueError(message)
        return self

    def holds(self, moment: datetime) -> bool:
        """Return whether a moment lies in the window; its end does not."""
        now = utc_moment(moment)
        if self.begins is not None and self.ends is not None:
            return parse_moment(self.begins) <= now < parse_moment(self.ends)
        hour, minute = (int(part) for part in str(self.start_time).split(":"))
        # One that began yesterday may reach into today.
        for age in (0, 1):
            start = (now - timedelta(days=age)).replace(hour=hour, minute=minute, second=0, microsecond=0)
            if _WEEKDAYS[start.weekday()] in self.days and start <= now < start + timedelta(minutes=self.minutes):
                return True
        return False
