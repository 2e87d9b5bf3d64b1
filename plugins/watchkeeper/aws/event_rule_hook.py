"""EventBridge rules with their targets, through the amazon provider."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, Final

from airflow.providers.amazon.aws.hooks.eventbridge import EventBridgeHook

from watchkeeper.aws.service_failure import is_missing, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import ServiceAnswerError

#: A batch that PutTargets and RemoveTargets take on every bus.
TARGETS_A_CALL: Final = 10


@dataclass(frozen=True)
class EventRule:
    """One rule; ``pattern`` or ``schedule`` is ``None`` where it has none."""

    name: str
    arn: str
    state: str
    pattern: str | None = None
    schedule: str | None = None
    description: str = ""


class EventRuleHook(ServiceHook, EventBridgeHook):
    """Interact with Amazon EventBridge rules and their targets.

    Adds to the amazon provider's hook what it lacks: a rule without targets does nothing.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def put_rule(self, name: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Create or replace a rule with its tags; arguments and answer are the amazon provider's.

        :param name: the rule's name.
        """
        with permission_named("events", f"rule/{name}"):
            answer: dict[str, Any] = super().put_rule(name, *arguments, **named)
            if named.get("tags"):
                # Of a rule that existed, putting it ignores the tags.
                self.client.tag_resource(ResourceARN=answer["RuleArn"], Tags=named["tags"])
        return answer

    def put_targets(self, rule: str, targets: Sequence[Mapping[str, Any]], event_bus_name: str | None = None) -> None:
        """Add or replace targets of a rule; ServiceAnswerError names those that EventBridge did not take.

        :param rule: the rule's name.
        :param targets: the targets, as PutTargets takes them.
        :param event_bus_name: the event bus; ``None`` for the account's default.
        """
        failures: list[dict[str, Any]] = []
        with permission_named("events", f"rule/{rule}"):
            for batch in batched(targets, TARGETS_A_CALL):
                answer = self.client.put_targets(Rule=rule, Targets=list(batch), **_bus(event_bus_name))
                failures += _failures(answer)
        _refuse(rule, failures, "put")

    def remove_targets(self, rule: str, ids: Iterable[str], event_bus_name: str | None = None) -> None:
        """Take targets away from a rule; ServiceAnswerError names those that stayed.

        :param rule: the rule's name.
        :param ids: the targets' ids.
        :param event_bus_name: the event bus; ``None`` for the account's default.
        """
        failures: list[dict[str, Any]] = []
        with permission_named("events", f"rule/{rule}"):
            for batch in batched(ids, TARGETS_A_CALL):
                answer = self.client.remove_targets(Rule=rule, Ids=list(batch), **_bus(event_bus_name))
                failures += _failures(answer)
        _refuse(rule, failures, "removed")

    def targets(self, rule: str, event_bus_name: str | None = None) -> tuple[dict[str, Any], ...]:
        """Return a rule's targets, as PutTargets takes them; none if there is no such rule.

        :param rule: the rule's name.
        :param event_bus_name: the event bus; ``None`` for the account's default.
        """
        from botocore.exceptions import ClientError

        pages = self.client.get_paginator("list_targets_by_rule").paginate(Rule=rule, **_bus(event_bus_name))
        with permission_named("events", f"rule/{rule}"):
            try:
                return tuple(target for page in pages for target in page.get("Targets", ()))
            except ClientError as error:
                if is_missing(error):
                    return ()
                raise

    def rules(self, prefix: str = "", event_bus_name: str | None = None) -> Iterator[EventRule]:
        """Yield rules of a bus.

        :param prefix: what their names begin with.
        :param event_bus_name: the event bus; ``None`` for the account's default.
        """
        selection = ({"NamePrefix": prefix} if prefix else {}) | _bus(event_bus_name)
        with permission_named("events", "rule/*"):
            for page in self.client.get_paginator("list_rules").paginate(**selection):
                for rule in page.get("Rules", ()):
                    yield EventRule(
                        name=rule["Name"],
                        arn=rule["Arn"],
                        state=rule.get("State", "ENABLED"),
                        pattern=rule.get("EventPattern"),
                        schedule=rule.get("ScheduleExpression"),
                        description=rule.get("Description", ""),
                    )

    def rule_tags(self, arn: str) -> dict[str, str]:
        """Return a rule's tags; none if there is no such rule any more.

        :param arn: the rule's ARN.
        """
        from botocore.exceptions import ClientError

        with permission_named("events", arn):
            try:
                answer = self.client.list_tags_for_resource(ResourceARN=arn)
            except ClientError as error:
                if is_missing(error):
                    return {}
                raise
        return {tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())}

    def delete_rule(self, name: str, event_bus_name: str | None = None) -> bool:
        """Delete a rule after its targets; return ``False`` if there was none.

        :param name: the rule's name.
        :param event_bus_name: the event bus; ``None`` for the account's default.
        """
        if all(rule.name != name for rule in self.rules(name, event_bus_name)):
            return False
        ids = [str(target["Id"]) for target in self.targets(name, event_bus_name)]
        self.remove_targets(name, ids, event_bus_name)
        with permission_named("events", f"rule/{name}"):
            self.client.delete_rule(Name=name, **_bus(event_bus_name))
        return True


def _bus(name: str | None) -> dict[str, str]:
    return {} if name is None else {"EventBusName": name}


def _failures(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = list(answer.get("FailedEntries", ()))
    uncounted = int(answer.get("FailedEntryCount", 0)) - len(entries)
    return entries + [{"TargetId": "unknown"}] * max(uncounted, 0)


def _refuse(rule: str, failures: list[dict[str, Any]], what: str) -> None:
    if failures:
        told = "; ".join(
            f"{entry.get('TargetId')}: {entry.get('ErrorCode', 'no code')} {entry.get('ErrorMessage', '')}".strip()
            for entry in failures
        )
        raise ServiceAnswerError(
            f"rule {rule}", f"{len(failures)} targets were not {what} ({told})", "Mend the targets, and put them again."
        )
