"""Creates or replaces CloudWatch alarms."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchPutMetricAlarmOperator(ServiceOperator):
    """Create or replace a metric alarm, on a metric, an expression or an anomaly band.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.put_metric_alarm`

    :param alarm: The alarm, as PutMetricAlarm takes it. Its tags are set on an alarm that exists too. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "alarm")

    def __init__(self, *, alarm: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alarm = alarm

    def execute(self, context: "Context") -> str:  # noqa: ARG002
        """Return the alarm's ARN."""
        with failing_at_once():
            return self.access.open(CloudWatchHook).put_alarm(self.alarm)


class CloudWatchPutCompositeAlarmOperator(ServiceOperator):
    """Create or replace a composite alarm: one that follows others, so that an incident is one page.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.put_composite_alarm`

    :param alarm: The alarm, as PutCompositeAlarm takes it; those that its rule names must exist. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "alarm")

    def __init__(self, *, alarm: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alarm = alarm

    def execute(self, context: "Context") -> str:  # noqa: ARG002
        """Return the alarm's ARN."""
        with failing_at_once():
            return self.access.open(CloudWatchHook).put_composite_alarm(self.alarm)
