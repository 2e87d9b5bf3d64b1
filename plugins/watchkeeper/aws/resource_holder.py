"""What all holders of resources share: one holder knows a kind's shape in AWS, finds it, makes it and prunes it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from watchkeeper.errors import PermissionMissingError, WatchkeeperError

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace
    from watchkeeper.aws.resource_plan import FoundResource, ResourceChange, ResourceKind

#: Below so many scopes each is listed for itself; the whole prefix otherwise.
FEW_SCOPES = 50


class ResourceHolder(Protocol):
    """Finds and brings about resources of some kinds in one place at a time."""

    @property
    def kinds(self) -> "tuple[ResourceKind, ...]":
        """What it finds and brings about."""
        ...

    def find(
        self, access: "AwsAccess", place: "ResourcePlace", scopes: frozenset[str] | None
    ) -> "Iterator[FoundResource]":
        """Yield everything under our names, whoever's it is; of these scopes, or of all."""
        ...

    def bring_about(self, changes: "Sequence[ResourceChange]", access: "AwsAccess") -> Iterator[str]:
        """Create, change and prune, in this order; yield a sentence for each that failed. Safe to do again."""
        ...


def each(changes: "Sequence[ResourceChange]", act: "Callable[[ResourceChange], object]") -> Iterator[str]:
    """Do one thing after the other; yield what failed. A missing permission ends it: the others would lack it too."""
    from botocore.exceptions import BotoCoreError, ClientError

    for number, change in enumerate(changes, start=1):
        try:
            act(change)
        except PermissionMissingError as error:
            left = len(changes) - number
            yield f"{change.kind} {change.name}: {error}{f' {left} more were not tried.' if left else ''}"
            return
        except (ClientError, BotoCoreError, WatchkeeperError, LookupError, ValueError) as error:
            yield f"{change.kind} {change.name}: {' '.join(str(error).split())}"


def prefixes(start: str, separator: str, scopes: Iterable[str] | None) -> tuple[str, ...]:
    """Return what names begin with: the scopes' own beginnings where they are few, else what all share."""
    wanted = None if scopes is None else sorted(scopes)
    if wanted is None or len(wanted) > FEW_SCOPES:
        return (f"{start}{separator}",)
    return tuple(f"{start}{separator}{scope}{separator}" for scope in wanted)
