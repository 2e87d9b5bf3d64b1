"""Watches deadlines: runs that take too long, and runs that have not started."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watchkeeper.operators.event_message import overdue_notice
from watchkeeper.operators.event_worker import access_to, ledger_states
from watchkeeper.operators.notice import send_notice
from watchkeeper.registry.event_kind import ENDED
from watchkeeper.registry.run_progress import DAY, Overdue, late_starts, newest_states, stuck_runs

if TYPE_CHECKING:
    from watchkeeper.aws.ledger import RunFacts
    from watchkeeper.operators.message_text import RunOrigin
    from watchkeeper.operators.monitor_base import Deployment


def watch_deadlines(
    deployment: "Deployment", run: "RunFacts", origin: "RunOrigin", *, now: datetime, warn: Callable[..., None]
) -> list[str]:
    """Tell of every missed deadline, once each; return what went wrong with telling, a sentence each.

    The ledger says what has not ended or not started, and AWS is asked before anybody is told: an event may have been
    lost, or happened before anybody listened. A run that has ended meanwhile is recorded as such.
    """
    deadlines = deployment.fleet.events.deadlines
    if not deadlines:
        return []
    longest = max((deadline.runs_at_most_minutes or 0.0) for deadline in deadlines.values())
    kinds = {deadline.kind for deadline in deadlines.values()}
    since = now - timedelta(minutes=longest) - 2 * DAY
    states = newest_states(ledger_states(deployment, kinds, since, now + DAY)).values()
    listening_since = deployment.event_work.listening_since(now)
    faults = []
    for overdue in [*stuck_runs(deadlines, states, now), *late_starts(deadlines, states, now)]:
        try:
            is_so, note = _asked(deployment, overdue, run, now)
        except Exception as error:  # noqa: BLE001 - a deadline is told of although AWS could not be asked
            is_so, note = True, f"AWS could not be asked about it ({type(error).__name__})"
            warn("%s: %s", overdue.deadline, error)
        if not is_so:
            continue
        if note is not None and overdue.what == "late" and listening_since > overdue.due - DAY:
            warn("Deadline %s: nobody listened yet when %s was to start", overdue.deadline, overdue.name)
            continue
        notice = overdue_notice(overdue, deadlines[overdue.deadline], note)
        outcome = send_notice(deployment, notice, origin, now=now, warn=warn)
        if outcome.status == "failed":
            faults.append(f"deadline {overdue.deadline} was not told: {outcome.why}")
    return faults


def _asked(deployment: "Deployment", overdue: Overdue, run: "RunFacts", now: datetime) -> tuple[bool, str | None]:
    """Return whether AWS says so too, and why the events alone say it where AWS knows nothing."""
    from watchkeeper.aws.event_ledger import described_row
    from watchkeeper.aws.run_status import last_start, run_status

    region = overdue.run.split(":")[3] if overdue.run.startswith("arn:") else ""
    access = access_to(deployment, overdue.endpoint, region)
    if overdue.what == "late":
        try:
            return last_start(access, overdue.kind, overdue.name, overdue.due - DAY) is None, None
        except LookupError as error:
            return True, str(error)
    found = run_status(access, overdue.kind, overdue.name, overdue.run)
    if found is None:
        # Runs do not vanish: it is another account's, more likely than not.
        return True, "AWS knows no such run, asked through this deployment's connection"
    if found.outcome in ENDED:
        row = described_row(overdue, found.status, found.outcome, found.ended_at or now)
        deployment.event_ledger.record([row], run)
        return False, None
    return True, None
