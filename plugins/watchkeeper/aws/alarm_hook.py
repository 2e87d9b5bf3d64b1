"""CloudWatch alarms through the amazon provider: put, deleted, set, and read as they would be put again."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from watchkeeper.aws.service_failure import is_missing, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import ServiceAnswerError
from watchkeeper.registry.capture_window import utc_moment

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

AlarmState = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
#: DescribeAlarms, DeleteAlarms, EnableAlarmActions and DisableAlarmActions take so many names.
NAMES_A_CALL: Final = 100
_BOTH_TYPES: Final = ("MetricAlarm", "CompositeAlarm")
#: What DescribeAlarms answers and neither PutMetricAlarm nor PutCompositeAlarm takes.
_ANSWER_ONLY = frozenset(
    {
        "AlarmArn",
        "AlarmConfigurationUpdatedTimestamp",
        "StateValue",
        "StateReason",
        "StateReasonData",
        "StateUpdatedTimestamp",
        "StateTransitionedTimestamp",
        "EvaluationState",
        "ActionsSuppressedBy",
        "ActionsSuppressedReason",
    }
)


@dataclass(frozen=True)
class AlarmFacts:
    """One alarm as CloudWatch has it; ``request`` is what would put it again, without tags and empty lists.

    ``since`` is when the state was entered, UTC.
    """

    name: str
    arn: str
    state: AlarmState
    reason: str
    since: datetime
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_composite(self) -> bool:
        """Whether it follows other alarms rather than a metric."""
        return "AlarmRule" in self.request


class AlarmHook(ServiceHook):
    """Interact with Amazon CloudWatch alarms.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("cloudwatch") <CloudWatch.Client>`;
    throttled calls are retried with backoff, and the waiters are those of ``watchkeeper/aws/waiters``.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "cloudwatch"
        super().__init__(*args, **kwargs)

    @property
    def client(self) -> "CloudWatchClient":
        """The boto3 client."""
        return cast("CloudWatchClient", self.conn)

    def put_alarm(self, request: Mapping[str, Any]) -> str:
        """Create or replace a metric alarm with its tags, and return its ARN.

        :param request: the alarm, as PutMetricAlarm takes it.
        """
        return self._put("PutMetricAlarm", request)

    def put_composite_alarm(self, request: Mapping[str, Any]) -> str:
        """Create or replace a composite alarm with its tags, and return its ARN. Its children must exist already.

        :param request: the alarm, as PutCompositeAlarm takes it.
        """
        return self._put("PutCompositeAlarm", request)

    def delete_alarms(self, names: Iterable[str]) -> tuple[str, ...]:
        """Delete alarms, composites before what they follow; return the names of those that there were.

        :param names: names of metric and composite alarms, in any order and number.
        """
        found = list(self.alarms(names=names))
        composites = [alarm for alarm in found if alarm.is_composite]
        metric_alarms = sorted(alarm.name for alarm in found if not alarm.is_composite)
        # CloudWatch takes one composite a call, and none that another composite still follows.
        batches: list[tuple[str, ...]] = [(name,) for name in _parents_first(composites)]
        for batch in [*batches, *batched(metric_alarms, NAMES_A_CALL)]:
            with permission_named("cloudwatch", _several(batch)):
                self.client.delete_alarms(AlarmNames=list(batch))
        return tuple(sorted(alarm.name for alarm in found))

    def set_alarm_state(self, name: str, state: AlarmState, reason: str) -> None:
        """Put an alarm into a state until it is next evaluated; its actions follow as they would otherwise.

        :param name: the alarm's name.
        :param state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        :param reason: why, in a sentence; kept in the alarm's history.
        """
        with permission_named("cloudwatch", f"alarm:{name}"):
            self.client.set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason[:1023])

    def set_actions_enabled(self, names: Iterable[str], *, enabled: bool) -> None:
        """Let alarms act on their changes of state, or keep them from it; they are evaluated either way.

        :param names: the alarms' names.
        :param enabled: whether they may act.
        """
        change = self.client.enable_alarm_actions if enabled else self.client.disable_alarm_actions
        for batch in batched(names, NAMES_A_CALL):
            with permission_named("cloudwatch", _several(batch)):
                change(AlarmNames=list(batch))

    def alarms(self, prefix: str | None = None, names: Iterable[str] | None = None) -> Iterator[AlarmFacts]:
        """Yield metric and composite alarms: those of these names, else those whose names begin with ``prefix``.

        A name that CloudWatch does not know yields nothing.

        :param prefix: what names begin with; ``None`` for all alarms of the account and region.
        :param names: the very names; any number.
        """
        if names is None:
            yield from self._described({} if prefix is None else {"AlarmNamePrefix": prefix})
            return
        for batch in batched(dict.fromkeys(names), NAMES_A_CALL):
            yield from self._described({"AlarmNames": list(batch)})

    def alarm_tags(self, arn: str) -> dict[str, str]:
        """Return an alarm's tags; none if there is no such alarm any more.

        :param arn: the alarm's ARN.
        """
        from botocore.exceptions import ClientError

        with permission_named("cloudwatch", arn):
            try:
                answer = self.client.list_tags_for_resource(ResourceARN=arn)
            except ClientError as error:
                if is_missing(error):
                    return {}
                raise
        return {tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])}

    def _described(self, selection: dict[str, Any]) -> Iterator[AlarmFacts]:
        with permission_named("cloudwatch", "alarm:*"):
            pages: Any = self.client.get_paginator("describe_alarms").paginate(AlarmTypes=_BOTH_TYPES, **selection)
            for page in pages:
                for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
                    yield _facts(alarm)

    def _put(self, operation: Literal["PutMetricAlarm", "PutCompositeAlarm"], request: Mapping[str, Any]) -> str:
        name, given = str(request["AlarmName"]), dict(request)
        client: Any = self.client
        with permission_named("cloudwatch", f"alarm:{name}"):
            put = client.put_metric_alarm if operation == "PutMetricAlarm" else client.put_composite_alarm
            put(**given)
            there = next(self.alarms(names=[name]), None)
            if there is None:
                fault = "CloudWatch took it and does not list it"
                raise ServiceAnswerError(f"alarm {name}", fault, "Run it again, in a minute.")
            arn = there.arn
            if given.get("Tags"):
                # Of an alarm that existed, putting it ignores the tags.
                client.tag_resource(ResourceARN=arn, Tags=given["Tags"])
        return arn


def _facts(alarm: Mapping[str, Any]) -> AlarmFacts:
    since = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
    request = {name: value for name, value in alarm.items() if name not in _ANSWER_ONLY and value not in ([], None)}
    return AlarmFacts(
        name=alarm["AlarmName"],
        arn=alarm["AlarmArn"],
        state=alarm["StateValue"],
        reason=alarm.get("StateReason", ""),
        since=utc_moment(since),
        request=request,
    )


def _parents_first(composites: Iterable[AlarmFacts]) -> list[str]:
    """Return names in an order in which CloudWatch lets composites go; those of a cycle come last."""
    left = {alarm.name: str(alarm.request["AlarmRule"]) for alarm in composites}
    ordered: list[str] = []
    while left:
        followed = {
            name for name in left if any(_mentions(rule, name) for other, rule in left.items() if other != name)
        }
        free = sorted(left.keys() - followed) or sorted(left)
        ordered += free
        for name in free:
            del left[name]
    return ordered


def _mentions(rule: str, name: str) -> bool:
    """Say whether a composite's rule names an alarm: bare, in quotes, or at the end of its ARN."""
    return re.search(rf"\(\s*\"?(?:arn:[^\s\")]*:alarm:)?{re.escape(name)}\"?\s*\)", rule) is not None


def _several(names: Iterable[str]) -> str:
    first, *others = names
    return f"alarm:{first}" if not others else f"alarm:{first} and {len(others)} more"
