"""EventBridge rules that hand events to our queues, and the queues' permission to take them."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from watchkeeper.aws.event_rule_hook import EventRuleHook
from watchkeeper.aws.owner_mark import DEPLOYMENT_TAG, OwnerMark
from watchkeeper.aws.resource_holder import each
from watchkeeper.aws.resource_place import PlaceIdentity, ResourcePlace
from watchkeeper.aws.resource_plan import FoundResource, Resource, ResourceChange, ResourceKind
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import SettingsError
from watchkeeper.registry.alarm_name import FLEET

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess

ALARMS, PLATFORM, API_CALLS = "alarms", "platform", "api-calls"
_QUEUE_PATH = re.compile(r"/(?P<account>\d{12})/(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)$")
_QUEUE_HOST = re.compile(r"^(?:sqs\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.")
_LONGEST_PATTERN = 4096
#: Calls that change what an endpoint serves; CloudTrail records them.
_CHANGING_CALLS = (
    "CreateEndpoint",
    "UpdateEndpoint",
    "DeleteEndpoint",
    "UpdateEndpointWeightsAndCapacities",
    "CreateEndpointConfig",
    "DeleteEndpointConfig",
    "UpdateModelPackage",
    "DeleteModelPackage",
)


@dataclass(frozen=True)
class EventQueue:
    """One queue by its URL, and the ARN that a rule's target needs."""

    url: str
    arn: str

    @property
    def target(self) -> dict[str, Any]:
        """What a rule's target says of it. A FIFO queue needs a group, and content-based deduplication of its own."""
        group = {"SqsParameters": {"MessageGroupId": "watchkeeper"}} if self.arn.endswith(".fifo") else {}
        return {"Arn": self.arn, **group}

    @classmethod
    def of(cls, url: str, home: PlaceIdentity) -> "EventQueue":
        """Return the queue of a URL; SettingsError if it is no queue's."""
        parts = urlsplit(url)
        found = _QUEUE_PATH.search(parts.path)
        if found is None:
            fault = f"got {url}; use a queue's URL such as https://sqs.us-east-1.amazonaws.com/123456789012/alarms"
            raise SettingsError("the queues of this deployment", (fault,))
        host = _QUEUE_HOST.match(parts.netloc)
        region = host["region"] if host else home.region
        return cls(url, f"arn:{home.partition}:sqs:{region}:{found['account']}:{found['name']}")


def rule_name(resource_prefix: str, what: str) -> str:
    """Return the name of one of our rules."""
    return f"{resource_prefix}-{what}"


def rule_arn(identity: PlaceIdentity, name: str) -> str:
    """Return a rule's ARN on the account's default bus."""
    return f"arn:{identity.partition}:events:{identity.region}:{identity.account}:rule/{name}"


def alarm_pattern(resource_prefix: str, others: Iterable[str] = ()) -> dict[str, Any]:
    """Return which events are changes of our alarms' states, and of those of others that somebody follows by name."""
    names = [{"prefix": f"{resource_prefix}/"}, *sorted(others)]
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": names},
    }
    if len(json.dumps(pattern)) > _LONGEST_PATTERN:
        # Then all alarms' events come, and what nobody follows is put aside where they are read.
        del pattern["detail"]
    return pattern


def platform_pattern(services: Sequence[str]) -> dict[str, Any]:
    """Return which events are of these services, but for the calls that CloudTrail records of them."""
    return {"source": list(services), "detail-type": [{"anything-but": ["AWS API Call via CloudTrail"]}]}


def api_call_pattern() -> dict[str, Any]:
    """Return which events say that somebody changed an endpoint."""
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"eventSource": ["sagemaker.amazonaws.com"], "eventName": list(_CHANGING_CALLS)},
    }


def event_rule(
    name: str, pattern: dict[str, Any], target: dict[str, Any], why: str, deployment: str, place: ResourcePlace
) -> Resource:
    """Return a rule with its one target as a resource."""
    body = {
        "Name": name,
        "EventPattern": pattern,
        "State": "ENABLED",
        "Description": OwnerMark(deployment, FLEET).described(why, 512),
        "Targets": [{"Id": "watchkeeper", **target}],
    }
    return Resource("event_rule", name, FLEET, body, place)


