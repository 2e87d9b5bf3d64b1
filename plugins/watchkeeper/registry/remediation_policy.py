"""What an endpoint's alarms call for, and what forbids it: a function of records and the time."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from watchkeeper.registry.alarm_condition import DAILY
from watchkeeper.registry.capture_window import moment_text, utc_moment
from watchkeeper.registry.fleet_remediation_spec import FleetRemediationSpec
from watchkeeper.registry.remediation_spec import (
    CHANGES_OF_ENDPOINT,
    HANDED_OVER,
    ActionName,
    CircuitBreakerSpec,
    RemediationRule,
    RemediationSpec,
)


class Verdict(StrEnum):
    """What is to be done about an endpoint now."""

    NOTHING = "nothing"
    WAIT = "wait"
    ACT = "act"
    ESCALATE = "escalate"
    CLOSE = "close"
    RECOVER = "recover"


class Refusal(StrEnum):
    """What forbids an action, or makes it wait."""

    NOT_PERSISTENT = "not_persistent"
    UNDER_WAY = "under_way"
    PATIENCE = "patience"
    EXHAUSTED = "exhausted"
    BUSY = "busy"
    MAINTENANCE = "maintenance"
    CIRCUIT_OPEN = "circuit_open"
    COOLDOWN = "cooldown"
    BLAST_RADIUS = "blast_radius"
    DRY_RUN = "dry_run"


@dataclass(frozen=True)
class AlarmFact:
    """An alarm as CloudWatch answers now. ``condition`` is the whole name of an alarm that is not ours."""

    name: str
    condition: str
    state: str
    since: datetime
    variant: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class PastStep:
    """A step of the incident at hand: ``level`` is its place in the rule, from 0.

    ``acted`` says that it did something, ``postponed`` that it did not and is to be decided anew; its effect is waited
    for until ``watched_until``.
    """

    rule: str
    level: int
    action: ActionName
    acted: bool = False
    postponed: bool = False
    watched_until: datetime | None = None


@dataclass(frozen=True)
class OpenIncident:
    """The incident at hand; ``holder`` is the run that works on it and lives, ``alarms`` are those it is about."""

    incident_id: str
    alarms: tuple[str, ...] = ()
    steps: tuple[PastStep, ...] = ()
    holder: str | None = None
    escalated: bool = False


@dataclass(frozen=True)
class PastAction:
    """When the endpoint was acted on, and for which incident; messages and dry runs are no actions."""

    incident_id: str
    at: datetime


@dataclass(frozen=True)
class Breaker:
    """The endpoint's circuit breaker: when it opened, and when a person closed it, if either ever was."""

    opened_at: datetime | None = None
    closed_at: datetime | None = None

    def is_open(self, spec: CircuitBreakerSpec, now: datetime) -> bool:
        """Return whether nothing may be done."""
        if self.opened_at is None or (self.closed_at is not None and self.closed_at >= self.opened_at):
            return False
        return spec.closes_after_hours is None or now < self.opened_at + timedelta(hours=spec.closes_after_hours)

    def counts_since(self, spec: CircuitBreakerSpec, now: datetime) -> datetime:
        """Return from when on actions count: those before it closed last are forgiven."""
        reset = [moment for moment in (self.closed_at,) if moment is not None]
        if self.opened_at is not None and spec.closes_after_hours is not None:
            reset.append(min(now, self.opened_at + timedelta(hours=spec.closes_after_hours)))
        return max([now - timedelta(hours=spec.within_hours), *reset])


@dataclass(frozen=True)
class Surroundings:
    """What is going on besides: ``busy`` says why the endpoint must not be updated now.

    ``acting`` are the endpoints that are being acted on, ``acted`` those of the last hour.
    """

    busy: str | None = None
    acting: frozenset[str] = frozenset()
    acted: frozenset[str] = frozenset()
    fleet_size: int = 1


