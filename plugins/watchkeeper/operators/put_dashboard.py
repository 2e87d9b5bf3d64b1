"""Creates or replaces a CloudWatch dashboard."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchPutDashboardOperator(ServiceOperator):
    """Create or replace a dashboard.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.put_dashboard`

    :param dashboard_name: The dashboard's name. (templated)
    :param dashboard_body: Its body, as CloudWatch's dashboard JSON; a mapping. (templated)
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "dashboard_name", "dashboard_body")

    def __init__(self, *, dashboard_name: str, dashboard_body: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dashboard_name = dashboard_name
        self.dashboard_body = dashboard_body

    def execute(self, context: "Context") -> list[str]:  # noqa: ARG002
        """Return what CloudWatch found odd about the dashboard, a sentence each."""
        with failing_at_once():
            oddities = self.access.open(CloudWatchHook).put_dashboard(self.dashboard_name, self.dashboard_body)
        for oddity in oddities:
            self.log.warning("Dashboard %s: %s", self.dashboard_name, oddity)
        return list(oddities)
