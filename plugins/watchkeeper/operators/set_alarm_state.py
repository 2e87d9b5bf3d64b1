"""Sets a CloudWatch alarm's state, to try out what follows from it."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.alarm_hook import AlarmState


class CloudWatchSetAlarmStateOperator(ServiceOperator):
    """Put an alarm into a state until it is next evaluated; its actions follow as they would otherwise.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.set_alarm_state`

    :param alarm_name: The alarm's name. (templated)
    :param state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``. (templated)
    :param reason: Why, in a sentence; kept in the alarm's history. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "alarm_name", "state", "reason")

    def __init__(self, *, alarm_name: str, state: "AlarmState", reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alarm_name = alarm_name
        self.state = state
        self.reason = reason

    def execute(self, context: "Context") -> None:  # noqa: ARG002
        """Set the state."""
        with failing_at_once():
            self.access.open(CloudWatchHook).set_alarm_state(self.alarm_name, self.state, self.reason)