@dataclass(frozen=True)
class RemediationDecision:
    """What to do about an endpoint, why in one sentence, and what forbids it.

    ``alarms`` are the names of those in alarm that a rule follows, ``acts_on`` those of the rule that is followed: the
    action is for them, and they tell whether it helped. ``incident_id`` is the incident at hand or the one to open,
    ``None`` where there is none. ``level`` is the action's place in its rule. ``asks`` says that a person has to
    confirm it, ``opens_breaker`` that the circuit breaker opens with this decision.
    """

    verdict: Verdict
    reason: str
    incident_id: str | None = None
    alarms: tuple[str, ...] = ()
    acts_on: tuple[str, ...] = ()
    rule: str | None = None
    action: ActionName | None = None
    level: int = 0
    asks: bool = False
    opens_breaker: bool = False
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """The next step of a rule whose alarms have lasted long enough."""

    rule: RemediationRule
    alarms: tuple[AlarmFact, ...]
    level: int
    action: ActionName
    asks: bool


@dataclass(frozen=True)
class _Choice:
    candidates: list[_Candidate] = field(default_factory=list)
    waiting: list[tuple[Refusal, str]] = field(default_factory=list)
    exhausted: list[RemediationRule] = field(default_factory=list)


def decide_remediation(
    spec: RemediationSpec,
    fleet: FleetRemediationSpec,
    endpoint: str,
    alarms: Sequence[AlarmFact],
    incident: OpenIncident | None,
    past_actions: Sequence[PastAction],
    breaker: Breaker,
    surroundings: Surroundings,
    now: datetime,
    *,
    ended: Collection[str] = (),
) -> RemediationDecision:
    """Return what to do about an endpoint now, by its policy.

    Alarms count as they are now, whatever events said. All alarms of an endpoint that go off before the first of them
    is over are one incident, and of one incident one action at a time is done. ``ended`` are ids of incidents that have
    come to their end: an alarm that goes on after a person closed its incident opens no second one.
    """
    now = utc_moment(now)
    going_off = sorted((fact for fact in alarms if fact.state == "ALARM" and _followed(spec, fact)), key=_age)
    names = tuple(fact.name for fact in going_off)
    if not going_off:
        return _without_alarm(alarms, incident)
    incident_id = incident.incident_id if incident is not None else incident_name(endpoint, going_off[0].since)
    told = _told(going_off)
    if incident is None and incident_id in ended:
        reason = f"Nothing: {told}, whose incident a person has closed; it must be OK before it counts again."
        return RemediationDecision(Verdict.NOTHING, reason, incident_id, names)
    if incident is not None and (incident.holder or incident.escalated):
        why = f"the run {incident.holder} works on it" if incident.holder else "people were asked to look after it"
        return RemediationDecision(
            Verdict.NOTHING, f"Nothing: {told}, and {why}.", incident_id, names, refusals=(Refusal.UNDER_WAY,)
        )
    steps = () if incident is None else incident.steps
    choice = _choose(spec, going_off, steps, now)
    if not choice.candidates:
        return _nothing_to_choose(choice, steps, incident_id, names, told)
    # A message is not to hold up what may help: who opened the incident was told already.
    chosen = next((item for item in choice.candidates if item.action != "notify"), choice.candidates[0])
    refusals, whys, opens = _guards(
        spec, fleet, endpoint, chosen, incident_id, past_actions, breaker, surroundings, now
    )
    step = f"{chosen.action} (step {chosen.level + 1} of rule {chosen.rule.name!r})"
    reason = f"{step}: {told}." if not refusals else f"No {step}: {told}, but {' and '.join(whys)}."
    return RemediationDecision(
        Verdict.WAIT if refusals else Verdict.ACT,
        reason,
        incident_id,
        names,
        acts_on=tuple(fact.name for fact in chosen.alarms),
        rule=chosen.rule.name,
        action=chosen.action,
        level=chosen.level,
        asks=chosen.action != "notify" and (chosen.asks or spec.mode == "approval"),
        opens_breaker=opens,
        refusals=refusals,
    )


def incident_name(endpoint: str, since: datetime) -> str:
    """Return the id of the incident whose first alarm went off at ``since``."""
    digest = hashlib.sha256(f"{endpoint}\0{moment_text(since)}".encode()).hexdigest()[:8]
    return f"{utc_moment(since):%Y%m%dT%H%M%SZ}-{digest}"


