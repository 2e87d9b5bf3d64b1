"""Compares the challenger with the champion, and decides by the gate which of them is to serve."""

from typing import TYPE_CHECKING

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.aws.pipeline_hook import APPROVED, REJECTED, PipelineHook
from watchkeeper.errors import DatasetError
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.attempt_step import (
    EVALUATION_TABLE,
    PREDICTIONS_TABLE,
    AttemptStepOperator,
    read_attempt,
    take_up,
)
from watchkeeper.operators.monitor_base import Deployment, failing_at_once
from watchkeeper.operators.prepare_tables import table_schema

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.analysis.model_comparison import GateRules
    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.registry.endpoint_spec import EndpointSpec


class CompareModelsOperator(AttemptStepOperator):
    """Score both models on the attempt's held-out rows; approve or reject the model package, and keep the evidence.

    A challenger that is not surely better by what the gate asks for is rejected: the champion stays.
    """

    def execute(self, context: "Context") -> str:
        """Return the decision: ``promote``, ``keep`` or ``undecided``."""
        from watchkeeper.analysis.model_comparison import Decision, compare_models
        from watchkeeper.analysis.training_table import scored_rows

        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record = read_attempt(deployment, self.endpoint, self.attempt_id)
            if record.state == AttemptState.REJECTED and record.decision not in {None, Decision.PROMOTE.value}:
                # An earlier try was lost after it had decided, perhaps before anybody was told.
                self._tell_rejected(deployment, spec, record, context)
                return str(record.decision)
            record = take_up(deployment, self.endpoint, self.attempt_id, context)
            assert spec.retraining is not None, spec.registry_id  # noqa: S101
            rows = scored_rows(
                self._table(deployment, EVALUATION_TABLE),
                self._table(deployment, PREDICTIONS_TABLE),
                table_schema(spec),
                spec.retraining.gate.segments,
            )
            result = compare_models(rows, spec.model_quality.problem_type, gate_rules(spec))
            evidence = deployment.actions.write_evidence(self.endpoint, self.attempt_id, result.encoded())
            won = result.decision is Decision.PROMOTE
            hook = deployment.access_of(spec).open(PipelineHook)
            if record.model_package_arn is not None:
                hook.decide_package(record.model_package_arn, APPROVED if won else REJECTED, result.reason)
        fields = {"evidence_uri": evidence, "decision": result.decision.value}
        record = self.advance(deployment, AttemptState.COMPARED, context, result.reason, **fields)
        if not won:
            record = self.advance(deployment, AttemptState.REJECTED, context, result.reason)
            self._tell_rejected(deployment, spec, record, context)
        self.log.info("%s: %s (%s)", self.endpoint, result.reason, evidence)
        return result.decision.value

    def _tell_rejected(
        self, deployment: Deployment, spec: "EndpointSpec", record: "AttemptRecord", context: "Context"
    ) -> None:
        headline = f"{self.endpoint}: the challenger is rejected"
        tell_attempt(deployment, spec, record, "rejected", headline, context, self.log.warning)

    def _table(self, deployment: Deployment, name: str) -> bytes:
        key = deployment.actions.folder(self.endpoint, self.attempt_id) + name
        stored = deployment.actions.objects.read(key)
        if stored is None:
            raise DatasetError(
                deployment.actions.objects.uri(key),
                "there is no such table",
                "The pipeline's evaluation step has to write it: see docs/pipelines.md.",
            )
        return stored.body


def gate_rules(spec: "EndpointSpec") -> "GateRules":
    """Return what an endpoint's file asks of a challenger."""
    from watchkeeper.analysis.model_comparison import GateRules

    assert spec.retraining is not None, spec.registry_id  # noqa: S101
    gate, monitor = spec.retraining.gate, spec.model_quality
    return GateRules(
        metric=gate.metric,
        minimum_improvement=gate.minimum_improvement,
        confidence=gate.confidence,
        minimum_rows=gate.minimum_rows,
        segment_minimum_rows=gate.segment_minimum_rows,
        segment_tolerance=gate.segment_tolerance,
        positive_label=monitor.positive_label,
        negative_label=monitor.negative_label,
        probabilities=monitor.probability_attribute is not None,
        probability_threshold=monitor.probability_threshold,
    )
