"""How far runs of pipelines and jobs are, folded from their events in any order, and which of them are overdue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Final, Literal, Self

from watchkeeper.registry.capture_window import day_floor, moment_text
from watchkeeper.registry.event_kind import ENDED, JOB_TYPES, EventKind, Outcome
from watchkeeper.registry.event_rules_spec import WEEKDAYS, EventDeadline
from watchkeeper.registry.platform_event import PlatformEvent

DAY: Final = timedelta(days=1)
_RANKS: Final[Mapping[Outcome, int]] = {
    "started": 0, "running": 1, "changed": 1, "succeeded": 2, "failed": 2, "stopped": 2,
}  # fmt: skip
#: Runs of these never go on once they have ended. A CodePipeline's stage is retried, a state machine redriven.
_FINAL_KINDS: Final = frozenset({*JOB_TYPES, "code_build"})


@dataclass(frozen=True)
class RunState:
    """How far one run is: its newest state, and when it was first heard of."""

    kind: EventKind
    name: str
    run: str
    status: str
    outcome: Outcome
    at: datetime
    started_at: datetime
    arn: str = ""
    endpoint: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing more."""
        return self.outcome in ENDED

    @classmethod
    def of(cls, event: PlatformEvent) -> Self:
        """Return the state that an event tells of."""
        return cls(
            kind=event.kind,
            name=event.name,
            run=event.run,
            status=event.status,
            outcome=event.outcome,
            at=event.at,
            started_at=event.at,
            arn=event.arn,
            endpoint=event.endpoint,
        )

    def is_overtaken(self, newest: "RunState | None") -> bool:
        """Whether it is an end that was not the last word: a stage that failed and was retried since."""
        return self.has_ended and newest is not None and _order(newest) > _order(self) and newest.status != self.status


def newest_states(events: Iterable[RunState]) -> dict[tuple[EventKind, str], RunState]:
    """Return the newest state of every run. An event that comes late, or twice, changes nothing.

    By the events' own time, and at the same time by how far they are; a job that has ended stays ended.
    """
    found: dict[tuple[EventKind, str], RunState] = {}
    for event in events:
        key = (event.kind, event.run)
        known = found.get(key)
        if known is None:
            found[key] = event
            continue
        newest = max(known, event, key=_order)
        started_at = min(known.started_at, event.started_at)
        found[key] = replace(
            newest, started_at=started_at, endpoint=newest.endpoint or known.endpoint or event.endpoint
        )
    return found


def _order(state: RunState) -> tuple[bool, datetime, int, str]:
    return (state.kind in _FINAL_KINDS and state.has_ended, state.at, _RANKS[state.outcome], state.status)


@dataclass(frozen=True)
class Overdue:
    """A deadline that was missed: a run that is ``stuck``, or one that is ``late``: it was to start by ``due``."""

    deadline: str
    what: Literal["late", "stuck"]
    kind: EventKind
    name: str
    due: datetime
    run: str = ""
    started_at: datetime | None = None
    endpoint: str | None = None

    @property
    def key(self) -> str:
        """What it is told once by."""
        return f"deadline:{self.deadline}:{self.what}:{self.run or moment_text(self.due)}"


def stuck_runs(deadlines: Mapping[str, EventDeadline], runs: Iterable[RunState], now: datetime) -> list[Overdue]:
    """Return the runs that take longer than their deadline allows, longest first."""
    found = [
        Overdue(name, "stuck", run.kind, run.name, run.started_at + limit, run.run, run.started_at,
                deadline.endpoint or run.endpoint)
        for run in runs
        if not run.has_ended
        for name, deadline in deadlines.items()
        if _is_about(deadline, run)
        and deadline.runs_at_most_minutes is not None
        and now - run.started_at > (limit := timedelta(minutes=deadline.runs_at_most_minutes))
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.started_at, one.deadline, one.run))


def late_starts(deadlines: Mapping[str, EventDeadline], runs: Iterable[RunState], now: datetime) -> list[Overdue]:
    """Return the deadlines by which nothing had started in the 24 hours before, nor has since."""
    known = list(runs)
    found = []
    for name, deadline in deadlines.items():
        due = last_due(deadline, now)
        if due is None:
            continue
        if not any(_is_about(deadline, run) and due - DAY < run.started_at <= now for run in known):
            found.append(Overdue(name, "late", deadline.kind, deadline.name, due, endpoint=deadline.endpoint))
    return found


def last_due(deadline: EventDeadline, now: datetime) -> datetime | None:
    """Return when something had to have started at the latest, within the last 24 hours; ``None`` if at no time."""
    if deadline.starts_by is None:
        return None
    clock = time.fromisoformat(deadline.starts_by)
    for day in (day_floor(now), day_floor(now) - DAY):
        due = day + timedelta(hours=clock.hour, minutes=clock.minute)
        if due <= now < due + DAY:
            return due if WEEKDAYS[due.weekday()] in deadline.weekdays else None
    return None


def _is_about(deadline: EventDeadline, run: RunState) -> bool:
    return deadline.kind == run.kind and fnmatchcase(run.name, deadline.name)