def rules_of(spec: RemediationSpec, fact: AlarmFact) -> tuple[RemediationRule, ...]:
    """Return the rules that follow an alarm, by its condition or by its whole name.

    Monitors that judge days only have an alarm of their own beside the hourly one: who follows ``violations`` follows
    ``violations_daily``.
    """
    names = {fact.name, fact.condition, fact.condition.removesuffix(DAILY)}
    return tuple(rule for rule in spec.rules if not names.isdisjoint(rule.alarms))


def _followed(spec: RemediationSpec, fact: AlarmFact) -> bool:
    return bool(rules_of(spec, fact))


def _age(fact: AlarmFact) -> tuple[datetime, str]:
    return fact.since, fact.name


def _told(going_off: Sequence[AlarmFact]) -> str:
    first = going_off[0]
    more = f" and {len(going_off) - 1} more" if len(going_off) > 1 else ""
    return f"{first.name}{more} in alarm since {moment_text(first.since)}"


def _without_alarm(alarms: Sequence[AlarmFact], incident: OpenIncident | None) -> RemediationDecision:
    """Return what is to be done where no alarm goes off: an incident ends when all its alarms are OK."""
    if incident is None:
        return RemediationDecision(Verdict.NOTHING, "Nothing: no alarm that a rule follows is in alarm now.")
    if incident.holder:
        reason = f"Nothing: its alarms are over, and the run {incident.holder} works on it."
        return RemediationDecision(Verdict.NOTHING, reason, incident.incident_id, refusals=(Refusal.UNDER_WAY,))
    states = {fact.name: fact.state for fact in alarms}
    unsure = sorted(name for name in incident.alarms if states.get(name, "OK") != "OK")
    if unsure:
        reason = f"Nothing: {', '.join(unsure)} has too few data to say that it is over."
        return RemediationDecision(Verdict.WAIT, reason, incident.incident_id)
    helped = [step.action for step in incident.steps if step.acted and step.action != "notify"]
    if helped:
        reason = f"Recovered: its alarms are OK after {', then '.join(helped)}."
        return RemediationDecision(Verdict.RECOVER, reason, incident.incident_id)
    return RemediationDecision(Verdict.CLOSE, "Over: its alarms are OK again by themselves.", incident.incident_id)


def _choose(spec: RemediationSpec, going_off: Sequence[AlarmFact], steps: Iterable[PastStep], now: datetime) -> _Choice:
    """Return the next step of each rule that has one, and what the others wait for."""
    choice = _Choice()
    done = [step for step in steps if not step.postponed]
    for rule in spec.rules:
        alarms = tuple(fact for fact in going_off if rule in rules_of(spec, fact))
        if not alarms:
            continue
        own = [step for step in done if step.rule == rule.name]
        level = max((step.level + 1 for step in own), default=0)
        watched = max((step.watched_until for step in own if step.watched_until is not None), default=None)
        lasted = now - min(fact.since for fact in alarms)
        if watched is not None and now < watched:
            choice.waiting.append((Refusal.PATIENCE, f"what was done has until {moment_text(watched)} to help"))
        elif level >= len(rule.steps):
            choice.exhausted.append(rule)
        elif lasted < timedelta(minutes=rule.persists_minutes):
            needed = f"rule {rule.name!r} wants it to last {rule.persists_minutes} minutes"
            choice.waiting.append((Refusal.NOT_PERSISTENT, needed))
        else:
            action, asks = rule.steps[level]
            choice.candidates.append(_Candidate(rule, alarms, level, action, asks))
    return choice


