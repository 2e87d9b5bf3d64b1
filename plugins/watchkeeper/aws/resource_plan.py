"""What has to change in AWS so that it holds what is declared: a pure difference, told as text and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from watchkeeper.aws.resource_place import ResourcePlace
from watchkeeper.errors import DocumentError

ResourceKind = Literal[
    "metric_alarm",
    "composite_alarm",
    "mute_rule",
    "dashboard",
    "event_rule",
    "queue_policy",
    "lifecycle_rule",
    "log_retention",
    "data_capture",
]
KINDS: tuple[ResourceKind, ...] = get_args(ResourceKind)
"""In the order in which they are made: what refers to others comes after them. Pruned in the opposite order."""
SETTINGS: frozenset[ResourceKind] = frozenset({"queue_policy", "log_retention", "data_capture"})
"""Kinds that set something on a thing of somebody else's: brought about, never pruned, owned by nobody."""
Action = Literal["create", "change", "prune", "conflict"]
_SIGNS: dict[Action, str] = {"create": "+", "change": "~", "prune": "-", "conflict": "!"}
_SHOWN = 160
_FORMAT = 1


@dataclass(frozen=True)
class Resource:
    """One thing that AWS shall hold. ``scope`` is the endpoint that it is for, or the fleet; ``body`` is compared."""

    kind: ResourceKind
    name: str
    scope: str
    body: Mapping[str, Any]
    place: ResourcePlace = field(default_factory=ResourcePlace)

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is found by."""
        return self.kind, str(self.place), self.name


@dataclass(frozen=True)
class FoundResource:
    """One thing that AWS holds under one of our names. ``owner`` is the deployment that its mark names, if any."""

    kind: ResourceKind
    name: str
    scope: str
    body: Mapping[str, Any]
    owner: str | None
    place: ResourcePlace = field(default_factory=ResourcePlace)
    arn: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is found by."""
        return self.kind, str(self.place), self.name


