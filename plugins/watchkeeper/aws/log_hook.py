"""CloudWatch Logs through the amazon provider: Insights queries, events by pattern, retention, metric filters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook

from watchkeeper.analysis.log_pattern import LogLine
from watchkeeper.aws.service_failure import error_code, is_missing, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import ServiceAnswerError

#: The days that a log group may keep its events for.
RETENTION_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_UNFINISHED = frozenset({"Scheduled", "Running"})
_CREATE_GROUP = "Create the log group, or correct its name: AWS makes it with the first line that is logged."


@dataclass(frozen=True)
class QueryAnswer:
    """What came of an Insights query so far: rows of texts by field; ``status`` is CloudWatch's."""

    status: str
    rows: tuple[dict[str, str], ...] = ()
    bytes_scanned: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether no more rows will come."""
        return self.status not in _UNFINISHED


@dataclass(frozen=True)
class LogGroup:
    """One log group; ``retention_days`` is ``None`` where events never expire."""

    name: str
    arn: str
    retention_days: int | None
    stored_bytes: int


class LogsHook(ServiceHook, AwsLogsHook):
    """Interact with Amazon CloudWatch Logs.

    Adds to the amazon provider's hook what it lacks; throttled calls are retried with backoff, and the waiters are
    those of ``watchkeeper/aws/waiters``.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def start_query(
        self, groups: Sequence[str], query: str, start: datetime, end: datetime, limit: int | None = None
    ) -> str:
        """Start a Logs Insights query and return its id; LookupError if one of the groups does not exist.

        :param groups: names of log groups.
        :param query: the query, in Logs Insights' language.
        :param start: the first moment.
        :param end: the last moment; it counts.
        :param limit: how many rows to return at most; ``None`` for CloudWatch's own.
        """
        more = {} if limit is None else {"limit": limit}
        with permission_named("logs", ", ".join(groups)), _existing(", ".join(groups)):
            answer = self.client.start_query(
                logGroupNames=list(groups),
                queryString=query,
                startTime=int(start.timestamp()),
                endTime=int(end.timestamp()),
                **more,
            )
        return str(answer["queryId"])

    def query_answer(self, query_id: str) -> QueryAnswer:
        """Return the rows of a query, all pages, without ``@ptr``; those that there are while it runs.

        :param query_id: the query's id.
        """
        rows: list[dict[str, str]] = []
        token: dict[str, str] = {}
        with permission_named("logs", f"query {query_id}"):
            while True:
                page = self.client.get_query_results(queryId=query_id, **token)
                rows += [
                    {cell["field"]: cell.get("value", "") for cell in row if cell["field"] != "@ptr"}
                    for row in page.get("results", ())
                ]
                if not page.get("nextToken") or token.get("nextToken") == page["nextToken"]:
                    break
                token = {"nextToken": page["nextToken"]}
        return QueryAnswer(page["status"], tuple(rows), float(page.get("statistics", {}).get("bytesScanned", 0)))

    def stop_query(self, query_id: str) -> bool:
        """Stop a query; return ``False`` if it has ended already.

        :param query_id: the query's id.
        """
        from botocore.exceptions import ClientError

        with permission_named("logs", f"query {query_id}"):
            try:
                return bool(self.client.stop_query(queryId=query_id).get("success", False))
            except ClientError as error:
                if is_missing(error) or error_code(error) == "InvalidParameterException":
                    return False
                raise

    def events(
        self, group: str, start: datetime, end: datetime, pattern: str = "", stream_prefix: str | None = None
    ) -> Iterator[LogLine]:
        """Yield a group's events of ``[start, end)`` in time order; LookupError if there is no such group.

        :param group: the group's name.
        :param start: the first moment.
        :param end: the moment after the last.
        :param pattern: a filter pattern; empty for all events.
        :param stream_prefix: what the streams' names begin with; ``None`` for all streams.
        """
        more: dict[str, Any] = {} if stream_prefix is None else {"logStreamNamePrefix": stream_prefix}
        if pattern:
            more["filterPattern"] = pattern
        begin, until = _milliseconds(start), _milliseconds(end)
        with permission_named("logs", group), _existing(group):
            pages = self.client.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=begin, endTime=until, **more
            )
            for page in pages:
                for event in page.get("events", ()):
                    if begin <= event["timestamp"] < until:
                        at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                        yield LogLine(at, event.get("logStreamName", ""), event["message"])

    def groups(self, prefix: str = "") -> Iterator[LogGroup]:
        """Yield log groups.

        :param prefix: what their names begin with.
        """
        with permission_named("logs", f"{prefix}*"):
            selection = {"logGroupNamePrefix": prefix} if prefix else {}
            for page in self.client.get_paginator("describe_log_groups").paginate(**selection):
                for group in page.get("logGroups", ()):
                    yield LogGroup(
                        group["logGroupName"],
                        group.get("arn", ""),
                        group.get("retentionInDays"),
                        int(group.get("storedBytes", 0)),
                    )

    def group(self, name: str) -> LogGroup | None:
        """Return one log group; ``None`` if there is no such group.

        :param name: the group's name.
        """
        return next((group for group in self.groups(name) if group.name == name), None)

    def put_retention(self, group: str, days: int | None) -> bool:
        """Keep a group's events for so many days; return ``False``, having done nothing, where that is so already.

        LookupError if there is no such group, ValueError for days that CloudWatch does not offer.

        :param group: the group's name.
        :param days: how long to keep events; ``None`` for ever.
        """
        if days is not None and days not in RETENTION_DAYS:
            offered = ", ".join(map(str, RETENTION_DAYS))
            message = f"{group}: events cannot be kept for {days} days; CloudWatch Logs offers {offered}"
            raise ValueError(message)
        current = self.group(group)
        if current is None:
            raise LookupError(_no_group(group))
        if current.retention_days == days:
            return False
        with permission_named("logs", group):
            if days is None:
                self.client.delete_retention_policy(logGroupName=group)
            else:
                self.client.put_retention_policy(logGroupName=group, retentionInDays=days)
        return True

    def metric_filters(self, group: str) -> dict[str, dict[str, Any]]:
        """Return a group's metric filters by name, as PutMetricFilter takes them; LookupError without such a group.

        :param group: the group's name.
        """
        with permission_named("logs", group), _existing(group):
            pages = self.client.get_paginator("describe_metric_filters").paginate(logGroupName=group)
            found = [item for page in pages for item in page.get("metricFilters", ())]
        return {
            item["filterName"]: {"logGroupName": group}
            | {name: value for name, value in item.items() if name != "creationTime" and value not in (None, [])}
            for item in found
        }

    def put_metric_filter(self, request: Mapping[str, Any]) -> bool:
        """Create or replace a metric filter; return ``False``, having done nothing, where it is so already.

        LookupError if there is no such group.

        :param request: the filter, as PutMetricFilter takes it.
        """
        group, name = str(request["logGroupName"]), str(request["filterName"])
        current = self.metric_filters(group).get(name, {})
        if {key: current.get(key) for key in request} == dict(request):
            return False
        with permission_named("logs", group), _existing(group):
            self.client.put_metric_filter(**request)
        return True

    def delete_metric_filter(self, group: str, name: str) -> bool:
        """Delete a metric filter; return ``False`` if there was none.

        :param group: the group's name.
        :param name: the filter's name.
        """
        from botocore.exceptions import ClientError

        with permission_named("logs", group):
            try:
                self.client.delete_metric_filter(logGroupName=group, filterName=name)
            except ClientError as error:
                if is_missing(error):
                    return False
                raise
        return True


def required_answer(answer: QueryAnswer, query_id: str) -> tuple[dict[str, str], ...]:
    """Return the rows of a query that is complete; ServiceAnswerError for one that ended otherwise, or runs still."""
    if answer.status != "Complete":
        remedy = {
            "Timeout": "Ask for a shorter time or fewer groups: a query may take an hour.",
            "Cancelled": "Somebody stopped it; ask again.",
        }.get(answer.status, "Check the query in the console of Logs Insights.")
        raise ServiceAnswerError(f"Insights query {query_id}", f"its status is {answer.status}", remedy)
    return answer.rows


@contextmanager
def _existing(group: str) -> Iterator[None]:
    """Turn the answer that a log group does not exist into LookupError with the remedy."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise
        raise LookupError(_no_group(group)) from error


def _no_group(group: str) -> str:
    return f"log group {group}: there is no such group. {_CREATE_GROUP}"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
