"""Decides by each endpoint's policy what to do about its alarms, and records why."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.alarm_evidence import alarm_evidence, alarm_fact
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.incident_record import IncidentRecord, IncidentState, IncidentStep, StepOutcome
from watchkeeper.aws.incident_store import HeldElsewhereError, require_ours
from watchkeeper.operators.incident_notice import BREAKER_PAGE, ESCALATED_PAGE, PAGE, RADIUS_PAGE, tell_incident
from watchkeeper.operators.incident_scene import (
    IncidentScene,
    alarm_of,
    events_by_endpoint,
    observe_config,
    run_goes_on,
    state_of,
    why_busy,
)
from watchkeeper.operators.incident_upkeep import act_by_hand, end_forgotten, tell_strangers
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.registry.alarm_name import AlarmName
from watchkeeper.registry.capture_window import moment_text, parse_moment
from watchkeeper.registry.remediation_policy import (
    AlarmFact,
    Refusal,
    RemediationDecision,
    Verdict,
    decide_remediation,
    incident_name,
    rules_of,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.alarm_hook import AlarmFacts
    from watchkeeper.aws.event_inbox import InboxEvent
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.remediation_spec import RemediationSpec

#: The key of what kept an endpoint from being decided on.
FAULTS = "faults"
#: An incident may have begun so long before its last action.
_LONGEST_INCIDENT = timedelta(days=7)
#: An event's time and the alarm's own may differ so much.
_EVENT_DELAY = timedelta(minutes=1)
#: What forbids nothing that people would want to know of: the alarm has not lasted, or help is on its way.
_QUIET = frozenset({Refusal.NOT_PERSISTENT, Refusal.PATIENCE, Refusal.UNDER_WAY})


class DecideRemediationOperator(MonitorOperator):
    """Return the incidents to act on, one mapping ``{endpoint, incident_id}`` each, ready for ``expand_kwargs``.

    Events are a doorbell: alarms are asked for their state, so that lost, late, doubled or reordered events do no harm,
    and the clock rings too. Every decision is on the incident's record before an event leaves the inbox. The run's
    params: ``endpoints`` (look only at these), ``close_circuit_breakers`` and ``end_incidents`` (of these endpoints,
    with ``reason``).
    """

    def execute(self, context: "Context") -> list[dict[str, str]]:
        """Return the incidents to act on; what is not to be done is logged with its reason."""
        params = dict(context.get("params") or {})
        with failing_at_once():
            deployment = self.open_deployment()
            specs = remedied(deployment, params)
            _ = deployment.fleet
            now = datetime.now(UTC)
            events = deployment.inbox.pending("alarms")
        for problem in deployment.registry.problems:
            self.log.error("Left out for a fault in its file: %s", problem)
        act_by_hand(deployment, params, context, now, self.log.info)
        ringing, strangers = events_by_endpoint(events, specs, deployment.settings.resource_prefix)
        scene = IncidentScene.look(deployment, list(specs.values()), now)
        open_ids = deployment.incidents.open_ids()
        faults: list[str] = []
        chosen: list[dict[str, str]] = []
        for endpoint, spec in sorted(specs.items()):
            rings = ringing.get(endpoint, [])
            try:
                if endpoint in scene.faults:
                    raise RuntimeError(scene.faults[endpoint])
                record = self._decide(deployment, spec, scene, rings, open_ids.get(endpoint), context)
            except Exception as error:
                # One endpoint's broken record or lost account holds up nobody else; its events wait in the inbox.
                self.log.exception("%s could not be decided on", endpoint)
                faults.append(f"{endpoint}: {error}")
                continue
            for event in rings:
                deployment.inbox.archive(event)
            if record is not None:
                chosen.append({"endpoint": endpoint, "incident_id": record.incident_id})
        if not params.get("endpoints"):
            tell_strangers(deployment, strangers, context, now, self.log.warning)
            end_forgotten(deployment, open_ids, context, now, self.log.warning)
        if faults:
            context["ti"].xcom_push(key=FAULTS, value=faults)
        return chosen

    # ---- one endpoint

    def _decide(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        scene: IncidentScene,
        rings: "Sequence[InboxEvent]",
        open_id: str | None,
        context: "Context",
    ) -> IncidentRecord | None:
        """Return the incident that this run has to work on; ``None`` if there is none."""
        remediation, endpoint = _policy(spec), spec.registry_id
        observe_config(deployment, spec, self.log.warning)
        facts = scene.alarms.get(endpoint, [])
        alarms = [alarm_fact(item, deployment.settings.resource_prefix) for item in facts]
        record = deployment.incidents.read(endpoint, open_id) if open_id else None
        if record is not None and record.has_ended:
            record = None
        going_off = any(fact.state == "ALARM" and rules_of(remediation, fact) for fact in alarms)
        if record is None and not going_off:
            self._over_already(deployment, spec, rings, {item.name: item.state for item in facts}, context)
            return None
        if record is not None and record.is_held:
            if record.held_by == run_name(context):
                return record
            if not run_goes_on(context, record.held_by):
                record = self._orphaned(deployment, record, context, scene.now)
        counting = timedelta(hours=remediation.circuit_breaker.within_hours, minutes=remediation.cooldown_minutes)
        past = deployment.incidents.incidents(endpoint, scene.now - counting - _LONGEST_INCIDENT)
        decision = decide_remediation(
            remediation,
            deployment.fleet.remediation,
            endpoint,
            alarms,
            None if record is None else record.as_open(held=record.is_held),
            [action for item in past for action in item.past_actions()],
            deployment.breakers.read(endpoint).as_breaker(),
            scene.surroundings(why_busy(deployment, spec, context) if going_off else None),
            scene.now,
            ended=[item.incident_id for item in past if item.has_ended],
        )
        self.log.info("%s: %s", endpoint, decision.reason)
        if decision.opens_breaker:
            deployment.breakers.open(endpoint, decision.reason, scene.now)
        return self._record(deployment, spec, decision, record, facts, rings, context, scene.now)

    def _record(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        decision: RemediationDecision,
        record: IncidentRecord | None,
        facts: "Sequence[AlarmFacts]",
        rings: "Sequence[InboxEvent]",
        context: "Context",
        now: datetime,
    ) -> IncidentRecord | None:
        """Write a decision down, tell people, and return the incident if this run is to act on it."""
        if decision.incident_id is None or (record is None and decision.verdict is Verdict.NOTHING):
            return None
        by = run_name(context)
        seen = [item for item in facts if item.name in decision.alarms]
        hook = deployment.access_of(spec).open(CloudWatchHook)
        known = set() if record is None else set(record.alarms)
        evidence = alarm_evidence(hook, [item for item in seen if item.name not in known], now, self.log.warning)
        if record is None:
            draft = IncidentRecord(
                incident_id=decision.incident_id,
                endpoint=spec.registry_id,
                endpoint_name=spec.endpoint_name,
                state=IncidentState.OPEN.value,
                opened_at=moment_text(now),
                mode=_policy(spec).mode,
                severity=_policy(spec).severity,
                alarms=evidence,
            )
            why = f"alarms went off: {', '.join(decision.alarms)}"
            record = deployment.incidents.open_incident(draft, by=by, why=why, now=now)
            if record.incident_id != decision.incident_id or record.steps:
                self.log.info("%s: another run has opened %s", spec.registry_id, record.incident_id)
                return None

        def noted(there: IncidentRecord) -> dict[str, Any]:
            events = dict.fromkeys([*there.event_ids, *(event.event_id for event in rings)])
            return {"alarms": {**evidence, **there.alarms}, "event_ids": tuple(events)}

        if decision.verdict is Verdict.NOTHING:
            deployment.incidents.update(
                spec.registry_id, record.incident_id, lambda there: msgspec.structs.replace(there, **noted(there))
            )
            return None
        count = len(record.steps)

        def change(there: IncidentRecord) -> IncidentRecord:
            require_ours(there, by, deployment.incidents.uri(there.endpoint, there.incident_id))
            if len(there.steps) != count:
                raise HeldElsewhereError(
                    there.incident_id, "another run has decided on it since", "It is left to that run."
                )
            return decided(there, decision, _policy(spec), by=by, now=now, **noted(there))

        try:
            changed = deployment.incidents.update(spec.registry_id, record.incident_id, change)
        except HeldElsewhereError as error:
            self.log.info("%s: %s", spec.registry_id, error)
            return None
        self._tell(deployment, spec, changed, decision, context)
        return changed if changed.is_held else None

    def _tell(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        record: IncidentRecord,
        decision: RemediationDecision,
        context: "Context",
    ) -> None:
        """Tell what is new in the incident's thread; what was told before is not told again."""

        def tell(stage: str, headline: str, **more: Any) -> None:
            tell_incident(deployment, spec, record, stage, headline, context, self.log.warning, **more)

        if record.told_at is None:
            return
        if decision.verdict in {Verdict.CLOSE, Verdict.RECOVER}:
            tell("recovered", "its alarms are OK again", kind="recovery")
            return
        tell("opened", f"{len(record.alarms)} alarm{'s' * (len(record.alarms) != 1)} went off", kind="alert")
        if decision.action == "notify" and len(record.steps) > 1 and not decision.refusals:
            tell(f"{len(record.steps)}-notify", f"rule {decision.rule!r}: the alarm goes on", kind="alert")
        if decision.verdict is Verdict.ESCALATE:
            headline = "what was done has not helped: please look after it"
            tell("escalated", headline, kind="alert", severity="critical", page=ESCALATED_PAGE)
        refusals = set(decision.refusals)
        if Refusal.CIRCUIT_OPEN in refusals:
            headline = "the circuit breaker is open: please look after it"
            tell("circuit-open", headline, kind="alert", severity="critical", page=BREAKER_PAGE)
        elif Refusal.BLAST_RADIUS in refusals:
            headline = "too many endpoints are being acted on"
            tell("blast-radius", headline, kind="alert", severity="critical", page=RADIUS_PAGE)
        elif refusals and decision.action is not None:
            tell(f"{decision.level}-{'-'.join(sorted(refusals))}", f"no {decision.action} for now", page=PAGE)

    def _over_already(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        rings: "Sequence[InboxEvent]",
        states: dict[str, str],
        context: "Context",
    ) -> None:
        """Record alarms that events told of and that are over by now: nothing is done about them."""
        now = datetime.now(UTC)
        prefix = deployment.settings.resource_prefix
        told = [event for event in rings if state_of(event) == "ALARM"]
        for event in told:
            name = alarm_of(event)
            since, parts = datetime.fromisoformat(event.at), AlarmName.parse(name, prefix)
            fact = AlarmFact(name, name if parts is None else parts.condition, "ALARM", since)
            if not rules_of(_policy(spec), fact):
                continue
            if self._told_late(deployment, spec.registry_id, name, since, event.event_id):
                continue
            draft = IncidentRecord(
                incident_id=incident_name(spec.registry_id, since),
                endpoint=spec.registry_id,
                endpoint_name=spec.endpoint_name,
                state=IncidentState.OPEN.value,
                opened_at=moment_text(now),
                mode=_policy(spec).mode,
                event_ids=(event.event_id,),
            )
            found = states.get(name, "gone")
            why = f"{name} was {found}{' again' * (found == 'OK')} by the time it was asked: nothing was done"
            deployment.incidents.record_ended(draft, by=run_name(context), why=why, now=now)
            self.log.info("%s: %s", spec.registry_id, why)

    @staticmethod
    def _told_late(deployment: Deployment, endpoint: str, alarm: str, at: datetime, event_id: str) -> bool:
        """Return whether an event is of an incident that is over by now, and note it there: the clock was quicker."""
        for past in deployment.incidents.incidents(endpoint, at - _LONGEST_INCIDENT):
            began = parse_moment(past.incident_id.partition("-")[0]) - _EVENT_DELAY
            if alarm in past.alarms and past.ended_at and began <= at <= parse_moment(past.ended_at):
                deployment.incidents.update(
                    endpoint,
                    past.incident_id,
                    lambda there: msgspec.structs.replace(
                        there, event_ids=tuple(dict.fromkeys([*there.event_ids, event_id]))
                    ),
                )
                return True
        return False

    def _orphaned(
        self, deployment: Deployment, record: IncidentRecord, context: "Context", now: datetime
    ) -> IncidentRecord:
        """Take an incident from a run that was ended: what it began counts as done, what it had not is decided anew."""
        by, step = run_name(context), record.step
        began = step is not None and step.acted
        outcome = StepOutcome.NOT_VERIFIED if began else StepOutcome.POSTPONED
        why = f"the run {record.held_by} was ended before the incident was"

        def change(there: IncidentRecord) -> IncidentRecord:
            if there.held_by != record.held_by:
                return there
            state = IncidentState.UNRESOLVED if began else IncidentState.OPEN
            steps = there.with_step(outcome=outcome.value, verified=why) if there.steps else ()
            return there.moved(state, by=by, why=why, now=now, steps=steps)

        deployment.blast_radius.release(record.endpoint, now)
        return deployment.incidents.update(record.endpoint, record.incident_id, change)


