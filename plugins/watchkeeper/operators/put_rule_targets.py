"""Adds targets to an EventBridge rule: without any a rule does nothing."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.event_rule_hook import EventRuleHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class EventBridgePutTargetsOperator(ServiceOperator):
    """Add or replace targets of a rule that the provider's ``EventBridgePutRuleOperator`` made.

    .. seealso::
        :external+boto3:py:meth:`EventBridge.Client.put_targets`

    :param rule: The rule's name. (templated)
    :param targets: The targets, as PutTargets takes them; a target of the same ``Id`` is replaced. (templated)
    :param event_bus_name: The event bus; ``None`` for the account's default. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "rule", "targets", "event_bus_name")

    def __init__(
        self, *, rule: str, targets: list[dict[str, Any]], event_bus_name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rule = rule
        self.targets = targets
        self.event_bus_name = event_bus_name

    def execute(self, context: "Context") -> list[str]:  # noqa: ARG002
        """Return the ids of the rule's targets; ServiceAnswerError names those that EventBridge did not take."""
        with failing_at_once():
            hook = self.access.open(EventRuleHook)
            hook.put_targets(self.rule, self.targets, self.event_bus_name)
            return [str(target["Id"]) for target in hook.targets(self.rule, self.event_bus_name)]
