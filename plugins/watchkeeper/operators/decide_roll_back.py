"""Decides by each endpoint's policy whether its newest promotion is to be taken back."""

from typing import TYPE_CHECKING

from watchkeeper.aws.model_deployment import serving_model
from watchkeeper.aws.pipeline_hook import PipelineHook
from watchkeeper.errors import EndpointStateError
from watchkeeper.operators.decide_retraining import chosen_specs, verdict_rows
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.orphaned_attempts import other_runs
from watchkeeper.registry.roll_back_policy import RollBackDecision, decide_roll_back, probation

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec


class DecideRollBackOperator(MonitorOperator):
    """Return the promotions to take back, one mapping ``{endpoint, attempt_id, reason}`` each, for ``expand_kwargs``.

    Only endpoints whose file has ``retraining.deployment.roll_back`` are looked at. A run by hand (param ``endpoints``)
    takes nothing back: somebody has asked for a training. Where another model serves than the promotion's, somebody has
    changed it, and nothing is taken back either.
    """

    def execute(self, context: "Context") -> list[dict[str, str]]:
        """Return the promotions to take back; what is not to be done is logged with its reason."""
        if (context.get("params") or {}).get("endpoints"):
            self.log.info("Endpoints are retrained by hand: nothing is rolled back by policy")
            return []
        if other_runs(context):
            # A question may be waiting there; the next violated window rings again.
            self.log.info("Another run of this DAG goes on: rolling back is left to it")
            return []
        with failing_at_once():
            deployment = self.open_deployment()
            specs = chosen_specs(deployment, [])
        found = []
        for spec in specs:
            decision = self._decide(deployment, spec)
            if decision is None:
                continue
            self.log.info("%s: %s", spec.registry_id, decision.reason)
            if decision.roll_back and self._serves(deployment, spec, decision.attempt_id):
                chosen = {"attempt_id": decision.attempt_id, "reason": decision.reason}
                found.append({"endpoint": spec.registry_id, **chosen})
        return found

    @staticmethod
    def _decide(deployment: Deployment, spec: "EndpointSpec") -> RollBackDecision | None:
        retraining = spec.retraining
        policy = None if retraining is None else retraining.deployment.roll_back
        promotion = None if policy is None else deployment.actions.promotion(spec.registry_id)
        if retraining is None or policy is None or promotion is None:
            return None
        start, end = probation(policy, promotion)
        rows = [
            row
            for monitor in retraining.triggers.monitors
            for row in verdict_rows(deployment, monitor, start, end, spec.registry_id)
        ]
        return decide_roll_back(retraining, policy, spec.registry_id, rows, promotion)

    def _serves(self, deployment: Deployment, spec: "EndpointSpec", attempt_id: str) -> bool:
        record = deployment.actions.read(spec.registry_id, attempt_id)
        if record is None or record.new_config is None:
            self.log.warning("%s: attempt %s does not say what it put in service", spec.registry_id, attempt_id)
            return False
        hook = deployment.access_of(spec).open(PipelineHook)
        variant = record.variant or spec.variants[0]
        try:
            serving, promoted = serving_model(hook, spec.endpoint_name, variant, record.new_config)
        except EndpointStateError as error:
            self.log.warning("%s: %s", spec.registry_id, error)
            return True  # the roll back itself says what is wrong, and fails for this endpoint alone
        if serving != promoted:
            self.log.warning(
                "%s: model %s serves, not %s of the promotion: it is not rolled back",
                spec.registry_id,
                serving,
                promoted,
            )
        return serving == promoted
