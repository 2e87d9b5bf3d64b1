"""Whether an endpoint's verdicts call for retraining, and what forbids it: a function of records and the time."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchkeeper.registry.capture_window import HOUR, PERIOD_LENGTHS, WEEK, Window, hour_floor, moment_text, utc_moment
from watchkeeper.registry.retraining_spec import RetrainingSpec, TriggerSpec

MONTH = timedelta(days=30)
OPEN_FOR = timedelta(days=7)
"""An attempt that has not come to an end by then belongs to a run that died."""
_JUDGED = ("ok", "violated")
_SEVERITIES = {"low": 0, "medium": 1, "high": 2}


class Refusal(StrEnum):
    """What forbids retraining."""

    TOO_FEW_VIOLATED = "too_few_violated"
    ALREADY_ATTEMPTED = "already_attempted"
    OPEN_ATTEMPT = "open_attempt"
    COOLDOWN = "cooldown"
    MONTHLY_MAXIMUM = "monthly_maximum"
    NO_ANSWERS = "no_answers"
    DRY_RUN = "dry_run"


@dataclass(frozen=True)
class ViolatedCheck:
    """One violated finding of a verdict; without a severity it has the verdict's."""

    feature: str
    check: str
    severity: str | None = None


@dataclass(frozen=True)
class VerdictRow:
    """The newest revision of one verdict, as far as the policy looks at it."""

    endpoint: str
    variant: str
    monitor: str
    window: Window
    verdict: str
    severity: str | None = None
    violated: tuple[ViolatedCheck, ...] = ()


