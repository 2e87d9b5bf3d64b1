"""Closes attempts whose run is over: ended by a person or by its time limit, it could not close them itself."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.operators.monitor_base import Deployment

_GOING_ON = ["queued", "running"]


def owner_of(record: "AttemptRecord") -> str:
    """Return the run that an attempt is of: the one that decided on it last."""
    return next((event.by for event in reversed(record.history) if event.state == AttemptState.DECIDED), "")


def other_runs(context: "Context") -> int:
    """Return how many other runs of this run's DAG are going on."""
    instance: Any = context.get("ti")
    if instance is None:
        return 0
    return max(0, int(instance.get_dr_count(dag_id=instance.dag_id, states=["running"])) - 1)


def close_orphans(deployment: "Deployment", endpoint: str, context: "Context") -> "tuple[AttemptRecord, ...]":
    """Record as failed every open attempt whose run is over, and return them: each would hold up later ones."""
    instance: Any = context.get("ti")
    closed = []
    for record in deployment.actions.attempts(endpoint):
        opened_by = owner_of(record)
        dag_id, _, run_id = opened_by.partition(" ")
        if record.has_ended or record.dry_run or not run_id or opened_by == run_name(context) or instance is None:
            continue
        if instance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=_GOING_ON):
            continue
        closed.append(
            deployment.actions.advance(
                endpoint,
                record.attempt_id,
                AttemptState.FAILED,
                by=run_name(context),
                why=f"the run {opened_by} was ended before the attempt was",
                now=datetime.now(UTC),
            )
        )
    return tuple(closed)
