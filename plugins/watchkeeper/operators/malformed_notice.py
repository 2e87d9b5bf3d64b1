"""Tells people of messages that are no events: kept whole, told once each, and out of the way."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, send_notice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.operators.monitor_base import Deployment

RUNBOOK = "malformed_event.md"


def tell_malformed(deployment: "Deployment", context: "Context", warn: Callable[..., None]) -> int:
    """Tell people of each malformed body that waits, and move it to the archive; return how many there were.

    One that could not be told of waits for the next run. What is in it stays out of message and log.
    """
    count = 0
    for body in list(deployment.inbox.malformed()):
        count += 1
        warn("A message that is no event is kept as %s: %s", body.digest, body.why)
        notice = Notice(
            key=f"malformed-{body.digest}",
            kind="event",
            severity="warning",
            headline="A queue brought a message that is no event",
            lines=[
                f"Why: {body.why}",
                f"Received: {body.received_at or 'unknown'}",
                f"Kept: {deployment.inbox.malformed_uri(body.digest)}",
            ],
            runbook=RUNBOOK,
        )
        outcome = send_notice(deployment, notice, RunOrigin.of(context), now=datetime.now(UTC), warn=warn)
        if outcome.status != "failed":
            deployment.inbox.archive_malformed(body)
    return count
