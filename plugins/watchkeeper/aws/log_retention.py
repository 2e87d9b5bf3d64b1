"""How long log groups keep their events: a setting on groups that SageMaker and others make, so never pruned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.aws.resource_holder import each
from watchkeeper.aws.resource_plan import FoundResource, Resource, ResourceChange, ResourceKind

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace

ENDPOINT_GROUPS = "/aws/sagemaker/Endpoints/"


def retention(group: str, days: int, scope: str, place: "ResourcePlace") -> Resource:
    """Return the retention of one log group as a resource."""
    return Resource("log_retention", group, scope, {"retentionInDays": days}, place)


@dataclass(frozen=True)
class LogRetentionHolder:
    """Retention of the groups whose names are given, by the scope that declares each."""

    groups: "Mapping[tuple[ResourcePlace, str], str]"
    kinds: tuple[ResourceKind, ...] = ("log_retention",)

    def find(
        self, access: "AwsAccess", place: "ResourcePlace", scopes: frozenset[str] | None
    ) -> Iterator[FoundResource]:
        """Yield the declared groups that there are; endpoints' groups are listed together."""
        wanted = {
            name: scope
            for (where, name), scope in self.groups.items()
            if where == place and (scopes is None or scope in scopes)
        }
        hook = access.open(LogsHook)
        shared = [name for name in wanted if name.startswith(ENDPOINT_GROUPS)]
        lists = [ENDPOINT_GROUPS] if len(shared) > 1 else shared
        for prefix in (*lists, *(name for name in wanted if name not in shared)):
            for group in hook.groups(prefix):
                if group.name in wanted:
                    body = {"retentionInDays": group.retention_days}
                    yield FoundResource("log_retention", group.name, wanted[group.name], body, None, place, group.arn)

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Set retentions; yield what failed."""
        hook = access.open(LogsHook)
        return each(changes, lambda change: hook.put_retention(change.name, change.body["retentionInDays"]))
