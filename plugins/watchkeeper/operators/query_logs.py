"""Asks CloudWatch Logs Insights."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.insights_trigger import InsightsQueryTrigger
from watchkeeper.aws.log_hook import LogsHook, required_answer
from watchkeeper.operators.awaited_run import AwaitedRunOperator
from watchkeeper.registry.capture_window import parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudWatchLogsInsightsQueryOperator(AwaitedRunOperator):
    """Run a Logs Insights query and return its rows. A query whose task is killed is stopped.

    .. seealso::
        :external+boto3:py:meth:`CloudWatchLogs.Client.start_query`

    :param log_groups: Names of log groups; those that SageMaker makes are ``/aws/sagemaker/Endpoints/{name}``.
        (templated)
    :param query: The query, in Logs Insights' language. (templated)
    :param start_time: The first moment, as ISO 8601 text with its offset. (templated)
    :param end_time: The last moment; it counts. (templated)
    :param limit: How many rows to return at most; ``None`` for CloudWatch's own, 1000.
    :param waiter_delay: Seconds between two looks at the query.
    :param waiter_max_attempts: How many looks to take; after that the query is stopped. CloudWatch ends it after an
        hour.
    """

    template_fields: "Sequence[str]" = (
        *AwaitedRunOperator.template_fields,
        "log_groups",
        "query",
        "start_time",
        "end_time",
    )

    def __init__(
        self,
        *,
        log_groups: list[str],
        query: str,
        start_time: str,
        end_time: str,
        limit: int | None = None,
        waiter_delay: int = 5,
        waiter_max_attempts: int = 720,
        **kwargs: Any,
    ) -> None:
        super().__init__(waiter_delay=waiter_delay, waiter_max_attempts=waiter_max_attempts, **kwargs)
        self.log_groups = log_groups
        self.query = query
        self.start_time = start_time
        self.end_time = end_time
        self.limit = limit

    def start(self, context: "Context") -> str:  # noqa: ARG002
        """Start the query: each try asks anew, since it changes nothing."""
        start, end = parse_moment(self.start_time), parse_moment(self.end_time)
        return self._hook.start_query(self.log_groups, self.query, start, end, self.limit)

    def has_ended(self, run_id: str) -> bool:
        """Say whether the query has ended."""
        return self._hook.query_answer(run_id).has_ended

    def result(self, run_id: str) -> list[dict[str, str]]:
        """Return the rows; ServiceAnswerError if the query failed, was stopped or took too long."""
        answer = self._hook.query_answer(run_id)
        rows = required_answer(answer, run_id)
        self.log.info("Query %s found %d rows in %.0f bytes", run_id, len(rows), answer.bytes_scanned)
        return list(rows)

    def stop(self, run_id: str) -> bool:
        """Stop the query."""
        return self._hook.stop_query(run_id)

    def trigger(self, run_id: str) -> InsightsQueryTrigger:
        """Return the trigger that waits for the query."""
        return InsightsQueryTrigger(query_id=run_id, **self.trigger_arguments())

    @property
    def _hook(self) -> LogsHook:
        return self.access.open(LogsHook)
