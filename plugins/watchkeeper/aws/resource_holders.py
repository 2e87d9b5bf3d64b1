"""Who finds and makes what: the holders of a deployment's resources."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from watchkeeper.aws.alarm_holder import AlarmHolder
from watchkeeper.aws.dashboard_holder import DashboardHolder
from watchkeeper.aws.event_rule_holder import EventRuleHolder, QueuePolicyHolder, policy_sid
from watchkeeper.aws.lifecycle_rules import LifecycleHolder, buckets_of, rule_start
from watchkeeper.aws.log_retention import LogRetentionHolder
from watchkeeper.aws.mute_rule_holder import MuteRuleHolder
from watchkeeper.aws.resource_place import ResourcePlace

if TYPE_CHECKING:
    from watchkeeper.aws.resource_holder import ResourceHolder
    from watchkeeper.aws.resource_plan import Resource, ResourceChange


def resource_holders(
    resource_prefix: str,
    deployment: str,
    spoken_of: "Iterable[Resource | ResourceChange]",
    home_bucket: str,
    capture_buckets: "Iterable[tuple[ResourcePlace, str]]" = (),
) -> "tuple[ResourceHolder, ...]":
    """Return a holder of each kind. What is a setting on a thing of others is looked for where it is spoken of.

    Lifecycle rules are looked for in ``capture_buckets`` too: a file that no longer asks for one has to lose it.
    """
    given = tuple(spoken_of)
    groups = {(one.place, one.name): one.scope for one in given if one.kind == "log_retention"}
    queues = tuple(dict.fromkeys(one.name for one in given if one.kind == "queue_policy"))
    buckets = tuple(dict.fromkeys(((ResourcePlace(), home_bucket), *buckets_of(given))))
    undeclared = tuple(one for one in dict.fromkeys(capture_buckets) if one not in buckets)
    return (
        AlarmHolder(resource_prefix, deployment),
        MuteRuleHolder(resource_prefix, deployment),
        DashboardHolder(resource_prefix, deployment),
        EventRuleHolder(resource_prefix, deployment),
        QueuePolicyHolder(policy_sid(resource_prefix), queues),
        LifecycleHolder(rule_start(resource_prefix, deployment), deployment, buckets, undeclared),
        LogRetentionHolder(groups),
    )