def policy_sid(resource_prefix: str) -> str:
    """Return the id of our statement in a queue's policy."""
    return f"{resource_prefix.replace('-', '')}Events"


def queue_permission(queue: EventQueue, rules: Sequence[str], resource_prefix: str) -> Resource:
    """Return the statement of a queue's policy that lets these rules send to it; others' statements stay."""
    statement = {
        "Sid": policy_sid(resource_prefix),
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": sorted(rules)}},
    }
    return Resource("queue_policy", queue.url, FLEET, statement)


@dataclass(frozen=True)
class EventRuleHolder:
    """Rules on the default bus whose names begin with our prefix; they are few, so their tags are read."""

    resource_prefix: str
    deployment: str
    kinds: tuple[ResourceKind, ...] = ("event_rule",)

    def find(self, access: "AwsAccess", place: ResourcePlace, scopes: frozenset[str] | None) -> Iterator[FoundResource]:
        """Yield rules with their targets."""
        if scopes is not None and FLEET not in scopes:
            return
        hook = access.open(EventRuleHook)
        for rule in hook.rules(f"{self.resource_prefix}-"):
            body = {
                "Name": rule.name,
                "EventPattern": json.loads(rule.pattern or "{}"),
                "State": rule.state,
                "Description": rule.description,
                "Targets": sorted(hook.targets(rule.name), key=lambda target: str(target["Id"])),
            }
            owner = hook.rule_tags(rule.arn).get(DEPLOYMENT_TAG)
            yield FoundResource("event_rule", rule.name, FLEET, body, owner, place, rule.arn)

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Put rules with their targets, and delete them; yield what failed."""
        hook = access.open(EventRuleHook)

        def act(change: ResourceChange) -> None:
            if change.action == "prune":
                hook.delete_rule(change.name)
                return
            body = change.body
            hook.put_rule(
                change.name,
                description=body["Description"],
                event_pattern=json.dumps(body["EventPattern"], sort_keys=True),
                state=body["State"],
                tags=OwnerMark(self.deployment, change.scope).tags,
            )
            wanted = {str(target["Id"]) for target in body["Targets"]}
            hook.put_targets(change.name, body["Targets"])
            hook.remove_targets(
                change.name, [str(one["Id"]) for one in hook.targets(change.name) if str(one["Id"]) not in wanted]
            )

        return each(changes, act)


@dataclass(frozen=True)
class QueuePolicyHolder:
    """One statement in the policy of each queue that is named."""

    sid: str
    urls: tuple[str, ...]
    kinds: tuple[ResourceKind, ...] = ("queue_policy",)

    def find(self, access: "AwsAccess", place: ResourcePlace, scopes: frozenset[str] | None) -> Iterator[FoundResource]:
        """Yield our statements."""
        for url in self.urls if place.is_home and (scopes is None or FLEET in scopes) else ():
            for statement in _policy(access.client("sqs"), url).get("Statement", ()):
                if statement.get("Sid") == self.sid:
                    yield FoundResource("queue_policy", url, FLEET, statement, None, place)

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Write our statement into each queue's policy; yield what failed."""
        client = access.client("sqs")

        def act(change: ResourceChange) -> None:
            policy = _policy(client, change.name)
            others = [one for one in policy.get("Statement", ()) if one.get("Sid") != self.sid]
            whole = {"Version": "2012-10-17", **policy, "Statement": [*others, dict(change.body)]}
            with permission_named("sqs", change.name):
                client.set_queue_attributes(QueueUrl=change.name, Attributes={"Policy": json.dumps(whole)})

        return each(changes, act)


def _policy(client: Any, url: str) -> dict[str, Any]:
    with permission_named("sqs", url):
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    policy: dict[str, Any] = json.loads(answer.get("Attributes", {}).get("Policy") or "{}")
    if isinstance(policy.get("Statement"), dict):
        policy["Statement"] = [policy["Statement"]]
    return policy