def _nothing_to_choose(
    choice: _Choice, steps: Iterable[PastStep], incident_id: str, names: tuple[str, ...], told: str
) -> RemediationDecision:
    tried = {step.rule: step.action for step in steps if not step.postponed and step.action != "notify"}
    failed = [rule for rule in choice.exhausted if rule.name in tried]
    # Another rule may yet have its turn: people have the incident for good when it is escalated.
    to_come = any(refusal is Refusal.NOT_PERSISTENT for refusal, _ in choice.waiting)
    if failed and not to_come:
        reason = f"Escalated to people: {told} after all steps of rule {failed[0].name!r}."
        return RemediationDecision(
            Verdict.ESCALATE, reason, incident_id, names, rule=failed[0].name, refusals=(Refusal.EXHAUSTED,)
        )
    if choice.waiting:
        refusals = tuple(dict.fromkeys(refusal for refusal, _ in choice.waiting))
        whys = " and ".join(dict.fromkeys(why for _, why in choice.waiting))
        return RemediationDecision(
            Verdict.WAIT, f"No action yet: {told}, but {whys}.", incident_id, names, refusals=refusals
        )
    reason = f"Nothing more: {told}; people were told, and no rule says more."
    return RemediationDecision(Verdict.WAIT, reason, incident_id, names, refusals=(Refusal.EXHAUSTED,))


def _guards(
    spec: RemediationSpec,
    fleet: FleetRemediationSpec,
    endpoint: str,
    chosen: _Candidate,
    incident_id: str,
    past_actions: Sequence[PastAction],
    breaker: Breaker,
    surroundings: Surroundings,
    now: datetime,
) -> tuple[tuple[Refusal, ...], list[str], bool]:
    """Return what forbids an action, the same in words, and whether the circuit breaker opens by it."""
    if chosen.action == "notify":
        return (), [], False
    found: dict[Refusal, str] = {}
    if surroundings.busy is not None and chosen.action in CHANGES_OF_ENDPOINT:
        found[Refusal.BUSY] = surroundings.busy
    forbidden = forbidden_now(spec, fleet, now)
    found |= {refusal: why for refusal, why in forbidden.items() if refusal is not Refusal.DRY_RUN}
    circuit = spec.circuit_breaker
    since = breaker.counts_since(circuit, now)
    count = sum(utc_moment(action.at) > since for action in past_actions)
    is_open = breaker.is_open(circuit, now)
    opens = not is_open and count >= circuit.maximum_actions
    if is_open or opens:
        closing = (
            "a person has to close it"
            if circuit.closes_after_hours is None
            else f"it closes after {circuit.closes_after_hours} hours"
        )
        found[Refusal.CIRCUIT_OPEN] = f"the circuit breaker is open, and {closing}"
    others = [utc_moment(action.at) for action in past_actions if action.incident_id != incident_id]
    if others and now - max(others) < timedelta(minutes=spec.cooldown_minutes):
        found[Refusal.COOLDOWN] = (
            f"the last action, of {moment_text(max(others))}, is less than {spec.cooldown_minutes} minutes ago"
        )
    found |= _blast_radius(fleet, endpoint, surroundings)
    found |= forbidden
    return tuple(found), list(found.values()), opens and Refusal.DRY_RUN not in found


def forbidden_now(spec: RemediationSpec, fleet: FleetRemediationSpec, now: datetime) -> dict[Refusal, str]:
    """Return what in the files forbids every action now, with why; it is asked again after waiting for a person."""
    found: dict[Refusal, str] = {}
    windows = {**fleet.maintenance_windows, **spec.maintenance_windows}
    window = next((name for name, held in windows.items() if held.holds(now)), None)
    if window is not None:
        found[Refusal.MAINTENANCE] = f"it is maintenance ({window})"
    if spec.mode == "dry_run" or not fleet.enabled:
        found[Refusal.DRY_RUN] = "the mode is dry_run" if fleet.enabled else "remediation is off for the whole fleet"
    return found


def _blast_radius(fleet: FleetRemediationSpec, endpoint: str, around: Surroundings) -> dict[Refusal, str]:
    at_once, per_hour = fleet.at_once(around.fleet_size), fleet.per_hour(around.fleet_size)
    if len(around.acting - {endpoint}) >= at_once:
        return {Refusal.BLAST_RADIUS: f"{at_once} other endpoints are being acted on, and no more may be at once"}
    if len(around.acted - {endpoint}) >= per_hour:
        return {Refusal.BLAST_RADIUS: f"{per_hour} other endpoints were acted on within the hour, and no more may be"}
    return {}


def is_watched_by_later_runs(action: ActionName) -> bool:
    """Return whether nobody waits for an action's effect: the next runs look whether its alarm is OK."""
    return action in HANDED_OVER
