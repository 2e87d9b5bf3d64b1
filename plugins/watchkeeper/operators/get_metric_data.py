"""Reads CloudWatch metrics: percentiles and metric math too."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator
from watchkeeper.registry.capture_window import moment_text, parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchGetMetricDataOperator(ServiceOperator):
    """Read any number of metrics and expressions over a time.

    .. seealso::
        :external+boto3:py:meth:`CloudWatch.Client.get_metric_data`

    :param metric_data_queries: The queries, as GetMetricData takes them; more than 500 go out in several calls.
        (templated)
    :param start_time: The first moment, as ISO 8601 text with its offset. (templated)
    :param end_time: The moment after the last. (templated)
    """

    template_fields: "Sequence[str]" = (
        *ServiceOperator.template_fields,
        "metric_data_queries",
        "start_time",
        "end_time",
    )

    def __init__(
        self, *, metric_data_queries: list[dict[str, Any]], start_time: str, end_time: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.metric_data_queries = metric_data_queries
        self.start_time = start_time
        self.end_time = end_time

    def execute(self, context: "Context") -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Return ``label``, ``timestamps`` (ISO 8601 text, UTC, rising) and ``values`` by the query's id."""
        with failing_at_once():
            series = self.access.open(CloudWatchHook).metric_data(
                self.metric_data_queries, parse_moment(self.start_time), parse_moment(self.end_time)
            )
        return {
            name: {
                "label": found.label,
                "timestamps": [moment_text(moment) for moment in found.timestamps],
                "values": list(found.values),
            }
            for name, found in series.items()
        }
