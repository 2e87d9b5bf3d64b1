"""Puts the model from before a promotion back in service."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptRecord
from watchkeeper.aws.model_deployment import ModelChange, plan_rollback, start_change, verify_change
from watchkeeper.errors import EndpointStateError
from watchkeeper.operators.model_change import PENDING, ModelChangeOperator
from watchkeeper.operators.promotion_end import end_promotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.operators.monitor_base import Deployment

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
        record = end_promotion(deployment, spec, hook, record, self.reason, context, self.log)
        self.log.info("%s is back at configuration %s: %s", spec.endpoint_name, change.config_name, self.reason)
        return {
            "attempt_id": record.attempt_id,
            "config_name": change.config_name,
            "model_name": change.model_name,
        }

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
