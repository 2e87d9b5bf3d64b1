"""Tells people how a retraining attempt goes, through the endpoint's topic."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from airflow.sdk import conf

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec


def tell_attempt(
    deployment: "Deployment",
    spec: "EndpointSpec",
    record: "AttemptRecord",
    kind: str,
    headline: str,
    context: "Context",
    warn: Callable[..., None],
    notes: Sequence[str] = (),
) -> str | None:
    """Publish where an attempt stands; return the message's id, or ``None`` without a topic or if it was refused.

    Retraining does not fail for a message: a refusal is a warning. The attributes are those of alerts: ``endpoint``,
    ``severity`` (info), ``owner``, ``kind`` (``retraining``), with ``stage`` and ``attempt_id``.
    """
    topic = spec.alerts.topic_arn or deployment.settings.topic_arn
    if topic is None:
        return None
    from airflow.providers.amazon.aws.hooks.sns import SnsHook

    last = record.history[-1] if record.history else None
    run = context.get("dag_run")
    base = (deployment.settings.airflow_url or conf.get("api", "base_url", fallback="") or "").rstrip("/")
    lines = [
        headline,
        "",
        f"Attempt: {record.attempt_id}",
        f"State: {record.state}",
        *([f"Why: {last.why}"] if last else []),
        *(f"Note: {note}" for note in notes),
        f"Owner: {spec.owner}",
        f"Record: {deployment.actions.uri(record.endpoint, record.attempt_id)}",
    ]
    if base and run is not None:
        lines.append(f"Airflow run: {base}/dags/{run.dag_id}/runs/{run.run_id}")
    ordered = topic.endswith(".fifo")
    arguments = deployment.access.hook_arguments() | {"region_name": topic.split(":")[3]}
    try:
        answer = SnsHook(
            **arguments
        ).publish_to_target(  # type: ignore[no-untyped-call]
            target_arn=topic,
            message="\n".join(lines) + "\n",
            subject="".join(char if " " <= char <= "~" else "?" for char in headline)[:100],
            message_attributes={
                "endpoint": record.endpoint,
                "severity": "info",
                "owner": spec.owner,
                "kind": "retraining",
                "stage": kind,
                "attempt_id": record.attempt_id,
            },
            message_deduplication_id=f"{record.attempt_id}-{kind}" if ordered else None,
            message_group_id=record.endpoint if ordered else None,
        )
    except Exception as error:  # noqa: BLE001 - told, and no reason to stop
        warn("%s: the message about attempt %s was not sent: %s", record.endpoint, record.attempt_id, error)
        return None
    return str(answer["MessageId"])
