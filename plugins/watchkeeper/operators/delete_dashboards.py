"""Deletes CloudWatch dashboards."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchDeleteDashboardsOperator(ServiceOperator):
    """Delete dashboards; those that there are not are left out.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.delete_dashboards`

    :param dashboard_names: The dashboards' names. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "dashboard_names")

    def __init__(self, *, dashboard_names: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dashboard_names = dashboard_names

    def execute(self, context: "Context") -> list[str]:  # noqa: ARG002
        """Return the names of those that were deleted."""
        with failing_at_once():
            return list(self.access.open(CloudWatchHook).delete_dashboards(self.dashboard_names))
