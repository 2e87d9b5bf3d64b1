"""Asks a person, where the policy wants one asked, before an action of an incident."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from watchkeeper.aws.incident_record import IncidentState, StepOutcome
from watchkeeper.operators.incident_notice import step_lines, tell_incident
from watchkeeper.operators.incident_step import take_incident
from watchkeeper.operators.monitor_base import failing_at_once, open_deployment
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApproveIncidentOperator(ApprovalOperator):
    """Wait for a person's approval (Airflow's required actions), or go on at once where the policy asks nobody.

    Who rejects has the incident: nothing more is done until its alarms are OK. The same holds where nobody answers in
    time and ``defaults`` says Reject.

    :param endpoint: The endpoint's registry id. (templated)
    :param incident_id: The incident. (templated)
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "endpoint", "incident_id")
    ui_color = "#f4efd9"

    def __init__(self, *, endpoint: str, incident_id: str, **kwargs: Any) -> None:
        kwargs.setdefault("subject", "Watchkeeper: approve the action")
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.incident_id = incident_id

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def execute(self, context: "Context") -> Any:
        """Return at once, or wait for the answer."""
        with failing_at_once():
            deployment = open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record, step = take_incident(deployment, self.endpoint, self.incident_id, context)
        if not step.asks or step.outcome != StepOutcome.DECIDED or step.allowed_by:
            self.log.info("%s: nobody is asked before %s (%s)", self.endpoint, step.action, step.allowed_by)
            return None
        self.subject = f"{self.endpoint}: {step.action}?"
        record = deployment.incidents.advance(
            self.endpoint,
            self.incident_id,
            IncidentState.AWAITING_APPROVAL,
            by=run_name(context),
            why=f"a person is asked before {step.action}",
            now=datetime.now(UTC),
        )
        history = "\n".join(f"- {event.at} **{event.state}** by {event.by}: {event.why}" for event in record.history)
        self.body = (
            f"{step.why}\n\n{history}\n\n*Reject* leaves the incident to people: nothing more is done until its alarms "
            f"are OK.\n\nRecord: `{deployment.incidents.uri(self.endpoint, self.incident_id)}`"
        )
        tell_incident(
            deployment,
            spec,
            record,
            f"{len(record.steps)}-approval",
            f"{step.action} waits for approval",
            context,
            self.log.warning,
            kind="approval_wanted",
            lines=step_lines(step),
        )
        return super().execute(context)

    def execute_complete(self, context: "Context", event: dict[str, Any]) -> Any:
        """Go on if it was approved; leave the incident to people if it was not. Who answered is recorded."""
        chosen = event.get("chosen_options") or ()
        who = str((event.get("responded_by_user") or {}).get("name") or "nobody, in time")
        deployment, by, now = open_deployment(), run_name(context), datetime.now(UTC)
        record, step = take_incident(deployment, self.endpoint, self.incident_id, context)
        if self.REJECT in chosen:
            why = f"{step.action} was not approved: {who}"
            steps = record.with_step(outcome=StepOutcome.REJECTED.value, allowed_by=f"not allowed by {who}")
            deployment.incidents.advance(
                self.endpoint, self.incident_id, IncidentState.ESCALATED, by=by, why=why, now=now, steps=steps
            )
        elif self.APPROVE in chosen:
            why = f"{step.action} was approved by {who}"
            steps = record.with_step(allowed_by=who)
            deployment.incidents.advance(
                self.endpoint, self.incident_id, IncidentState.APPROVED, by=by, why=why, now=now, steps=steps
            )
        return super().execute_complete(context, event)
