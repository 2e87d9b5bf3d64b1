"""What follows once the model from before a promotion serves again: package, baselines, record, message."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.aws.pipeline_hook import REJECTED
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.aws.pipeline_hook import PipelineHook
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec


def end_promotion(
    deployment: "Deployment",
    spec: "EndpointSpec",
    hook: "PipelineHook",
    record: "AttemptRecord",
    reason: str,
    context: "Context",
    log: Any,
) -> "AttemptRecord":
    """Reject a promotion's model package, put the baselines from before it in force, and return its record.

    The record then says ``rolled_back``, and the endpoint's topic is told once. Repeated, it changes nothing.
    """
    if record.model_package_arn:
        hook.decide_package(record.model_package_arn, REJECTED, reason)
        _restore_baselines(deployment, spec, record.model_package_arn, log)
    was = record.state
    record = deployment.actions.advance(
        spec.registry_id,
        record.attempt_id,
        AttemptState.ROLLED_BACK,
        by=run_name(context),
        why=reason,
        now=datetime.now(UTC),
    )
    if was != record.state:
        headline = f"{spec.registry_id}: the promotion is taken back"
        tell_attempt(deployment, spec, record, "rolled_back", headline, context, log.warning)
    return record


def _restore_baselines(deployment: "Deployment", spec: "EndpointSpec", package: str, log: Any) -> None:
    """Put those from before the promotion in force again, where baselines of the promoted package are."""
    now = datetime.now(UTC)
    for monitor in MONITOR_NAMES:
        if not deployment.baselines.has_any(spec.registry_id, monitor):
            continue
        version = deployment.baselines.version_before_model(spec.registry_id, monitor, package)
        if version is not None:
            deployment.baselines.use(spec.registry_id, monitor, version, now)
            log.info("%s: %s baseline %s is in force again", spec.registry_id, monitor, version)
