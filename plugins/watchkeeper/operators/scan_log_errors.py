"""Looks through a log group for errors, and groups them by what they say."""

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator
from watchkeeper.registry.capture_window import parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.analysis.log_pattern import ErrorScan

MAXIMUM_LINES = 100_000


class CloudWatchLogErrorScanOperator(ServiceOperator):
    """Find a log group's lines that tell of errors, exceptions or failures, grouped by pattern.

    A pattern is a message without numbers, ids, times, addresses and quoted values, at most 200 characters long; whole
    messages, which may hold a caller's data, are neither returned nor logged.

    .. seealso::
        :external+boto3:py:meth:`CloudWatchLogs.Client.filter_log_events`

    :param log_group: The group's name; SageMaker's are ``/aws/sagemaker/Endpoints/{name}``. (templated)
    :param start_time: The first moment, as ISO 8601 text with its offset. (templated)
    :param end_time: The moment after the last. (templated)
    :param stream_prefix: What the streams' names begin with, such as a variant's; ``None`` for all. (templated)
    :param maximum_lines: How many lines to read at most; the answer says whether that was all.
    """

    template_fields: "Sequence[str]" = (
        *ServiceOperator.template_fields,
        "log_group",
        "start_time",
        "end_time",
        "stream_prefix",
    )

    def __init__(
        self,
        *,
        log_group: str,
        start_time: str,
        end_time: str,
        stream_prefix: str | None = None,
        maximum_lines: int = MAXIMUM_LINES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.log_group = log_group
        self.start_time = start_time
        self.end_time = end_time
        self.stream_prefix = stream_prefix
        self.maximum_lines = maximum_lines

    def execute(self, context: "Context") -> dict[str, Any]:  # noqa: ARG002
        """Return ``error_count``, ``is_complete`` and ``groups``; LookupError if there is no such log group.

        Each group has ``pattern``, ``kind`` (exception, error or failed), ``count``, ``first_seen``, ``last_seen``, and
        the first five of its ``streams`` and of the ``inference_ids`` that its messages name.
        """
        import msgspec

        start, end = parse_moment(self.start_time), parse_moment(self.end_time)
        with failing_at_once():
            hook = self.access.open(LogsHook)
            scan = scan_errors(hook, self.log_group, start, end, self.maximum_lines, self.stream_prefix)
        self.log.info("%s: %d lines tell of errors, in %d groups", self.log_group, scan.error_count, len(scan.groups))
        answer: dict[str, Any] = msgspec.to_builtins(scan)
        return answer | {"error_count": scan.error_count}


def scan_errors(
    hook: LogsHook,
    log_group: str,
    start: datetime,
    end: datetime,
    maximum_lines: int = MAXIMUM_LINES,
    stream_prefix: str | None = None,
) -> "ErrorScan":
    """Return the errors of a log group in ``[start, end)``, the most frequent first."""
    from watchkeeper.analysis.log_pattern import FILTER_PATTERN, ErrorScan, group_errors, most_frequent

    lines = hook.events(log_group, start, end, FILTER_PATTERN, stream_prefix)
    groups = group_errors(islice(lines, maximum_lines))
    return ErrorScan(
        log_group=log_group,
        start=start,
        end=end,
        is_complete=next(lines, None) is None,
        groups=most_frequent(groups.values()),
    )
