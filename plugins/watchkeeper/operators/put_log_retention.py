"""Says how long a log group keeps its events."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchPutRetentionPolicyOperator(ServiceOperator):
    """Keep a log group's events for so many days; nothing is done where that is so already.

    .. seealso::
        :external+boto3:py:meth:`CloudWatchLogs.Client.put_retention_policy`

    :param log_group: The group's name. (templated)
    :param retention_days: How long to keep events, in days that CloudWatch Logs offers; ``None`` for ever.
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "log_group")

    def __init__(self, *, log_group: str, retention_days: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log_group = log_group
        self.retention_days = retention_days

    def execute(self, context: "Context") -> bool:  # noqa: ARG002
        """Return whether anything was changed; LookupError if there is no such group."""
        with failing_at_once():
            return self.access.open(LogsHook).put_retention(self.log_group, self.retention_days)
