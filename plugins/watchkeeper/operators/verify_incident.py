"""Verifies what was done about an incident: it holds, capacity survived, and the alarms are OK again in time."""

import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from airflow.sdk import conf

from watchkeeper.aws.alarm_evidence import alarm_evidence, alarm_fact
from watchkeeper.aws.alarm_hook import AlarmHook
from watchkeeper.aws.alarm_trigger import AlarmStateTrigger
from watchkeeper.aws.capture_trigger import CaptureSettledTrigger
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.endpoint_snapshot import UNDER_WAY, EndpointSnapshot, faults_after, take_snapshot
from watchkeeper.aws.endpoint_trigger import EndpointSettledTrigger
from watchkeeper.aws.incident_record import IncidentState, StepOutcome
from watchkeeper.operators.incident_scene import IncidentScene
from watchkeeper.operators.incident_step import IncidentStepOperator, take_incident
from watchkeeper.operators.monitor_base import Deployment, failing_at_once
from watchkeeper.operators.promotion_end import end_promotion
from watchkeeper.registry.capture_window import moment_text, parse_moment
from watchkeeper.registry.remediation_policy import is_watched_by_later_runs, rules_of
from watchkeeper.registry.remediation_spec import CHANGES_OF_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.alarm_hook import AlarmFacts
    from watchkeeper.aws.incident_record import IncidentRecord, IncidentStep
    from watchkeeper.aws.pipeline_hook import PipelineHook
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.remediation_spec import ActionName, RemediationSpec

#: An update that has not come to its end by then is not waited for; instances come sooner.
_LONGEST_UPDATE, _LONGEST_SCALING = timedelta(hours=3), timedelta(minutes=45)
_NAMES = 100