def decided(
    record: IncidentRecord,
    decision: RemediationDecision,
    spec: "RemediationSpec",
    *,
    by: str,
    now: datetime,
    **noted: Any,
) -> IncidentRecord:
    """Return an incident's record with a decision on it."""
    verdict, why = decision.verdict, decision.reason
    if record.told_at is None and (verdict in {Verdict.ACT, Verdict.ESCALATE} or set(decision.refusals) - _QUIET):
        noted["told_at"] = moment_text(now)
    if verdict in {Verdict.CLOSE, Verdict.RECOVER}:
        state = IncidentState.CLOSED if verdict is Verdict.CLOSE else IncidentState.RECOVERED
        return record.moved(state, by=by, why=why, now=now, **noted)
    if verdict is Verdict.ESCALATE:
        return record.moved(IncidentState.ESCALATED, by=by, why=why, now=now, **noted)
    rule = spec.rule(decision.rule) if decision.rule else None
    if verdict is not Verdict.ACT or decision.action is None or rule is None:
        return record.moved(IncidentState(record.state), by=by, why=why, now=now, **noted)
    told = decision.action == "notify"
    step = IncidentStep(
        rule=rule.name,
        level=decision.level,
        action=decision.action,
        alarms=decision.acts_on,
        decided_at=moment_text(now),
        by=by,
        why=why,
        asks=decision.asks,
        allowed_by="" if decision.asks else f"the policy, mode {spec.mode}",
        outcome=StepOutcome.DONE.value if told else StepOutcome.DECIDED.value,
        started_at=moment_text(now) if told else None,
        done_at=moment_text(now) if told else None,
        watched_until=moment_text(now + timedelta(minutes=spec.patience_minutes(rule, "notify"))) if told else None,
    )
    state = IncidentState.OPEN if told else IncidentState.DECIDED
    return record.moved(state, by=by, why=why, now=now, steps=(*record.steps, step), **noted)


def remedied(deployment: Deployment, params: dict[str, Any]) -> "dict[str, EndpointSpec]":
    """Return the endpoints that have a policy, or those of them that a person named; ValueError for unknown names."""
    found = {name: spec for name, spec in deployment.registry.endpoints.items() if spec.is_remedied}
    wanted = list(params.get("endpoints") or ())
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        message = f"endpoints: {', '.join(unknown)} has no section remediation, or no file; known: {', '.join(found)}"
        raise ValueError(message)
    return {name: found[name] for name in wanted} if wanted else found


def _policy(spec: "EndpointSpec") -> "RemediationSpec":
    assert spec.remediation is not None, spec.registry_id  # noqa: S101 - remedied() leaves others out
    return spec.remediation
