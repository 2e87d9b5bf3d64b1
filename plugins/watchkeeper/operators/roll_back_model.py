"""Puts the model from before a promotion back in service."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.aws.model_deployment import ModelChange, plan_rollback, start_change, verify_change
from watchkeeper.aws.pipeline_hook import REJECTED
from watchkeeper.errors import EndpointStateError
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.model_change import PENDING, ModelChangeOperator
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

UPDATE = "update"


class RollBackModelOperator(ModelChangeOperator):
    """Put back in service what served before an attempt's promotion; a no-op where it does already.

    All traffic goes back at once, what runs of weights, counts and capture is kept, and the result is verified. Where
    baselines of the promoted package are in force, those from before them are put in force again. The attempt's audit
    record then says ``rolled_back``, its model package is rejected with the reason, and the endpoint's topic is told.

    :param attempt_id: The attempt to take back; ``None`` for the endpoint's newest promotion. (templated)
    :param reason: Why, in a sentence; it stands in the audit record and in the model registry. (templated)
    """

    template_fields: "Sequence[str]" = (*ModelChangeOperator.template_fields, "attempt_id", "reason")

    def __init__(self, *, attempt_id: str | None = None, reason: str = "rolled back on request", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attempt_id = attempt_id
        self.reason = reason

    def proceed(self, context: "Context", phase: str, change: ModelChange | None) -> dict[str, Any]:
        """Return ``attempt_id``, ``config_name`` and ``model_name`` of what serves again."""
        deployment, spec, hook = self.open_endpoint()
        record, previous, promoted = self._promotion(deployment)
        variant = record.variant or self.variant_name(spec)
        access = deployment.access_of(spec)
        while True:
            if change is not None and phase != PENDING:
                verify_change(hook, change)
                break
            change = plan_rollback(hook, spec.endpoint_name, variant, promoted, previous)
            if change.in_service:
                break
            if change.in_progress:
                self.log.info("%s is being updated already: waiting for that to end", spec.endpoint_name)
                phase = PENDING
            else:
                self.log.info("Updating %s back to configuration %s", spec.endpoint_name, previous)
                start_change(hook, change)
                phase = UPDATE
            self.wait(hook, access, phase, change)
        if record.model_package_arn:
            hook.decide_package(record.model_package_arn, REJECTED, self.reason)
            self._restore_baselines(deployment, spec, record.model_package_arn)
        was = record.state
        record = deployment.actions.advance(
            self.endpoint,
            record.attempt_id,
            AttemptState.ROLLED_BACK,
            by=run_name(context),
            why=self.reason,
            now=datetime.now(UTC),
        )
        if was != record.state:
            headline = f"{self.endpoint}: the promotion is taken back"
            tell_attempt(deployment, spec, record, "rolled_back", headline, context, self.log.warning)
        self.log.info("%s is back at configuration %s: %s", spec.endpoint_name, change.config_name, self.reason)
        return {
            "attempt_id": record.attempt_id,
            "config_name": change.config_name,
            "model_name": change.model_name,
        }

    def _restore_baselines(self, deployment: "Deployment", spec: "EndpointSpec", package: str) -> None:
        """Put those from before the promotion in force again, where baselines of the promoted package are."""
        now = datetime.now(UTC)
        for monitor in MONITOR_NAMES:
            if not deployment.baselines.has_any(spec.registry_id, monitor):
                continue
            version = deployment.baselines.version_before_model(spec.registry_id, monitor, package)
            if version is not None:
                deployment.baselines.use(spec.registry_id, monitor, version, now)
                self.log.info("%s: %s baseline %s is in force again", self.endpoint, monitor, version)

    def _promotion(self, deployment: "Deployment") -> tuple[AttemptRecord, str, str]:
        actions = deployment.actions
        record = (
            actions.read(self.endpoint, self.attempt_id) if self.attempt_id else actions.last_promotion(self.endpoint)
        )
        if record is None or record.previous_config is None or record.new_config is None:
            raise EndpointStateError(
                self.endpoint,
                f"attempt {self.attempt_id} was not promoted" if self.attempt_id else "nothing was promoted here",
                "Name an attempt that was, or put the configuration that you want in service by hand.",
            )
        return record, record.previous_config, record.new_config
