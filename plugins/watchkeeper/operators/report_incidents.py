"""Closes what a run has left open, tells people what came of it, and rings for the next step."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from watchkeeper.aws.incident_record import IncidentRecord, IncidentState, StepOutcome
from watchkeeper.operators.decide_remediation import FAULTS
from watchkeeper.operators.event_assets import ALARM_EVENTS
from watchkeeper.operators.heartbeat import heartbeat_faults
from watchkeeper.operators.incident_notice import tell_end_of_step
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from airflow.sdk import Context

_TOLD = 100
#: An outlet that may stay silent: the asset of alarms is added to it only when a next step is to be decided.
NEXT_STEPS = AssetAlias(name="watchkeeper_next_steps", group="watchkeeper")


class ReportIncidentsOperator(MonitorOperator):
    """Return what came of each incident of the run, whatever happened before it.

    An incident that the run still holds had a task that failed: what was begun counts as not verified, the rest is
    decided anew. What came of each is told in its thread. Where a step did not help the asset of alarms rings, so that
    the next step is decided at once.

    :param decide_task_id: The task that returned the incidents.
    :param drain_task_id: The task that read the queue.
    """

    def __init__(self, *, decide_task_id: str = "decide", drain_task_id: str = "drain", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decide_task_id = decide_task_id
        self.drain_task_id = drain_task_id

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return states by endpoint and faults, small enough for XCom."""
        with failing_at_once():
            deployment = self.open_deployment()
        instance: Any = context["ti"]
        chosen = instance.xcom_pull(task_ids=self.decide_task_id) or []
        faults: list[str] = []
        for task in (self.drain_task_id, self.decide_task_id):
            faults += instance.xcom_pull(task_ids=task, key=FAULTS) or []
        states: dict[str, str] = {}
        rings = False
        for item in chosen:
            endpoint, incident_id = item["endpoint"], item["incident_id"]
            try:
                record = self._closed(deployment, endpoint, incident_id, context)
            except Exception as error:
                self.log.exception("%s: incident %s could not be reported", endpoint, incident_id)
                faults.append(f"incident {incident_id} of {endpoint}: {error}")
                continue
            states[endpoint] = record.state
            self.log.info("%s: incident %s is %s: %s", endpoint, incident_id, record.state, record.why)
            rings |= record.state == IncidentState.UNRESOLVED
            spec = deployment.registry.endpoints.get(endpoint)
            if spec is not None:
                outcome = tell_end_of_step(deployment, spec, record, context, self.log.warning)
                if outcome is not None and outcome.status == "failed":
                    faults.append(f"incident {incident_id} of {endpoint}: people were not told: {outcome.why}")
            step = record.step
            if step is not None and step.outcome in {StepOutcome.REFUSED, StepOutcome.NOT_VERIFIED}:
                faults.append(f"incident {incident_id} of {endpoint}: {record.why}")
        if rings:
            context["outlet_events"][NEXT_STEPS].add(Asset(name=ALARM_EVENTS.name, uri=ALARM_EVENTS.uri))
        faults += heartbeat_faults(deployment, self.dag_id, self.log.warning)
        problems = list(deployment.registry.problems)[:_TOLD]
        return {"verdicts": states, "failed": [], "problems": problems, "faults": faults[:_TOLD]}

    @staticmethod
    def _closed(deployment: Deployment, endpoint: str, incident_id: str, context: "Context") -> IncidentRecord:
        record = deployment.incidents.require(endpoint, incident_id)
        by, step = run_name(context), record.step
        if not record.is_held or record.held_by != by or step is None:
            return record
        why = f"a task of the run failed while the incident was {record.state}: see its log"
        outcome = StepOutcome.NOT_VERIFIED if step.acted else StepOutcome.POSTPONED
        state = IncidentState.UNRESOLVED if step.acted else IncidentState.OPEN
        steps = record.with_step(outcome=outcome.value, verified=why)
        now = datetime.now(UTC)
        deployment.blast_radius.release(endpoint, now)
        return deployment.incidents.advance(endpoint, incident_id, state, by=by, why=why, now=now, steps=steps)
