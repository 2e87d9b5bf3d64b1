"""Tells people how a retraining attempt goes, through the channels that are theirs."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, send_notice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_QUESTIONS = frozenset({"approval_wanted", "roll_back_wanted"})


def tell_attempt(
    deployment: "Deployment",
    spec: "EndpointSpec",
    record: "AttemptRecord",
    stage: str,
    headline: str,
    context: "Context",
    warn: Callable[..., None],
    notes: Sequence[str] = (),
) -> str | None:
    """Tell where an attempt stands; return the message's id, or ``None`` if nobody was told or it was told before.

    Retraining does not fail for a message: a refusal is a warning. The kind is ``retraining``, or ``approval_wanted``
    where somebody has to answer; further attributes are ``stage`` and ``attempt_id``.
    """
    last = record.history[-1] if record.history else None
    notice = Notice(
        key=f"retrain/{record.attempt_id}/{stage}/{last.at if last else record.decided_at}",
        kind="approval_wanted" if stage in _QUESTIONS else "retraining",
        severity="info",
        headline=headline,
        lines=(
            f"Attempt: {record.attempt_id}",
            f"State: {record.state}",
            *([f"Why: {last.why}"] if last else []),
            *(f"Note: {note}" for note in notes),
        ),
        endpoint=record.endpoint,
        owner=spec.owner,
        thread=f"retrain/{record.attempt_id}",
        attributes={"stage": stage, "attempt_id": record.attempt_id},
        links={"record": deployment.actions.uri(record.endpoint, record.attempt_id)},
    )
    return send_notice(deployment, notice, RunOrigin.of(context), now=datetime.now(UTC), warn=warn).message_id