@dataclass(frozen=True)
class PastAttempt:
    """An earlier attempt: when it was decided, and what came of it.

    ``started`` says whether a pipeline ran for it, ``ended`` whether nothing more will come of it,
    ``model_changed_at`` when it last changed the model in service, by its promotion or by taking that back. A
    ``dry_run`` changed nothing.
    """

    attempt_id: str
    decided_at: datetime
    started: bool = False
    ended: bool = False
    model_changed_at: datetime | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class CountingWindow:
    """A violated window that counts, and its findings that do."""

    variant: str
    monitor: str
    window: Window
    findings: tuple[ViolatedCheck, ...] = ()


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to retrain, and all that it rests on.

    ``reason`` is one sentence for people. ``counting`` are the violated windows that count, newest first;
    ``refusals`` what forbids it, first things first. ``attempt_id`` is that of the attempt to make, or of the one that
    would be made; ``adopts`` says that it exists already and is to be carried on. Rows of ``evaluation_window``, the
    end of ``training_window``, are what champion and challenger are compared on: whole hours that the model in service
    answered alone, since its answers stand for the champion.
    """

    retrain: bool
    reason: str
    attempt_id: str
    training_window: Window
    evaluation_window: Window
    counting: tuple[CountingWindow, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    adopts: bool = False


def verdicts_since(spec: RetrainingSpec, now: datetime, waiting_hours: int = 0) -> datetime:
    """Return from when on verdicts matter to the policy: older ones say little of the model today.

    Four times as far back as the windows that are looked at, and at least a week: nights and weekends without traffic
    are passed over. Where labels are waited for (``waiting_hours``), verdicts come so much later.
    """
    reach = 4 * spec.triggers.of_windows * PERIOD_LENGTHS[spec.triggers.period]
    return hour_floor(now) - max(reach, WEEK) - timedelta(hours=waiting_hours)


def decide_retraining(
    spec: RetrainingSpec,
    endpoint: str,
    verdicts: Iterable[VerdictRow],
    past_attempts: Sequence[PastAttempt],
    now: datetime,
    *,
    by_hand: bool = False,
    forced: bool = False,
    run_id: str = "",
    evaluation_given: bool = False,
) -> RetrainingDecision:
    """Return whether to retrain now, by the endpoint's policy.

    Windows that began before the model in service last changed do not count: they are another one's. ``by_hand`` needs
    no violated windows; ``forced`` (by hand only) also overrides cooldown, monthly maximum and dry run, but not an
    attempt that is under way. The same inputs give the same ``attempt_id``: the endpoint's newest counting window names
    it, or, by hand, ``run_id``. ``evaluation_given`` says that a person chose the rows to compare on.

    Raises
    ------
    ValueError
        when it is forced, but not by hand.
    """
    if forced and not by_hand:
        message = "forced without by_hand: only a person may override the policy"
        raise ValueError(message)
    now = utc_moment(now)
    since = max((attempt.model_changed_at for attempt in past_attempts if attempt.model_changed_at), default=None)
    rows = [row for row in verdicts if row.endpoint == endpoint and (since is None or row.window.start >= since)]
    counting, counted = _counting(spec.triggers, rows)
    enough = counted >= spec.triggers.violated_windows
    newest = counting[0].window if counting else None
    attempt_id = _hand_id(endpoint, run_id, now) if by_hand or newest is None else _window_id(endpoint, newest)
    own = next((attempt for attempt in past_attempts if attempt.attempt_id == attempt_id), None)
    adopts = own is not None and not own.ended and not own.dry_run
    refusals = [] if enough or by_hand or adopts else [Refusal.TOO_FEW_VIOLATED]
    if own is not None and own.ended and not own.dry_run:
        refusals.append(Refusal.ALREADY_ATTEMPTED)
    if not adopts:
        refusals += _limits(spec, [attempt for attempt in past_attempts if attempt is not own], now, forced=forced)
    if spec.mode == "dry_run" and not forced:
        refusals.append(Refusal.DRY_RUN)
    end = newest.end if newest is not None and not by_hand else hour_floor(now)
    start = end - timedelta(days=min(spec.gate.evaluation_days, spec.training_days))
    if since is not None:
        start = max(start, hour_floor(utc_moment(since) + HOUR - timedelta(microseconds=1)))
        if start >= end:
            # Windows that count begin after the change, so this is a run by hand, or one that nothing calls for.
            start = end - HOUR
            if not adopts and not evaluation_given:
                refusals.append(Refusal.NO_ANSWERS)
    return RetrainingDecision(
        retrain=not refusals,
        reason=_reason(spec, counting, counted, refusals, past_attempts, by_hand=by_hand, adopts=adopts),
        attempt_id=attempt_id,
        training_window=Window(end - timedelta(days=spec.training_days), end),
        evaluation_window=Window(start, end),
        counting=counting,
        refusals=tuple(refusals),
        adopts=adopts and not refusals,
    )


def _counting(triggers: TriggerSpec, rows: Sequence[VerdictRow]) -> tuple[tuple[CountingWindow, ...], int]:
    """Return the windows that count, newest first, and how many one monitor of one variant has at most.

    Windows that were not judged are passed over: nights without traffic and labels still to come say nothing.
    """
    tracks: dict[tuple[str, str], list[VerdictRow]] = {}
    for row in rows:
        if _is_looked_at(triggers, row):
            tracks.setdefault((row.variant, row.monitor), []).append(row)
    counting: list[CountingWindow] = []
    most = 0
    for track in tracks.values():
        last = sorted(track, key=lambda row: row.window, reverse=True)[: triggers.of_windows]
        found = [window for row in last if (window := counting_window(triggers, row)) is not None]
        counting += found
        most = max(most, len(found))
    return newest_first(counting), most


def newest_first(counting: Iterable[CountingWindow]) -> tuple[CountingWindow, ...]:
    """Return windows newest first; those of one time by variant and monitor."""
    named = sorted(counting, key=lambda item: (item.variant, item.monitor))
    return tuple(sorted(named, key=lambda item: item.window, reverse=True))


def _is_looked_at(triggers: TriggerSpec, row: VerdictRow) -> bool:
    return row.monitor in triggers.monitors and row.window.period == triggers.period and row.verdict in _JUDGED


def counting_window(triggers: TriggerSpec, row: VerdictRow) -> CountingWindow | None:
    """Return a verdict's window and those of its findings that count, ``None`` if nothing of it does."""
    if row.verdict != "violated" or not _is_looked_at(triggers, row):
        return None
    least = _SEVERITIES[triggers.minimum_severity]
    findings = tuple(
        finding
        for finding in row.violated
        if (triggers.checks is None or finding.check in triggers.checks)
        and (triggers.features is None or finding.feature in triggers.features)
        and _SEVERITIES.get(finding.severity or row.severity or "low", 0) >= least
    )
    anything = not row.violated and triggers.checks is None and triggers.features is None
    if findings or (anything and _SEVERITIES.get(row.severity or "low", 0) >= least):
        return CountingWindow(row.variant, row.monitor, row.window, findings)
    return None


