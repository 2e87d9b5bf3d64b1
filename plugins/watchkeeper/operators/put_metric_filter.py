"""Creates or replaces a metric filter: a metric that CloudWatch counts from a log."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchPutMetricFilterOperator(ServiceOperator):
    """Create or replace a metric filter; nothing is done where it is so already.

    .. seealso::
        :external+boto3:py:meth:`CloudWatchLogs.Client.put_metric_filter`

    :param metric_filter: The filter, as PutMetricFilter takes it. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "metric_filter")

    def __init__(self, *, metric_filter: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metric_filter = metric_filter

    def execute(self, context: "Context") -> bool:  # noqa: ARG002
        """Return whether anything was changed."""
        with failing_at_once():
            return self.access.open(LogsHook).put_metric_filter(self.metric_filter)
