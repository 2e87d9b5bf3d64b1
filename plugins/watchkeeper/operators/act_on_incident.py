"""Does what was decided about an incident, once, within the blast radius, with the state before on record."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.sdk.exceptions import AirflowSkipException

from watchkeeper.aws.alarm_evidence import alarm_evidence
from watchkeeper.aws.alarm_hook import AlarmHook
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.endpoint_snapshot import UNDER_WAY, take_snapshot
from watchkeeper.aws.incident_record import IncidentState, StepOutcome
from watchkeeper.operators.incident_actions import ActionCase, do_action, is_refusal, plan_action
from watchkeeper.operators.incident_scene import why_busy
from watchkeeper.operators.incident_step import IncidentStepOperator, take_incident
from watchkeeper.operators.monitor_base import Deployment, failing_at_once
from watchkeeper.registry.capture_window import moment_text
from watchkeeper.registry.remediation_policy import forbidden_now
from watchkeeper.registry.remediation_spec import CHANGES_OF_ENDPOINT

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.incident_record import IncidentRecord
    from watchkeeper.registry.endpoint_spec import EndpointSpec


class ActOnIncidentOperator(IncidentStepOperator):
    """Do the newest step of an incident and return ``{action, outcome}``.

    What it is to bring about is recorded before it is done, so that the retry of a killed task does the same again and
    not another thing. An action that AWS refuses is recorded, and the next run takes the next step. What must wait (the
    endpoint is being updated, no place in the blast radius is left) is put off, and decided anew.
    """

    def execute(self, context: "Context") -> dict[str, Any]:
        """Act; AirflowSkipException where there is nothing to do any more."""
        with failing_at_once():
            deployment = self.open_deployment()
            record, step = take_incident(deployment, self.endpoint, self.incident_id, context)
            spec, policy, hook = self.open_endpoint(deployment)
        if record.state != IncidentState.VERIFYING:
            try:
                snapshot = take_snapshot(hook, spec.endpoint_name)
                access = deployment.access_of(spec)
                case = ActionCase(deployment, spec, policy, record, step, access, hook, snapshot)
                record = self._act(case, context)
            except AirflowSkipException:
                raise
            except Exception as error:
                if not is_refusal(error):
                    raise
                return self._refused(deployment, spec, error, context)
        assert record.step is not None  # noqa: S101 - take_incident found one
        step = record.step
        if step.action == "retrain":
            self._start_retraining(step.target, context)
        return {"action": step.action, "outcome": step.outcome}

    def _act(self, case: ActionCase, context: "Context") -> "IncidentRecord":
        deployment, step = case.deployment, case.step
        changes = step.action in CHANGES_OF_ENDPOINT
        if step.outcome == StepOutcome.DECIDED:
            self._may_still(case, context)
            case = self._prepared(case, context)
        elif changes and case.snapshot.status in UNDER_WAY:
            # A try that died has asked for the update: it is waited for, and not asked for again.
            self.log.info("%s is %s already", case.spec.endpoint_name, case.snapshot.status)
            return self._done(deployment, case.record, {}, context)
        self.log.info("%s: %s %s", self.endpoint, case.step.action, case.step.target)
        added = do_action(case, case.step.target)
        return self._done(deployment, case.record, added, context)

    def _may_still(self, case: ActionCase, context: "Context") -> None:
        """Put the step off unless it is allowed and wanted still, the endpoint is at rest, and a place is left.

        An approval may have taken a day: what was switched off meanwhile stays undone.
        """
        deployment, step = case.deployment, case.step
        forbidden = forbidden_now(case.policy, deployment.fleet.remediation, datetime.now(UTC))
        if forbidden:
            self._put_off(deployment, f"no {step.action} for now: {' and '.join(forbidden.values())}", context)
        going_off = [
            fact.name for fact in case.access.open(AlarmHook).alarms(names=step.alarms) if fact.state == "ALARM"
        ]
        if not going_off:
            self._put_off(deployment, f"no {step.action}: the alarms are OK again by now", context)
        busy = why_busy(deployment, case.spec, context) if step.action in CHANGES_OF_ENDPOINT else None
        if busy is not None:
            self._put_off(deployment, f"no {step.action} for now: {busy}", context)
        fleet, size = deployment.fleet.remediation, max(1, len(deployment.registry.endpoints))
        full = deployment.blast_radius.claim(
            self.endpoint,
            self.incident_id,
            at_once=fleet.at_once(size),
            per_hour=fleet.per_hour(size),
            now=datetime.now(UTC),
        )
        if full is not None:
            which = "at once" if full == "at_once" else "within the hour"
            self._put_off(deployment, f"no {step.action} for now: no more endpoints may be acted on {which}", context)

    def _prepared(self, case: ActionCase, context: "Context") -> ActionCase:
        """Return the case with evidence and target on record."""
        deployment, now = case.deployment, datetime.now(UTC)
        alarms = alarm_evidence(
            case.access.open(CloudWatchHook),
            case.access.open(AlarmHook).alarms(names=case.step.alarms),
            now,
            self.log.warning,
        )
        before = {**case.snapshot.as_document(), "alarms": msgspec.to_builtins(alarms)}
        target = plan_action(case)
        steps = case.record.with_step(
            outcome=StepOutcome.ACTING.value, started_at=moment_text(now), before=before, target=target
        )
        why = f"{case.step.action}: {case.step.why}"
        record = self.advance(deployment, IncidentState.ACTING, context, why, steps=steps)
        assert record.step is not None  # noqa: S101 - it was just written
        return replace(case, record=record, step=record.step)

    def _done(
        self, deployment: Deployment, record: "IncidentRecord", added: dict[str, Any], context: "Context"
    ) -> "IncidentRecord":
        step = deployment.incidents.require(self.endpoint, self.incident_id).step
        assert step is not None  # noqa: S101 - take_incident found one
        steps = (
            *record.steps[:-1],
            msgspec.structs.replace(
                step,
                outcome=StepOutcome.DONE.value,
                done_at=moment_text(datetime.now(UTC)),
                target={**step.target, **added},
            ),
        )
        return self.advance(deployment, IncidentState.VERIFYING, context, f"{step.action} is asked for", steps=steps)

    def _put_off(self, deployment: Deployment, why: str, context: "Context") -> None:
        record = deployment.incidents.require(self.endpoint, self.incident_id)
        steps = record.with_step(outcome=StepOutcome.POSTPONED.value, verified=why)
        self.advance(deployment, IncidentState.OPEN, context, why, steps=steps)
        raise AirflowSkipException(why)

    def _refused(
        self, deployment: Deployment, spec: "EndpointSpec", error: Exception, context: "Context"
    ) -> dict[str, Any]:
        record = deployment.incidents.require(self.endpoint, self.incident_id)
        step = record.step
        assert step is not None  # noqa: S101 - take_incident found one
        why = f"{step.action} was refused: {' '.join(str(error).split())}"
        self.log.error("%s: %s", self.endpoint, why)
        steps = record.with_step(outcome=StepOutcome.REFUSED.value, verified=why)
        record = self.advance(deployment, IncidentState.UNRESOLVED, context, why, steps=steps)
        deployment.blast_radius.release(self.endpoint, datetime.now(UTC))
        self.tell(deployment, spec, record, context)
        return {"action": step.action, "outcome": StepOutcome.REFUSED.value}

    def _start_retraining(self, target: dict[str, Any], context: "Context") -> None:
        """Have Airflow start the run when this task ends; nothing where a try before has started it."""
        from airflow.sdk.exceptions import DagRunTriggerException

        instance: Any = context["ti"]
        dag_id, run_id = str(target["dag_id"]), str(target["run_id"])
        if instance.get_dr_count(dag_id=dag_id, run_ids=[run_id]):
            self.log.info("Run %s of %s is there already", run_id, dag_id)
            return
        raise DagRunTriggerException(
            trigger_dag_id=dag_id,
            dag_run_id=run_id,
            conf={"endpoints": [self.endpoint]},
            reset_dag_run=False,
            skip_when_already_exists=False,
            wait_for_completion=False,
            allowed_states=[],
            failed_states=[],
            poke_interval=60,
            deferrable=False,
            note=f"Started by remediation for incident {self.incident_id}",
        )
