"""CloudWatch's own mute rules: while one is active, its alarms are evaluated and tell nobody."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.alarm_hook import AlarmHook
from watchkeeper.aws.owner_mark import OwnerMark
from watchkeeper.aws.resource_holder import each
from watchkeeper.aws.resource_plan import FoundResource, Resource, ResourceChange, ResourceKind
from watchkeeper.aws.service_failure import permission_named

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace
    from watchkeeper.registry.mute_window_spec import MuteWindowSpec

#: CloudWatch's limits.
_MOST_ALARMS, _PAGE = 100, 100
_ARN_PART = ":alarm-mute-rule:"


def mute_rules(
    windows: "Mapping[str, MuteWindowSpec]",
    alarms: Iterable[str],
    scope: str,
    resource_prefix: str,
    deployment: str,
    place: "ResourcePlace",
) -> Iterator[Resource]:
    """Yield the rules that mute these alarms in these windows, a hundred alarms a rule."""
    names = sorted(alarms)
    for window, spec in sorted(windows.items()):
        for number, batch in enumerate(batched(names, _MOST_ALARMS), start=1):
            name = f"{resource_prefix}-{scope}-{window}-{number}"
            body = {
                "Name": name,
                "Description": OwnerMark(deployment, scope).described(spec.reason or f"Mute window {window}"),
                "Rule": {
                    "Schedule": {
                        "Expression": spec.schedule,
                        "Duration": spec.duration,
                        "Timezone": spec.timezone,
                    }
                },
                "MuteTargets": {"AlarmNames": list(batch)},
            }
            yield Resource("mute_rule", name, scope, body, place)


@dataclass(frozen=True)
class MuteRuleHolder:
    """Mute rules, owned by the mark in their description; AWS lists them without it, so each of ours is a call."""

    resource_prefix: str
    deployment: str
    kinds: tuple[ResourceKind, ...] = ("mute_rule",)

    def find(
        self, access: "AwsAccess", place: "ResourcePlace", scopes: frozenset[str] | None
    ) -> Iterator[FoundResource]:
        """Yield the mute rules whose names begin with our prefix."""
        client: Any = access.open(AlarmHook).client
        token: dict[str, str] = {}
        while True:
            with permission_named("cloudwatch", "alarm-mute-rule:*"):
                page = client.list_alarm_mute_rules(MaxRecords=_PAGE, **token)
            for summary in page.get("AlarmMuteRuleSummaries", ()):
                name = summary["AlarmMuteRuleArn"].rpartition(_ARN_PART)[2]
                if name.startswith(f"{self.resource_prefix}-"):
                    found = self._found(client, name, place)
                    if scopes is None or found.scope in scopes:
                        yield found
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _found(self, client: Any, name: str, place: "ResourcePlace") -> FoundResource:
        with permission_named("cloudwatch", f"alarm-mute-rule:{name}"):
            rule = client.get_alarm_mute_rule(AlarmMuteRuleName=name)
        targets = sorted(rule.get("MuteTargets", {}).get("AlarmNames", ()))
        schedule = {"Timezone": "UTC", **rule["Rule"]["Schedule"]}
        body = {
            "Name": name,
            "Description": rule.get("Description", ""),
            "Rule": {"Schedule": schedule},
            "MuteTargets": {"AlarmNames": targets},
        }
        mark = OwnerMark.read(body["Description"])
        return FoundResource(
            "mute_rule", name, mark.scope if mark else "", body, mark.deployment if mark else None, place
        )

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Put and delete mute rules; yield what failed."""
        client: Any = access.open(AlarmHook).client

        def act(change: ResourceChange) -> None:
            with permission_named("cloudwatch", f"alarm-mute-rule:{change.name}"):
                if change.action == "prune":
                    client.delete_alarm_mute_rule(AlarmMuteRuleName=change.name)
                else:
                    client.put_alarm_mute_rule(**change.body, Tags=OwnerMark(self.deployment, change.scope).tags)

        return each(changes, act)
