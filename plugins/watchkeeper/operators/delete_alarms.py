"""Deletes CloudWatch alarms."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchDeleteAlarmsOperator(ServiceOperator):
    """Delete metric and composite alarms, any number and in any order; those that do not exist are left out.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.delete_alarms`

    :param alarm_names: The alarms' names. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "alarm_names")

    def __init__(self, *, alarm_names: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alarm_names = alarm_names

    def execute(self, context: "Context") -> list[str]:  # noqa: ARG002
        """Return the names of the alarms that were deleted."""
        with failing_at_once():
            deleted = self.access.open(CloudWatchHook).delete_alarms(self.alarm_names)
        for name in sorted(set(self.alarm_names) - set(deleted)):
            self.log.info("There is no alarm %s", name)
        return list(deleted)