@dataclass(frozen=True)
class FieldChange:
    """One field that differs; ``None`` where it is not there."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True)
class ResourceChange:
    """One thing to create, change or prune, or that stands in the way; ``body`` is what it shall be."""

    action: Action
    kind: ResourceKind
    name: str
    scope: str
    place: ResourcePlace = field(default_factory=ResourcePlace)
    fields: tuple[FieldChange, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    def lines(self) -> Iterator[str]:
        """Yield it as text: what is done, then each field."""
        where = "" if self.place.is_home else f" ({self.place})"
        yield f"{_SIGNS[self.action]} {self.action} {self.kind} {self.name}{where}{f': {self.why}' if self.why else ''}"
        if self.action == "change":
            yield from (f"    {change}" for change in self.fields)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "place": str(self.place)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ResourceChange":
        """Return the change that ``as_document`` gave."""
        fields = tuple(FieldChange(**item) for item in document["fields"])
        return cls(**{**document, "fields": fields, "place": ResourcePlace.parse(document["place"])})

    @property
    def resource(self) -> Resource:
        """What it shall be, of a change that is no pruning."""
        return Resource(self.kind, self.name, self.scope, self.body, self.place)


@dataclass(frozen=True)
class ResourcePlan:
    """All that differs, what was left out with its reason, and what could not be looked at.

    ``unchanged`` counts by kind. ``faults`` are told once and make the run fail; ``notes`` do not.
    """

    run: str
    deployment: str
    made_at: str
    changes: tuple[ResourceChange, ...] = ()
    unchanged: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)

    @property
    def to_do(self) -> tuple[ResourceChange, ...]:
        """The changes that applying brings about: all but conflicts."""
        return tuple(change for change in self.changes if change.action != "conflict")

    @property
    def conflicts(self) -> tuple[ResourceChange, ...]:
        """What stands in the way and is never touched."""
        return tuple(change for change in self.changes if change.action == "conflict")

    def counts(self) -> dict[str, int]:
        """Return how many changes there are of each action, and how much is as declared."""
        found = Counter(change.action for change in self.changes)
        return {**{action: found[action] for action in _SIGNS}, "unchanged": sum(self.unchanged.values())}

    def summary(self) -> str:
        """Return it in a line: ``3 to create, 1 to change, 0 to prune, 0 conflicts, 12 as declared``."""
        counts = self.counts()
        return (
            f"{counts['create']} to create, {counts['change']} to change, {counts['prune']} to prune, "
            f"{counts['conflict']} conflicts, {counts['unchanged']} as declared"
        )

    def text(self) -> str:
        """Return the plan as people read it, scope by scope."""
        lines = [f"Plan {self.run} of {self.deployment}, made {self.made_at}", self.summary()]
        for scope in dict.fromkeys(change.scope for change in self.changes):
            lines += ["", scope]
            lines += [f"  {line}" for change in self.changes if change.scope == scope for line in change.lines()]
        for title, told in (("Left out", self.notes), ("Could not be looked at", self.faults)):
            if told:
                lines += ["", f"{title}:", *(f"  {line}" for line in told)]
        if self.cost:
            lines += ["", "Cost:", *(f"  {name}: {value}" for name, value in self.cost.items())]
        return "\n".join(lines) + "\n"

    def encoded(self) -> bytes:
        """Return the plan as JSON."""
        document = {
            "format": _FORMAT,
            **{name: getattr(self, name) for name in ("run", "deployment", "made_at", "notes", "faults")},
            "counts": self.counts(),
            "unchanged": dict(self.unchanged),
            "cost": dict(self.cost),
            "changes": [change.as_document() for change in self.changes],
        }
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def decoded(cls, body: bytes, subject: str) -> "ResourcePlan":
        """Return the plan that ``encoded`` gave; DocumentError for anything else."""
        try:
            document = json.loads(body)
            if document["format"] != _FORMAT:
                raise DocumentError(subject, f"format {document['format']}", f"Plan again: this code reads {_FORMAT}.")
            return cls(
                run=document["run"],
                deployment=document["deployment"],
                made_at=document["made_at"],
                changes=tuple(ResourceChange.from_document(item) for item in document["changes"]),
                unchanged=document["unchanged"],
                notes=tuple(document["notes"]),
                faults=tuple(document["faults"]),
                cost=document["cost"],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, DocumentError):
                raise
            raise DocumentError(subject, "no plan that can be read", "Run the DAG infrastructure again.") from error

    def of_scopes(self, scopes: Iterable[str]) -> "ResourcePlan":
        """Return the part of the plan that is about these scopes."""
        wanted = set(scopes)
        return replace(self, changes=tuple(change for change in self.changes if change.scope in wanted))


@dataclass(frozen=True)
class Difference:
    """What a comparison came to; ``unchanged`` are the things that are as declared."""

    changes: tuple[ResourceChange, ...]
    unchanged: tuple[Resource, ...]


def compare(
    desired: Iterable[Resource],
    found: Iterable[FoundResource],
    deployment: str,
    held: frozenset[str] = frozenset(),
) -> Difference:
    """Return what differs. Nothing without our mark is touched, and nothing that is held is pruned.

    ``held`` names scopes, and things by name, whose declaration is not known at the moment.
    """
    wanted = {resource.key: resource for resource in desired}
    present = {resource.key: resource for resource in found}
    changes, unchanged = [], []
    for key, resource in wanted.items():
        there = present.get(key)
        if there is None:
            changes.append(_change("create", resource))
        elif resource.kind not in SETTINGS and there.owner != deployment:
            changes.append(_change("conflict", resource, why=_whose(there, deployment)))
        elif fields := tuple(differences(there.body, resource.body)):
            changes.append(_change("change", resource, fields))
        else:
            unchanged.append(resource)
    for key, there in present.items():
        ours = there.owner == deployment and there.kind not in SETTINGS
        if key not in wanted and ours and there.scope not in held and there.name not in held:
            changes.append(ResourceChange("prune", there.kind, there.name, there.scope, there.place))
    return Difference(tuple(sorted(changes, key=_order)), tuple(unchanged))


def differences(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield every field that differs, by its path; lists of one length item by item, others whole."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}, key=str):
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(name), after.get(name), inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    elif before != after:
        yield FieldChange(path, before, after)


def make_order(change: ResourceChange) -> tuple[int, str]:
    """Return where a change stands among others when they are brought about: made first things first, pruned last."""
    rank = KINDS.index(change.kind)
    return (2 * len(KINDS) - rank if change.action == "prune" else rank), change.name


def _order(change: ResourceChange) -> tuple[str, int, str, str]:
    return change.scope, *make_order(change), str(change.place)


def _change(action: Action, resource: Resource, fields: tuple[FieldChange, ...] = (), why: str = "") -> ResourceChange:
    return ResourceChange(
        action, resource.kind, resource.name, resource.scope, resource.place, fields, resource.body, why
    )


def _whose(there: FoundResource, deployment: str) -> str:
    owner = f"belongs to deployment {there.owner}" if there.owner else "is nobody's by its mark"
    return f"it is there already and {owner}, not {deployment}'s; rename or delete it, or set another resource_prefix"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