def _limits(spec: RetrainingSpec, others: Sequence[PastAttempt], now: datetime, *, forced: bool) -> list[Refusal]:
    refusals = []
    real = [attempt for attempt in others if not attempt.dry_run]
    if any(not attempt.ended and now - utc_moment(attempt.decided_at) < OPEN_FOR for attempt in real):
        refusals.append(Refusal.OPEN_ATTEMPT)
    if forced:
        return refusals
    cooldown = timedelta(hours=spec.cooldown_hours)
    if any(now - utc_moment(attempt.decided_at) < cooldown for attempt in real):
        refusals.append(Refusal.COOLDOWN)
    if _runs_of_a_month(real, now) >= spec.maximum_per_month:
        refusals.append(Refusal.MONTHLY_MAXIMUM)
    return refusals


def _runs_of_a_month(attempts: Iterable[PastAttempt], now: datetime) -> int:
    return sum(attempt.started and now - utc_moment(attempt.decided_at) < MONTH for attempt in attempts)


def _window_id(endpoint: str, window: Window) -> str:
    return f"{window.name}-{_digest(endpoint, window.name)}"


def _hand_id(endpoint: str, run_id: str, now: datetime) -> str:
    told = run_id or moment_text(hour_floor(now))
    return f"hand-{_digest(endpoint, told)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _reason(
    spec: RetrainingSpec,
    counting: Sequence[CountingWindow],
    counted: int,
    refusals: Sequence[Refusal],
    past: Sequence[PastAttempt],
    *,
    by_hand: bool,
    adopts: bool,
) -> str:
    triggers = spec.triggers
    unit = "hours" if triggers.period == "hourly" else "days"
    found = f"{counted} of a monitor's last {triggers.of_windows} judged {unit} are violated"
    if counting and not by_hand:
        newest = counting[0]
        worst = f" ({newest.findings[0].feature}: {newest.findings[0].check})" if newest.findings else ""
        found += f", the newest {newest.window} by {newest.monitor}{worst}"
    asked = "a person asked for it" if by_hand else found
    if not refusals:
        return f"Retrain: {asked}{'; the attempt is under way and goes on' if adopts else ''}."
    latest = max((utc_moment(attempt.decided_at) for attempt in past if not attempt.dry_run), default=None)
    told = {
        Refusal.TOO_FEW_VIOLATED: f"{triggers.violated_windows} would be needed",
        Refusal.ALREADY_ATTEMPTED: "an attempt for the same windows has come to its end",
        Refusal.OPEN_ATTEMPT: "another attempt is under way",
        Refusal.COOLDOWN: f"the last attempt, of {moment_text(latest) if latest else 'just now'}, is less than "
        f"{spec.cooldown_hours} hours ago",
        Refusal.MONTHLY_MAXIMUM: f"the pipeline may run {spec.maximum_per_month} times in 30 days, and has",
        Refusal.NO_ANSWERS: "the model in service has not answered for a whole hour yet, so a challenger could not be "
        "compared with it",
        Refusal.DRY_RUN: "the mode is dry_run",
    }
    return f"No retraining: {asked}, but {' and '.join(told[refusal] for refusal in refusals)}."
