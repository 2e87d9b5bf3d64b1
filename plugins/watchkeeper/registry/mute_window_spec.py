"""Times at which nobody is paged, and whether a moment lies in one."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.spec_base import FromList, SpecModel, Text, distinct

Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
WEEKDAYS: tuple[Weekday, ...] = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_CLOCK_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d$"
_DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}$"
#: What a CloudWatch mute rule may last at most.
_LONGEST_MINUTES = 15 * 24 * 60


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        message = "use a time zone's name, such as Europe/Berlin or UTC"
        raise ValueError(message) from None
    return name


def _real_date(text: str) -> str:
    date.fromisoformat(text)
    return text


class MuteWindowSpec(SpecModel):
    """A time, once or every week, at which alarms are evaluated and page nobody."""

    start: Annotated[str, Field(pattern=_CLOCK_PATTERN)] = Field(
        description="When it begins, as hours and minutes in quotes.",
        examples=["02:00"],
    )
    duration_minutes: Annotated[int, Field(ge=1, le=_LONGEST_MINUTES)] = Field(
        description="How long it lasts; 15 days at most.",
        examples=[120],
    )
    weekdays: Annotated[tuple[Weekday, ...], FromList, AfterValidator(distinct)] = Field(
        default=(),
        description="On which days of the week it begins; every day if empty.",
        examples=[["SUN"]],
    )
    on_date: Annotated[str, Field(pattern=_DATE_PATTERN), AfterValidator(_real_date)] | None = Field(
        default=None,
        description="The one day on which it begins, in quotes; null for a window that comes again.",
        examples=["2026-12-24"],
    )
    timezone: Annotated[Text, AfterValidator(_known_zone)] = Field(
        default="UTC",
        description="The time zone of start.",
        examples=["Europe/Berlin"],
    )
    reason: str = Field(default="", description="Why nobody is to be paged then.", examples=["Weekly batch load"])

    @model_validator(mode="after")
    def _once_or_again(self) -> "MuteWindowSpec":
        if self.on_date is not None and self.weekdays:
            message = "weekdays and on_date exclude each other; keep one"
            raise ValueError(message)
        return self

    @property
    def schedule(self) -> str:
        """The beginning as CloudWatch writes it: ``cron(0 2 * * SUN)`` or ``at(2026-12-24T02:00)``."""
        if self.on_date is not None:
            return f"at({self.on_date}T{self.start})"
        hour, minute = self.start.split(":")
        return f"cron({int(minute)} {int(hour)} * * {','.join(self.weekdays) or '*'})"

    @property
    def duration(self) -> str:
        """The duration in ISO 8601: ``PT2H``."""
        hours, minutes = divmod(self.duration_minutes, 60)
        return f"PT{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}"

    def holds(self, moment: datetime) -> bool:
        """Return whether ``moment`` lies in the window; its end does not belong to it."""
        zone = ZoneInfo(self.timezone)
        length = timedelta(minutes=self.duration_minutes)
        if self.on_date is not None:
            days = [date.fromisoformat(self.on_date)]
        else:
            today = moment.astimezone(zone).date()
            days = [today - timedelta(days=back) for back in range(length.days + 2)]
            days = [day for day in days if not self.weekdays or WEEKDAYS[day.weekday()] in self.weekdays]
        begins = (datetime.combine(day, time.fromisoformat(self.start), zone).astimezone(UTC) for day in days)
        return any(begin <= moment < begin + length for begin in begins)
