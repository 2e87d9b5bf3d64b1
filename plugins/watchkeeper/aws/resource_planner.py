"""Looks at AWS, works out what differs, brings it about, and looks again."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.alarm_holder import AlarmHolder
from watchkeeper.aws.resource_plan import (
    FoundResource,
    Resource,
    ResourceChange,
    ResourceKind,
    compare,
    make_order,
)

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_holder import ResourceHolder
    from watchkeeper.aws.resource_place import ResourcePlace


@dataclass(frozen=True)
class Comparison:
    """What differs, how much is as declared by kind, and what could not be looked at: a kind in a place."""

    changes: tuple[ResourceChange, ...]
    unchanged: Mapping[str, int]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    blind: "frozenset[tuple[ResourceKind, ResourcePlace]]" = frozenset()


@dataclass(frozen=True)
class ApplyOutcome:
    """What was done, what was done by somebody else meanwhile, and what failed or did not stay."""

    applied: tuple[ResourceChange, ...] = ()
    settled: tuple[ResourceChange, ...] = ()
    replanned: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourcePlanner:
    """Compares and applies. ``places`` are all that are looked at; ``home`` is the way to the deployment's own."""

    deployment: str
    home: "AwsAccess"
    places: "tuple[ResourcePlace, ...]"
    holders: "tuple[ResourceHolder, ...]"

    def compare(
        self,
        desired: Sequence[Resource],
        scopes: frozenset[str] | None,
        held: frozenset[str] = frozenset(),
        only: "frozenset[tuple[str, str, str]] | None" = None,
    ) -> Comparison:
        """Return what differs from ``desired`` in these scopes (all if ``None``); changes nothing.

        A kind that cannot be read somewhere is left out there, as nothing is planned blindly: a fault if it is
        declared. ``only`` keeps to changes of these very things.
        """
        found, unread = self._found(scopes)
        blind = frozenset(where for holder_blind in unread.values() for where in holder_blind)
        declared = {(one.kind, one.place) for one in desired}
        # What nobody declares need not be readable: a role may well lack the permission.
        faults = [why for why, where in unread.items() if where & declared]
        notes = [f"{why} Nothing of it is declared, and nothing pruned." for why in unread if why not in faults]
        seen = [one for one in desired if (one.kind, one.place) not in blind]
        difference = compare(seen, found, self.deployment, held)
        changes = [one for one in difference.changes if only is None or change_key(one) in only]
        unchanged = Counter(str(one.kind) for one in difference.unchanged)
        return Comparison(self._confirmed(changes, found), unchanged, tuple(faults), tuple(notes), blind)

    def apply(self, planned: Sequence[ResourceChange]) -> ApplyOutcome:
        """Bring planned changes about; compares with AWS anew first and afterwards, so that it may be run again.

        What is as planned by now is left alone. What AWS holds otherwise than the plan said is brought to what was
        planned all the same, and told; what is not ours, never.
        """
        before = self._compare_planned(planned)
        now = {change_key(change): change for change in before.changes}
        to_do, settled, replanned, faults = [], [], [], list(before.faults)
        for change in planned:
            current = now.get(change_key(change))
            if (change.kind, change.place) in before.blind:
                continue
            if current is None:
                settled.append(change)
            elif current.action == "conflict":
                faults.append(f"{change.kind} {change.name}: {current.why}")
            else:
                to_do.append(current)
                if (current.action, current.fields) != (change.action, change.fields):
                    replanned.append(f"{change.kind} {change.name} has changed in AWS since it was planned")
        failed = self._bring_about(to_do)
        after = self._compare_planned(planned)
        left = {change_key(change): change for change in after.changes}
        told = " ".join(failed)
        for change in to_do:
            remaining = left.get(change_key(change))
            # The whole name: that of one alarm may begin with another's.
            if remaining is not None and not re.search(rf"{re.escape(change.name)}(?![\w/-])", told):
                fields = "; ".join(map(str, remaining.fields)) or remaining.action
                failed.append(f"{change.kind} {change.name} is not as it was written: {fields}")
        applied = tuple(change for change in to_do if change_key(change) not in left)
        faults = list(dict.fromkeys([*faults, *failed, *after.faults]))
        return ApplyOutcome(applied, tuple(settled), tuple(replanned), tuple(faults))

    def _compare_planned(self, planned: Sequence[ResourceChange]) -> Comparison:
        """Compare AWS with what was planned, and with nothing else."""
        desired = [change.resource for change in planned if change.action != "prune"]
        only = frozenset(map(change_key, planned))
        return self.compare(desired, frozenset(change.scope for change in planned), only=only)

    def _found(
        self, scopes: frozenset[str] | None
    ) -> "tuple[list[FoundResource], dict[str, frozenset[tuple[ResourceKind, ResourcePlace]]]]":
        """Return what there is, and why some kinds in some places could not be read."""
        from botocore.exceptions import BotoCoreError, ClientError

        from watchkeeper.errors import WatchkeeperError

        found: list[FoundResource] = []
        unread: dict[str, frozenset[tuple[ResourceKind, ResourcePlace]]] = {}
        for place in self.places:
            access = place.access(self.home)
            for holder in self.holders:
                try:
                    found += list(holder.find(access, place, scopes))
                except (ClientError, BotoCoreError, WatchkeeperError) as error:
                    what = " and ".join(holder.kinds).replace("_", " ")
                    why = f"{what} in {place} could not be read: {' '.join(str(error).split())}"
                    unread[why] = frozenset((kind, place) for kind in holder.kinds)
        return found, unread

    def _confirmed(
        self, changes: Iterable[ResourceChange], found: Iterable[FoundResource]
    ) -> tuple[ResourceChange, ...]:
        """Ask for the tags of alarms that are to be changed or pruned: a description can be copied by anybody."""
        present = {one.key: one for one in found}
        holders = {kind: holder for holder in self.holders for kind in holder.kinds}
        confirmed = []
        for change in changes:
            holder: Any = holders.get(change.kind)
            if change.action in {"change", "prune"} and isinstance(holder, AlarmHolder):
                there = present[change.kind, str(change.place), change.name]
                owner = holder.tagged_owner(change.place.access(self.home), there)
                if owner != self.deployment:
                    whose = f"deployment {owner}" if owner else "nobody"
                    why = f"its description says that it is ours, its tags that it belongs to {whose}; it is left alone"
                    confirmed.append(replace(change, action="conflict", why=why))
                    continue
            confirmed.append(change)
        return tuple(confirmed)

    def _bring_about(self, changes: Sequence[ResourceChange]) -> list[str]:
        faults: list[str] = []
        ordered = sorted(changes, key=make_order)
        groups: dict[tuple[ResourcePlace, int, str, bool], list[ResourceChange]] = {}
        for change in ordered:
            rank, _ = make_order(change)
            groups.setdefault((change.place, rank, change.kind, change.action == "prune"), []).append(change)
        for (place, *_), group in sorted(groups.items(), key=lambda item: item[0][1]):
            holder = next(one for one in self.holders if group[0].kind in one.kinds)
            faults += list(holder.bring_about(group, place.access(self.home)))
        return faults


def change_key(change: ResourceChange) -> tuple[str, str, str]:
    """Return what a change is about."""
    return change.kind, str(change.place), change.name