class VerifyIncidentOperator(IncidentStepOperator):
    """Wait for what an incident's newest step was to bring about, and return ``{state, verified}``.

    First the endpoint: the configuration that was wanted really serves (a failed update rolls back silently), no
    variant has fewer instances than before, capture is as it was. Then the alarms: OK within the policy's time. What
    holds ends the incident, unless other alarms go on; what does not is left to the next step. All it needs is read
    from the record, so a retry goes on where it was. Nobody waits for the effect of a retraining: later runs look.

    :param deferrable: Wait in the triggerer rather than in a worker.
    :param waiter_delay: Seconds between two looks.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        waiter_delay: int = 30,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.waiter_delay = waiter_delay

    def execute(self, context: "Context") -> dict[str, str]:
        """Return what came of it; AirflowSkipException where nothing was done that could be verified."""
        with failing_at_once():
            return self._proceed(context)

    def execute_complete(self, context: "Context", event: dict[str, Any] | None = None) -> dict[str, str]:
        """Come back from a trigger and look: what its event says is only why it woke up."""
        self.log.info("Woken up: %s", (event or {}).get("status"))
        return self.execute(context)

    def _proceed(self, context: "Context") -> dict[str, str]:
        deployment = self.open_deployment()
        while True:
            record, step = take_incident(deployment, self.endpoint, self.incident_id, context)
            spec, policy, hook = self.open_endpoint(deployment)
            if is_watched_by_later_runs(_named(step)):
                return self._hand_over(deployment, policy, record, step, context)
            snapshot = take_snapshot(hook, spec.endpoint_name)
            if step.settled_at is None:
                wait = self._unsettled(deployment, spec, snapshot, step)
                if wait is not None:
                    self._wait(wait)
                    continue
                faults = self._faults(snapshot, step)
                if faults:
                    return self._end(deployment, spec, record, snapshot, context, fault="; ".join(faults))
                record = self._settle(deployment, spec, hook, record, step, context)
                step = record.step or step
            alarms = list(deployment.access_of(spec).open(AlarmHook).alarms(names=step.alarms))
            left = sorted(alarm.name for alarm in alarms if alarm.state != "OK")
            if not left:
                return self._end(deployment, spec, record, snapshot, context)
            rule = policy.rule(step.rule)
            minutes = policy.verify_within_minutes if rule is None else policy.patience_minutes(rule, _named(step))
            remaining = parse_moment(str(step.settled_at)) + timedelta(minutes=minutes) - datetime.now(UTC)
            if remaining <= timedelta(0):
                states = ", ".join(f"{alarm.name} is {alarm.state}" for alarm in alarms if alarm.state != "OK")
                fault = f"{states}, {minutes} minutes after it"
                return self._end(deployment, spec, record, snapshot, context, fault=fault)
            self.log.info("%s: waiting for %s to be OK", self.endpoint, ", ".join(left))
            self._wait(self._alarms_trigger(deployment, spec, left, remaining))

    # ---- the endpoint

    def _unsettled(
        self, deployment: Deployment, spec: "EndpointSpec", snapshot: EndpointSnapshot, step: "IncidentStep"
    ) -> Any | None:
        """Return the trigger to wait with while the endpoint changes; ``None`` once it has, or will not any more."""
        if step.action not in CHANGES_OF_ENDPOINT:
            return None
        since = datetime.now(UTC) - parse_moment(step.done_at or step.decided_at)
        if snapshot.status in UNDER_WAY and since < _LONGEST_UPDATE:
            return EndpointSettledTrigger(
                endpoint_name=spec.endpoint_name,
                waiter_delay=self.waiter_delay,
                waiter_max_attempts=math.ceil(_LONGEST_UPDATE.total_seconds() / self.waiter_delay),
                **deployment.access_of(spec).trigger_arguments(),
            )
        wanted = _wanted_instances(step)
        scaling = any(snapshot.instances.get(variant, 0) < count for variant, count in wanted.items())
        if scaling and since < _LONGEST_SCALING:
            # Application autoscaling begins some time after it was asked, and the endpoint serves meanwhile.
            return CaptureSettledTrigger(
                moment=moment_text(datetime.now(UTC) + timedelta(seconds=2 * self.waiter_delay))
            )
        return None

    @staticmethod
    def _faults(snapshot: EndpointSnapshot, step: "IncidentStep") -> list[str]:
        if step.action not in CHANGES_OF_ENDPOINT:
            return []
        config = step.target.get("config")
        moved = [
            f"variant {name} has the weight {snapshot.weights.get(name)}, expected {weight}"
            for name, weight in sorted(dict(step.target.get("weights") or {}).items())
            if not math.isclose(snapshot.weights.get(name, -1.0), weight, abs_tol=1e-6)
        ]
        return moved + faults_after(
            snapshot, step.before, None if config is None else str(config), _wanted_instances(step)
        )

    def _settle(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        hook: "PipelineHook",
        record: "IncidentRecord",
        step: "IncidentStep",
        context: "Context",
    ) -> "IncidentRecord":
        """Note that it holds, and what follows once another configuration serves; safe to repeat."""
        now = datetime.now(UTC)
        if step.action == "roll_back":
            left = str(step.target["from_config"])
            deployment.config_history.mark_bad(self.endpoint, left, f"rolled back from by {self.incident_id}", now)
            promoted = deployment.actions.last_promotion(self.endpoint)
            if promoted is not None and promoted.new_config == left:
                reason = f"rolled back by remediation, incident {self.incident_id}: {step.why}"
                end_promotion(deployment, spec, hook, promoted, reason, context, self.log)
        steps = record.with_step(settled_at=moment_text(now))
        return self.advance(
            deployment, IncidentState.VERIFYING, context, f"{step.action} holds; its alarms are to be OK", steps=steps
        )

    # ---- the alarms

    def _alarms_trigger(
        self, deployment: Deployment, spec: "EndpointSpec", names: "Sequence[str]", remaining: timedelta
    ) -> AlarmStateTrigger:
        return AlarmStateTrigger(
            alarm_names=list(names[:_NAMES]),
            state="OK",
            waiter_delay=self.waiter_delay,
            waiter_max_attempts=max(1, math.ceil(remaining.total_seconds() / self.waiter_delay)),
            **deployment.access_of(spec).trigger_arguments(),
        )

    def _hand_over(
        self,
        deployment: Deployment,
        policy: "RemediationSpec",
        record: "IncidentRecord",
        step: "IncidentStep",
        context: "Context",
    ) -> dict[str, str]:
        """Leave the effect to later runs, once it is sure that the run was started."""
        instance: Any = context["ti"]
        dag_id, run_id = str(step.target.get("dag_id")), str(step.target.get("run_id"))
        now = datetime.now(UTC)
        if not instance.get_dr_count(dag_id=dag_id, run_ids=[run_id]):
            why = f"{step.action} was not begun: the DAG {dag_id} has no run {run_id}"
            steps = record.with_step(outcome=StepOutcome.REFUSED.value, verified=why)
            self.advance(deployment, IncidentState.UNRESOLVED, context, why, steps=steps)
            deployment.blast_radius.release(self.endpoint, now)
            return {"state": IncidentState.UNRESOLVED.value, "verified": why}
        rule = policy.rule(step.rule)
        minutes = policy.verify_within_minutes if rule is None else policy.patience_minutes(rule, _named(step))
        until = moment_text(now + timedelta(minutes=minutes))
        why = f"the run {run_id} of {dag_id} is started; the alarms have until {until} to be OK"
        steps = record.with_step(watched_until=until, verified=why)
        self.advance(deployment, IncidentState.OPEN, context, why, steps=steps)
        deployment.blast_radius.release(self.endpoint, now)
        return {"state": IncidentState.OPEN.value, "verified": why}

    def _end(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        record: "IncidentRecord",
        snapshot: EndpointSnapshot,
        context: "Context",
        fault: str | None = None,
    ) -> dict[str, str]:
        """Record what came of the step, with the figures after it, and give its place in the blast radius back."""
        step, now = record.step, datetime.now(UTC)
        assert step is not None  # noqa: S101 - take_incident found one
        access = deployment.access_of(spec)
        alarms = alarm_evidence(
            access.open(CloudWatchHook), access.open(AlarmHook).alarms(names=step.alarms), now, self.log.warning
        )
        after = {**snapshot.as_document(), "alarms": msgspec.to_builtins(alarms)}
        if fault is not None:
            state, outcome, why = (
                IncidentState.UNRESOLVED,
                StepOutcome.NOT_VERIFIED,
                f"{step.action} did not help: {fault}",
            )
        else:
            others = self._going_off(deployment, spec, now)
            outcome, why = StepOutcome.VERIFIED, f"{step.action} helped: {', '.join(step.alarms)} OK"
            state = IncidentState.OPEN if others else IncidentState.RECOVERED
            if others:
                why = f"{why}; {', '.join(others)} still in alarm"
        steps = record.with_step(outcome=outcome.value, verified=why, after=after)
        record = self.advance(deployment, state, context, why, steps=steps)
        deployment.blast_radius.release(self.endpoint, now)
        self.tell(deployment, spec, record, context)
        self.log.info("%s: %s", self.endpoint, why)
        return {"state": state.value, "verified": why}

    @staticmethod
    def _going_off(deployment: Deployment, spec: "EndpointSpec", now: datetime) -> list[str]:
        scene = IncidentScene.look(deployment, [spec], now)
        prefix, policy = deployment.settings.resource_prefix, spec.remediation

        def counts(facts: "AlarmFacts") -> bool:
            return facts.state == "ALARM" and policy is not None and bool(rules_of(policy, alarm_fact(facts, prefix)))

        return sorted(facts.name for facts in scene.alarms.get(spec.registry_id, ()) if counts(facts))

    def _wait(self, trigger: Any) -> None:
        """Defer until a trigger fires; in a worker, sleep until the next look."""
        if self.deferrable:
            self.defer(trigger=trigger, method_name="execute_complete")
        time.sleep(self.waiter_delay)


def _named(step: "IncidentStep") -> "ActionName":
    return cast("ActionName", step.action)  # a record tells what a policy said


def _wanted_instances(step: "IncidentStep") -> dict[str, int]:
    if step.action != "scale_out" or "wanted" not in step.target:
        return {}
    return {str(step.target["variant"]): int(step.target["wanted"])}
