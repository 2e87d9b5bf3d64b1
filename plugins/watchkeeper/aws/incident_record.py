"""An incident's audit record: which alarms, what was done about them, who allowed it, and how it was verified."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.registry.capture_window import moment_text, parse_moment

if TYPE_CHECKING:
    from watchkeeper.registry.remediation_policy import OpenIncident, PastAction


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    DECIDED = "decided"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    ACTING = "acting"
    VERIFYING = "verifying"
    UNRESOLVED = "unresolved"
    ESCALATED = "escalated"
    RECOVERED = "recovered"
    CLOSED = "closed"


#: A run works on it: no other may.
HELD = frozenset(
    {
        IncidentState.DECIDED,
        IncidentState.AWAITING_APPROVAL,
        IncidentState.APPROVED,
        IncidentState.ACTING,
        IncidentState.VERIFYING,
    }
)
ENDED = frozenset({IncidentState.RECOVERED, IncidentState.CLOSED})


class StepOutcome(StrEnum):
    """What came of a step."""

    DECIDED = "decided"
    POSTPONED = "postponed"
    REJECTED = "rejected"
    ACTING = "acting"
    REFUSED = "refused"
    DONE = "done"
    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"


_ACTED = frozenset({StepOutcome.ACTING, StepOutcome.DONE, StepOutcome.VERIFIED, StepOutcome.NOT_VERIFIED})


class AlarmEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What CloudWatch said of an alarm: its state, since when and why; ``values`` are its metric's newest points.

    Points are pairs of a time and a value, oldest first.
    """

    state: str
    since: str
    reason: str = ""
    values: tuple[tuple[str, float], ...] = ()


class IncidentStep(msgspec.Struct, frozen=True, kw_only=True):
    """One action of an incident. ``level`` is its place in its rule, from 0; ``allowed_by`` the policy or a person.

    ``done_at`` is when AWS took the request, ``settled_at`` when it was seen to hold.

    ``target`` is what it is to bring about, written before it is done, so that a retry does the same. ``before`` and
    ``after`` hold ``config``, ``instances`` and ``weights`` by variant, and ``alarms`` with their evidence.
    """

    rule: str
    level: int
    action: str
    alarms: tuple[str, ...]
    decided_at: str
    by: str
    why: str
    allowed_by: str = ""
    asks: bool = False
    outcome: str = StepOutcome.DECIDED.value
    started_at: str | None = None
    done_at: str | None = None
    settled_at: str | None = None
    watched_until: str | None = None
    verified: str = ""
    target: dict[str, Any] = {}
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}

    @property
    def acted(self) -> bool:
        """Whether it did something, as far as one can know."""
        return self.outcome in _ACTED


class IncidentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an incident: when it came into a state, who or which run brought it there, and why."""

    state: str
    at: str
    by: str
    why: str


class IncidentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``incident.json``: where the incident stands, and everything that happened to it, oldest first.

    ``alarms`` are all that went off during it, with what was said of them first. ``held_by`` is the run that works on
    it, ``event_ids`` the events that told of it. ``mode`` is the policy's at its opening, ``told_at`` when people were
    first to be told: not of an alarm that does not last.
    """

    incident_id: str
    endpoint: str
    endpoint_name: str
    state: str
    opened_at: str
    mode: str = ""
    severity: str = "warning"
    ended_at: str | None = None
    told_at: str | None = None
    held_by: str = ""
    alarms: dict[str, AlarmEvidence] = {}
    event_ids: tuple[str, ...] = ()
    steps: tuple[IncidentStep, ...] = ()
    history: tuple[IncidentEvent, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ENDED

    @property
    def is_held(self) -> bool:
        """Whether a run works on it."""
        return self.state in HELD

    @property
    def step(self) -> IncidentStep | None:
        """The newest step, if there is any."""
        return self.steps[-1] if self.steps else None

    @property
    def why(self) -> str:
        """Why it stands where it stands."""
        return self.history[-1].why if self.history else ""

    def moved(self, state: IncidentState, *, by: str, why: str, now: datetime, **fields: Any) -> "IncidentRecord":
        """Return the record in a state, with further ``fields``; what is said again adds no event."""
        event = IncidentEvent(state=state.value, at=moment_text(now), by=by, why=why)
        last = self.history[-1] if self.history else None
        same = last is not None and (last.state, last.why) == (event.state, event.why)
        return msgspec.structs.replace(
            self,
            state=state.value,
            history=self.history if same else (*self.history, event),
            held_by=by if state in HELD else "",
            ended_at=(self.ended_at or moment_text(now)) if state in ENDED else None,
            **fields,
        )

    def with_step(self, **fields: Any) -> "tuple[IncidentStep, ...]":
        """Return the steps, the newest one changed."""
        if not self.steps:
            message = f"incident {self.incident_id} has no step yet"
            raise ValueError(message)
        return (*self.steps[:-1], msgspec.structs.replace(self.steps[-1], **fields))

    def as_open(self, *, held: bool) -> "OpenIncident":
        """Return what the policy looks at; ``held`` says that the run which holds it lives."""
        from watchkeeper.registry.remediation_policy import OpenIncident, PastStep

        return OpenIncident(
            incident_id=self.incident_id,
            alarms=tuple(self.alarms),
            steps=tuple(
                PastStep(
                    rule=step.rule,
                    level=step.level,
                    action=step.action,  # type: ignore[arg-type]  # a record tells what a policy said
                    acted=step.acted,
                    postponed=step.outcome == StepOutcome.POSTPONED,
                    watched_until=parse_moment(step.watched_until) if step.watched_until else None,
                )
                for step in self.steps
            ),
            holder=self.held_by if held else None,
            escalated=self.state == IncidentState.ESCALATED,
        )

    def past_actions(self) -> "tuple[PastAction, ...]":
        """Return when the endpoint was acted on for this incident."""
        from watchkeeper.registry.remediation_policy import PastAction

        return tuple(
            PastAction(self.incident_id, parse_moment(step.started_at))
            for step in self.steps
            if step.acted and step.action != "notify" and step.started_at
        )
