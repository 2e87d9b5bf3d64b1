"""Rules of time: which window a run judges, which were missed, and which are too old to act on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from watchkeeper.registry.capture_window import (
    PERIOD_LENGTHS,
    Period,
    Window,
    last_complete_window,
    moment_text,
    parse_moment,
    period_floor,
    utc_moment,
    windows_between,
)

WindowSource = Literal["params", "data interval", "last complete window"]
MAKE_GOOD_WITHIN = timedelta(hours=48)
"""Windows without a verdict are judged by later runs when they ended at most this long ago."""
START_PARAM, END_PARAM = "window_start", "window_end"


@dataclass(frozen=True)
class WindowChoice:
    """The window of a run, and what decided it."""

    window: Window
    source: WindowSource

    def __str__(self) -> str:
        return f"window {self.window} (from {_SOURCES[self.source]})"


_SOURCES: dict[WindowSource, str] = {
    "params": "the params window_start and window_end",
    "data interval": "the run's data interval",
    "last complete window": "the clock: the last complete window, since the run has neither params nor a data interval",
}


def run_window(
    period: Period,
    params: Mapping[str, object],
    data_interval: tuple[datetime | None, datetime | None] | None,
    now: datetime,
) -> WindowChoice:
    """Return the window of a run: by its params, else by its data interval, else the last complete one.

    A data interval without length (a run by hand, or one that an asset started) is none. ValueError when only
    one param is given, when a param is not a time with an offset, or when the range is not of whole hours;
    a window that has not ended yet is refused too, since its capture is still being written.
    """
    choice = _choose(period, params, data_interval, now)
    if choice.window.end > utc_moment(now):
        message = (
            f"got the window {choice.window}, which ends after now ({moment_text(now)}); choose one that has ended"
        )
        raise ValueError(message)
    return choice


def _choose(
    period: Period,
    params: Mapping[str, object],
    data_interval: tuple[datetime | None, datetime | None] | None,
    now: datetime,
) -> WindowChoice:
    start, end = params.get(START_PARAM), params.get(END_PARAM)
    if start or end:
        if not (start and end):
            given, missing = (START_PARAM, END_PARAM) if start else (END_PARAM, START_PARAM)
            message = f"got {given} without {missing}; give both, or neither"
            raise ValueError(message)
        return WindowChoice(Window(_param(start), _param(end)), "params")
    if data_interval is not None:
        first, last = data_interval
        if first is not None and last is not None and first < last:
            return WindowChoice(Window(first, last), "data interval")
    return WindowChoice(last_complete_window(period, now), "last complete window")


def _param(value: object) -> datetime:
    return utc_moment(value) if isinstance(value, datetime) else parse_moment(str(value))


def settled_at(window: Window, grace_minutes: float) -> datetime:
    """Return when a window may be judged: its end plus the grace for capture's last files."""
    return window.end + timedelta(minutes=grace_minutes)


def missed_windows(
    period: Period,
    now: datetime,
    judged: Collection[Window],
    grace_minutes: float = 0,
    within: timedelta = MAKE_GOOD_WITHIN,
) -> tuple[Window, ...]:
    """Return the windows that ended within the last 48 hours (``within``) and have no verdict, oldest first.

    Only windows that are settled: those whose grace is not over yet belong to their own run.
    """
    settled = utc_moment(now) - timedelta(minutes=grace_minutes)
    oldest = utc_moment(now) - within - PERIOD_LENGTHS[period]
    known = frozenset(judged)
    return tuple(window for window in windows_between(period, oldest, settled) if window not in known)


def verdict_gaps(period: Period, since: datetime, until: datetime, judged: Collection[Window]) -> tuple[Window, ...]:
    """Return the stretches of whole windows in ``[since, until)`` without any verdict, each as one long window."""
    known = frozenset(judged)
    gaps: list[Window] = []
    for window in windows_between(period, since, until):
        if window in known:
            continue
        if gaps and gaps[-1].end == window.start:
            gaps[-1] = Window(gaps[-1].start, window.end)
        else:
            gaps.append(window)
    return tuple(gaps)


def backfill_command(dag_id: str, period: Period, gap: Window) -> str:
    """Return the command line that judges the windows of a gap: both of its dates are starts of a run's interval."""
    last = period_floor(period, gap.end - timedelta(microseconds=1))
    return (
        f"airflow backfill create --dag-id {dag_id} --from-date {moment_text(gap.start)} --to-date {moment_text(last)}"
        " --reprocess-behavior completed"
    )


def is_fresh(window: Window, now: datetime, act_within_hours: float) -> bool:
    """Say whether a window ended at most ``act_within_hours`` ago; only fresh windows alert or act."""
    return utc_moment(now) - window.end <= timedelta(hours=act_within_hours) and act_within_hours > 0


def may_act(window: Window, now: datetime, act_within_hours: float, act: bool | None = None) -> bool:
    """Say whether a window's verdict may alert or act: as the param ``act`` says, else when it is fresh."""
    return is_fresh(window, now, act_within_hours) if act is None else act
