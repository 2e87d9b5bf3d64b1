"""Tells again what still stands: incidents and other bad news that nobody has said are over."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, NoticeOutcome, send_notices
from watchkeeper.operators.notice_desk import NoticeDesk
from watchkeeper.registry.capture_window import parse_moment
from watchkeeper.registry.notice_routing import reminder_due
from watchkeeper.registry.runbook_pages import runbook_name

if TYPE_CHECKING:
    from watchkeeper.aws.notice_thread import ThreadRecord
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.routing_spec import RoutingSpec

#: What nobody has ended by then is told no more: who opened it may be gone without a word.
_REMINDED_FOR = timedelta(days=7)
#: How long threads are kept that nobody has written to.
_KEPT = timedelta(days=30)
PAGE = runbook_name("reminder")


def send_reminders(
    deployment: "Deployment", origin: RunOrigin, *, now: datetime, warn: Callable[..., object]
) -> list[NoticeOutcome]:
    """Tell again what was told ``reminder_hours`` ago and still stands; return what came of each.

    Findings are reminded of when their next window is judged, not here. Threads that are long over are removed.
    """
    routing = NoticeDesk(deployment, now, warn).routing
    due = []
    for thread in deployment.threads.all():
        if now - parse_moment(thread.last_told_at) > _KEPT:
            deployment.threads.remove(thread.thread)
        elif _is_due(thread, routing, now):
            due.append(_reminder(thread, routing, now))
    return send_notices(deployment, due, origin, now=now, warn=warn)


def _is_due(thread: "ThreadRecord", routing: "RoutingSpec", now: datetime) -> bool:
    return (
        thread.is_open
        and thread.reminder is not None
        and now - parse_moment(thread.opened_at) <= _REMINDED_FOR
        and reminder_due(parse_moment(thread.last_told_at), routing, now)
    )


def _reminder(thread: "ThreadRecord", routing: "RoutingSpec", now: datetime) -> Notice:
    told, hours = thread.reminder, routing.reminder_hours
    assert told is not None, thread.thread  # noqa: S101
    assert hours is not None, thread.thread  # noqa: S101
    # One that a silence held back is due again after as many hours.
    turn = (now - parse_moment(thread.last_told_at)) // timedelta(hours=hours)
    return Notice(
        key=f"reminder/{thread.thread}/{thread.last_told_at}/{turn}",
        kind="reminder",
        severity=told.severity,
        headline=f"Still open: {told.headline}",
        lines=(f"Since: {thread.opened_at}", f"Last told: {thread.last_told_at}"),
        endpoint=told.endpoint,
        owner=told.owner,
        runbook=told.runbook or PAGE,
        thread=thread.thread,
    )
