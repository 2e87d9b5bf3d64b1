"""Which endpoint file an event speaks of, by names and tags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchkeeper.registry.alarm_name import AlarmName

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: What we tag with an endpoint's registry id in AWS.
ENDPOINT_TAG = "watchkeeper:endpoint"


@dataclass(frozen=True)
class _Place:
    """One endpoint file, and where its endpoint is; ``None`` for a region or an account that the file does not name."""

    registry_id: str
    region: str | None
    account: str | None

    def may_be_in(self, account: str, region: str) -> bool:
        return (not region or self.region in {None, region}) and (not account or self.account in {None, account})


@dataclass(frozen=True)
class EndpointIndex:
    """The endpoints of a registry by the names under which events speak of them."""

    ids: frozenset[str] = frozenset()
    names: Mapping[str, tuple[_Place, ...]] = field(default_factory=dict)
    pipelines: Mapping[str, tuple[_Place, ...]] = field(default_factory=dict)
    package_groups: Mapping[str, tuple[_Place, ...]] = field(default_factory=dict)
    resource_prefix: str = ""

    @classmethod
    def of(cls, specs: "Iterable[EndpointSpec]", resource_prefix: str = "") -> "EndpointIndex":
        """Return the index of endpoint files; ``resource_prefix`` is what our alarms' names begin with."""
        names: dict[str, list[_Place]] = {}
        pipelines: dict[str, list[_Place]] = {}
        groups: dict[str, list[_Place]] = {}
        ids = set()
        for spec in sorted(specs, key=lambda one: one.registry_id):
            account = spec.role_arn.split(":")[4] if spec.role_arn else None
            place = _Place(spec.registry_id, spec.region_name, account)
            ids.add(spec.registry_id)
            names.setdefault(spec.endpoint_name, []).append(place)
            if spec.retraining is not None:
                pipelines.setdefault(spec.retraining.pipeline_name, []).append(place)
                groups.setdefault(spec.retraining.model_package_group, []).append(place)
        return cls(frozenset(ids), _frozen(names), _frozen(pipelines), _frozen(groups), resource_prefix)

    def find(
        self,
        *,
        name: str | None = None,
        pipeline: str | None = None,
        package_group: str | None = None,
        alarm: str | None = None,
        tags: Mapping[str, str] | None = None,
        account: str = "",
        region: str = "",
    ) -> str | None:
        """Return the registry id, by tag, name, retraining pipeline, model package group or alarm; ``None`` if unknown.

        Of two files for the same endpoint the first by id is told. A name that several endpoints share, such as one
        pipeline that retrains two, speaks of none of them.
        """
        tagged = (tags or {}).get(ENDPOINT_TAG)
        if tagged in self.ids:
            return tagged
        if name is not None:
            found = [place for place in self.names.get(name, ()) if place.may_be_in(account, region)]
            return found[0].registry_id if found else None
        for key, places in ((pipeline, self.pipelines), (package_group, self.package_groups)):
            found = [place for place in places.get(key or "", ()) if place.may_be_in(account, region)]
            if len(found) == 1:
                return found[0].registry_id
        if alarm is not None:
            ours = AlarmName.parse(alarm, self.resource_prefix)
            if ours is not None and ours.endpoint in self.ids:
                return ours.endpoint
        return None


def _frozen(places: dict[str, list[_Place]]) -> dict[str, tuple[_Place, ...]]:
    return {name: tuple(found) for name, found in places.items()}
