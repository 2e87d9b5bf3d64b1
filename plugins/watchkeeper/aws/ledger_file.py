"""The ledger's files by their names: one of a window's verdicts, or one of a whole past day's.

::

    ledger/monitor=…/date=2026-11-20/20261120T05-20261120T06-{digest}.parquet     one window's
    ledger/monitor=…/date=2026-11-20/day-1000021-{digest}.parquet                 the day's, put together later

The seven hex digits of a day's file say which windows it holds, a bit each: the 24 hours from the lowest on, then the
day itself. So which windows have a verdict is told by names alone, whatever was put together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from watchkeeper.registry.capture_window import DAY, Window

_DAY_PREFIX = "day-"
_DAY_BIT = 24


@dataclass(frozen=True)
class LedgerFile:
    """One file: its key below the prefix, and the windows it holds verdicts of."""

    key: str
    windows: tuple[Window, ...]

    @property
    def is_day(self) -> bool:
        """Whether it is a whole day's."""
        return self.key.rpartition("/")[2].startswith(_DAY_PREFIX)

    @classmethod
    def parse(cls, key: str) -> "LedgerFile | None":
        """Return the file that a key names; ``None`` for what is none of the ledger's."""
        folder, _, name = key.rpartition("/")
        stem, _, digest = name.removesuffix(".parquet").rpartition("-")
        if not (name.endswith(".parquet") and stem and digest):
            return None
        try:
            if stem.startswith(_DAY_PREFIX):
                day = Window.day_of(datetime.fromisoformat(f"{folder.rpartition('/date=')[2]}T00:00:00+00:00"))
                return cls(key, _windows(day, int(stem.removeprefix(_DAY_PREFIX), 16)))
            return cls(key, (Window.from_name(stem),))
        except ValueError:
            return None


def ledger_folder(monitor: str, day: Window) -> str:
    """Return the partition of a monitor's verdicts of windows that start on a day."""
    return f"ledger/monitor={monitor}/date={day.start_date}/"


def window_file_key(monitor: str, window: Window, digest: str) -> str:
    """Return the key of one window's file."""
    return f"{ledger_folder(monitor, Window.day_of(window.start))}{window.name}-{digest}.parquet"


def day_file_key(monitor: str, day: Window, windows: Iterable[Window], digest: str) -> str:
    """Return the key of a whole day's file that holds verdicts of ``windows``."""
    bits = 0
    for window in windows:
        bits |= 1 << (_DAY_BIT if window.length == DAY else window.start.hour)
    return f"{ledger_folder(monitor, day)}{_DAY_PREFIX}{bits:07x}-{digest}.parquet"


def _windows(day: Window, bits: int) -> tuple[Window, ...]:
    hours = tuple(hour for index, hour in enumerate(day.hours()) if bits >> index & 1)
    return (*hours, day) if bits >> _DAY_BIT & 1 else hours
