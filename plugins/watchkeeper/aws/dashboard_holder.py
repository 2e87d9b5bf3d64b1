"""Our dashboards in CloudWatch, owned by the mark in their first widget."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.owner_mark import OwnerMark
from watchkeeper.aws.resource_holder import FEW_SCOPES, each
from watchkeeper.aws.resource_plan import FoundResource, ResourceChange, ResourceKind
from watchkeeper.errors import ServiceAnswerError

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace

#: A body is one call; CloudWatch lets some ten a second pass.
_READERS = 4


def dashboard_name(resource_prefix: str, scope: str) -> str:
    """Return the name of an endpoint's dashboard, or of the fleet's."""
    return f"{resource_prefix}-{scope}"


@dataclass(frozen=True)
class DashboardHolder:
    """Dashboards: their names are listed, and the body of each of ours is read.

    They are of an account, in no region: another region would list those of home, which nothing declares there.
    """

    resource_prefix: str
    deployment: str
    kinds: tuple[ResourceKind, ...] = ("dashboard",)

    def find(
        self, access: "AwsAccess", place: "ResourcePlace", scopes: frozenset[str] | None
    ) -> Iterator[FoundResource]:
        """Yield the dashboards whose names begin with our prefix; all of ours are at home."""
        if not place.is_home:
            return
        hook = access.open(CloudWatchHook)
        wanted = None if scopes is None else {dashboard_name(self.resource_prefix, scope) for scope in scopes}
        if wanted is not None and len(wanted) <= FEW_SCOPES:
            names = [name for one in sorted(wanted) for name in hook.dashboards(one) if name == one]
        else:
            listed = hook.dashboards(f"{self.resource_prefix}-")
            names = [name for name in listed if wanted is None or name in wanted]
        with ThreadPoolExecutor(_READERS) as readers:
            for name, body in zip(names, readers.map(hook.dashboard, names), strict=True):
                if body is not None:
                    mark = OwnerMark.read(_first_text(body))
                    yield FoundResource(
                        "dashboard", name, mark.scope if mark else "", body, mark.deployment if mark else None, place
                    )

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Put and delete dashboards; yield what failed, and what CloudWatch found odd about one."""
        hook = access.open(CloudWatchHook)

        def act(change: ResourceChange) -> None:
            if change.action == "prune":
                hook.delete_dashboards([change.name])
            elif odd := hook.put_dashboard(change.name, change.body, OwnerMark(self.deployment, change.scope).tags):
                raise ServiceAnswerError(
                    "its body", "; ".join(odd), "It was written all the same; look at it in the console."
                )

        return each(changes, act)


def _first_text(body: Mapping[str, Any]) -> str:
    widgets = body.get("widgets") or [{}]
    return str(widgets[0].get("properties", {}).get("markdown", ""))
