"""When objects expire: our rules among those of others in a bucket's lifecycle, which S3 takes only as a whole."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.resource_holder import each
from watchkeeper.aws.resource_plan import FoundResource, Resource, ResourceChange, ResourceKind
from watchkeeper.aws.service_failure import error_code, permission_named

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace

_SEPARATOR = "//"


def expiry(bucket: str, prefix: str, days: int, what: str, scope: str, start: str, place: "ResourcePlace") -> Resource:
    """Return the rule that lets everything below a prefix expire; its id begins with ``start``: whose it is."""
    rule_id = f"{start}{scope}/{what}"
    body = {"ID": rule_id, "Filter": {"Prefix": prefix}, "Status": "Enabled", "Expiration": {"Days": days}}
    return Resource("lifecycle_rule", f"{bucket}{_SEPARATOR}{rule_id}", scope, body, place)


def rule_start(resource_prefix: str, deployment: str) -> str:
    """Return what the ids of a deployment's rules begin with: a rule has no tags."""
    return f"{resource_prefix}:{deployment}:"


@dataclass(frozen=True)
class LifecycleHolder:
    """Lifecycle rules of the buckets that are named. Ours are known by their ids; others' are written back as found.

    ``undeclared`` buckets are looked at too, for rules that no file asks for any longer; one that cannot be read
    is passed over. Each bucket is named with one place only: seen from a second one, its rules would be pruned there.

    S3 has no conditional write here: what somebody else changes between our reading and our writing is lost, so the
    two calls follow each other at once.
    """

    start: str
    deployment: str
    buckets: "tuple[tuple[ResourcePlace, str], ...]"
    undeclared: "tuple[tuple[ResourcePlace, str], ...]" = ()
    kinds: tuple[ResourceKind, ...] = ("lifecycle_rule",)

    def find(
        self, access: "AwsAccess", place: "ResourcePlace", scopes: frozenset[str] | None
    ) -> Iterator[FoundResource]:
        """Yield our rules in the buckets of this place."""
        for where, bucket in (*self.buckets, *self.undeclared):
            if where != place:
                continue
            for rule in self._rules_of(access.client("s3"), place, bucket):
                rule_id = str(rule.get("ID", ""))
                if not rule_id.startswith(self.start):
                    continue
                scope = rule_id.removeprefix(self.start).partition("/")[0]
                if scopes is None or scope in scopes:
                    name = f"{bucket}{_SEPARATOR}{rule_id}"
                    yield FoundResource("lifecycle_rule", name, scope, rule, self.deployment, place)

    def _rules_of(self, client: Any, place: "ResourcePlace", bucket: str) -> list[dict[str, Any]]:
        from botocore.exceptions import ClientError

        from watchkeeper.errors import PermissionMissingError

        try:
            return _rules(client, bucket)[0]
        except (ClientError, PermissionMissingError):
            if (place, bucket) in self.buckets:
                raise
            return []

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Write each bucket's rules once, with ours changed in it; yield what failed."""
        by_bucket: dict[str, list[ResourceChange]] = {}
        for change in changes:
            by_bucket.setdefault(change.name.partition(_SEPARATOR)[0], []).append(change)
        client = access.client("s3")
        # One write a bucket: a fault is told with its first rule.
        firsts = [own[0] for own in by_bucket.values()]
        yield from each(firsts, lambda first: _write(client, *_of_bucket(first, by_bucket)))


def _of_bucket(first: ResourceChange, by_bucket: dict[str, list[ResourceChange]]) -> tuple[str, list[ResourceChange]]:
    bucket = first.name.partition(_SEPARATOR)[0]
    return bucket, by_bucket[bucket]


def buckets_of(
    resources: "Iterable[Resource | ResourceChange]",
) -> "tuple[tuple[ResourcePlace, str], ...]":
    """Return the buckets that lifecycle rules among these speak of, with their places."""
    rules = (one for one in resources if one.kind == "lifecycle_rule")
    return tuple(dict.fromkeys((one.place, one.name.partition(_SEPARATOR)[0]) for one in rules))


def _rules(client: Any, bucket: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a bucket's rules, and what else its lifecycle says and has to be written back."""
    from botocore.exceptions import ClientError

    with permission_named("s3", bucket):
        try:
            answer = client.get_bucket_lifecycle_configuration(Bucket=bucket)
        except ClientError as error:
            if error_code(error) == "NoSuchLifecycleConfiguration":
                return [], {}
            raise
    kept = {name: answer[name] for name in ("TransitionDefaultMinimumObjectSize",) if answer.get(name)}
    return list(answer.get("Rules", ())), kept


def _write(client: Any, bucket: str, changes: Sequence[ResourceChange]) -> None:
    rules, kept = _rules(client, bucket)
    touched = {change.name.partition(_SEPARATOR)[2] for change in changes}
    wanted = [rule for rule in rules if rule.get("ID") not in touched]
    wanted += [dict(change.body) for change in changes if change.action != "prune"]
    with permission_named("s3", bucket):
        if wanted:
            client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": wanted}, **kept)
        else:
            client.delete_bucket_lifecycle(Bucket=bucket)
