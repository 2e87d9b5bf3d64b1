"""Puts a model package in service, guarded and verified."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.aws.capture_trigger import CaptureSettledTrigger
from watchkeeper.aws.model_deployment import ModelChange, plan_promotion, start_change, verify_change
from watchkeeper.aws.rollout import Rollout
from watchkeeper.aws.weight_shift import alarms_going_off, next_step
from watchkeeper.errors import EndpointStateError
from watchkeeper.operators.model_change import PENDING, ModelChangeOperator, required_package
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.pipeline_hook import PipelineHook
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

UPDATE, TRIAL, SHIFT, FINAL = "update", "trial", "shift", "final"


class PromoteModelOperator(ModelChangeOperator):
    """Put a model package's model on a live endpoint's variant; a no-op where it serves already.

    Clones the configuration in service with the new model, keeps capture, weights and instance counts, moves the
    traffic as ``retraining.deployment`` of the endpoint's file says, waits, and verifies that the new configuration is
    really in service, its variants have their instances and capture is on and as before: a failed update rolls back
    silently. A retry finds what an earlier try made. The attempt's audit record then says ``promoted``, with the
    configuration to go back to.

    :param model_package_arn: The model package; ``None`` for the attempt's. (templated)
    :param attempt_id: The attempt whose audit record is brought along, if any. (templated)
    """

    template_fields: "Sequence[str]" = (*ModelChangeOperator.template_fields, "model_package_arn", "attempt_id")

    def __init__(self, *, model_package_arn: str | None = None, attempt_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_package_arn = model_package_arn
        self.attempt_id = attempt_id

    def proceed(self, context: "Context", phase: str, change: ModelChange | None) -> dict[str, Any]:
        """Return ``config_name``, ``previous_config``, ``model_name`` and ``model_package_arn`` of what serves."""
        deployment, spec, hook = self.open_endpoint()
        package = self._package(deployment)
        rollout = Rollout() if spec.retraining is None else Rollout.of(spec.retraining.deployment)
        try:
            done = self._bring_about(deployment, spec, hook, package, rollout, phase, change)
        except EndpointStateError as error:
            self._record(deployment, AttemptState.FAILED, context, why=f"{error.subject}: {error.found}")
            raise
        result = {
            "config_name": done.config_name,
            "previous_config": done.previous_config,
            "model_name": done.model_name,
            "model_package_arn": package,
        }
        self._record(
            deployment,
            AttemptState.PROMOTED,
            context,
            why=f"configuration {done.config_name} is in service and healthy",
            variant=done.variant,
            previous_config=done.previous_config,
            new_config=done.config_name,
        )
        self.log.info("%s serves %s by configuration %s", spec.endpoint_name, package, done.config_name)
        return result

    def _bring_about(
        self,
        deployment: "Deployment",
        spec: "EndpointSpec",
        hook: "PipelineHook",
        package: str,
        rollout: Rollout,
        phase: str,
        waited_for: ModelChange | None,
    ) -> ModelChange:
        """Return the change once it holds. Whoever waits in a worker comes round here again and again."""
        access = deployment.access_of(spec)
        role = None if spec.retraining is None else spec.retraining.role_arn
        while True:
            if waited_for is not None and phase != PENDING:
                verify_change(hook, waited_for)
                if phase in {UPDATE, FINAL}:
                    return waited_for
            change = plan_promotion(hook, spec.endpoint_name, self.variant_name(spec), package, role)
            if change.in_service:
                verify_change(hook, change)
                return change
            if change.in_progress:
                self.log.info("%s is being updated already: waiting for that to end", spec.endpoint_name)
                phase, waited_for = PENDING, change
            elif rollout.strategy == "weights":
                step = next_step(hook, change, rollout, alarms_going_off(access, rollout.alarms))
                self.log.info("%s: %s, %.0f %% on the new model", spec.endpoint_name, step.phase, step.share * 100)
                phase, waited_for = step.phase, step.change
                if step.phase == SHIFT:
                    self._watch(rollout, step.change)
                    phase = PENDING
                    continue
            else:
                self.log.info("Updating %s to configuration %s", spec.endpoint_name, change.config_name)
                start_change(hook, change, rollout)
                phase, waited_for = UPDATE, change
            self.wait(hook, access, phase, waited_for, rollout.expected_seconds)

    def _watch(self, rollout: Rollout, change: ModelChange) -> None:
        """Let a step of the shift stand for its time."""
        if self.deferrable:
            until = datetime.now(UTC) + timedelta(seconds=rollout.watch_seconds)
            self.defer(
                trigger=CaptureSettledTrigger(moment=moment_text(until)),
                method_name="execute_complete",
                kwargs={"phase": PENDING, "change": asdict(change)},
                timeout=timedelta(seconds=rollout.watch_seconds + 3600),
            )
        time.sleep(rollout.watch_seconds)

    def _package(self, deployment: "Deployment") -> str:
        if self.model_package_arn or not self.attempt_id:
            return required_package(self.model_package_arn, self.endpoint)
        record = deployment.actions.read(self.endpoint, self.attempt_id)
        if record is not None and record.state == AttemptState.REJECTED:
            raise EndpointStateError(
                self.endpoint,
                f"attempt {self.attempt_id} is rejected: {record.history[-1].why}",
                "Start a new attempt by hand if its model is still wanted.",
            )
        return required_package(record.model_package_arn if record else None, f"attempt {self.attempt_id}")

    def _record(
        self, deployment: "Deployment", state: AttemptState, context: "Context", *, why: str, **fields: Any
    ) -> None:
        if not self.attempt_id:
            return
        record = deployment.actions.read(self.endpoint, self.attempt_id)
        if record is None or (state is AttemptState.FAILED and record.has_ended):
            # It was promoted once: what somebody has done to the endpoint since does not undo that.
            return
        if fields.get("previous_config") is None:
            # Nothing was changed this time: what is known of the configuration before stays.
            fields.pop("previous_config", None)
        deployment.actions.advance(
            self.endpoint, self.attempt_id, state, by=run_name(context), why=why, now=datetime.now(UTC), **fields
        )
