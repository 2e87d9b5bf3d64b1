"""CloudWatch through the amazon provider: metrics written in batches and read, dashboards, and alarms."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from watchkeeper.aws.alarm_hook import NAMES_A_CALL, AlarmHook
from watchkeeper.aws.metric_batch import metric_batches
from watchkeeper.aws.metric_query import MetricSeries, SeriesGathering, query_batches
from watchkeeper.aws.service_failure import error_code, iam_action, is_missing, is_refused, permission_named
from watchkeeper.registry.capture_window import HOUR

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

    from watchkeeper.registry.capture_window import Window

_HOUR_SECONDS = int(HOUR.total_seconds())
#: Worth halving a batch for: one bad point makes CloudWatch refuse all that travel with it.
_POINT_FAULTS = frozenset({"InvalidParameterValue", "InvalidParameterCombination", "ValidationError", "InvalidFormat"})


@dataclass(frozen=True)
class MetricReport:
    """How many metric points CloudWatch took, and one sentence for each refusal.

    ``failure`` is what ended the writing, if anything did: later points were not sent then.
    """

    accepted_count: int
    refusals: tuple[str, ...] = ()
    failure: Exception | None = None

    def plus(self, other: "MetricReport") -> "MetricReport":
        """Return both together."""
        return MetricReport(
            self.accepted_count + other.accepted_count,
            (*self.refusals, *other.refusals),
            self.failure or other.failure,
        )


class CloudWatchHook(AlarmHook):
    """Interact with Amazon CloudWatch metrics, dashboards and alarms.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("cloudwatch") <CloudWatch.Client>`;
    throttled calls are retried with backoff.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def put_metric_data(self, namespace: str, metric_data: Sequence[dict[str, Any]]) -> MetricReport:
        """Write any number of metric points and report what came of them.

        Points are sent in batches within PutMetricData's limits. When a batch is refused for its content it is
        halved until the faulty points stand alone. Throttling and connection errors end the writing after retries
        and are the report's ``failure``: what was taken before is taken, and the caller has to know it.

        :param namespace: the metrics' namespace.
        :param metric_data: the points, as PutMetricData takes them.
        """
        report = MetricReport(0)
        for batch in metric_batches(metric_data):
            report = report.plus(self._put_batch(namespace, batch))
            if report.failure is not None:
                break
        return report

    def _put_batch(self, namespace: str, batch: list[dict[str, Any]]) -> MetricReport:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        try:
            self.client.put_metric_data(Namespace=namespace, MetricData=cast("list[MetricDatumTypeDef]", batch))
        except (ClientError, ParamValidationError) as error:
            code = error_code(error) if isinstance(error, ClientError) else "ValidationError"
            names = f"{len(batch)} points of {namespace} (first: {batch[0].get('MetricName')})"
            if isinstance(error, ClientError) and is_refused(error):
                action = iam_action("cloudwatch", "PutMetricData")
                return MetricReport(0, (f"{names}: AWS refused; allow {action} for namespace {namespace}",))
            if code not in _POINT_FAULTS:
                return MetricReport(0, failure=error)
            if len(batch) == 1:
                return MetricReport(0, (f"{names}: {error}",))
            half = len(batch) // 2
            first = self._put_batch(namespace, batch[:half])
            return first if first.failure is not None else first.plus(self._put_batch(namespace, batch[half:]))
        except BotoCoreError as error:
            return MetricReport(0, failure=error)
        return MetricReport(len(batch))

    def invocation_count(self, endpoint_name: str, variant: str, window: "Window") -> float | None:
        """Return how often the endpoint's variant was invoked in the window; ``None`` if CloudWatch knows nothing.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        :param window: whole hours, so that CloudWatch's hourly sums add up to it.
        """
        with permission_named("cloudwatch", "AWS/SageMaker Invocations"):
            answer = self.client.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="Invocations",
                Dimensions=[
                    {"Name": "EndpointName", "Value": endpoint_name},
                    {"Name": "VariantName", "Value": variant},
                ],
                StartTime=window.start,
                EndTime=window.end,
                Period=_HOUR_SECONDS,
                Statistics=["Sum"],
            )
        points = [point["Sum"] for point in answer.get("Datapoints", [])]
        return float(sum(points)) if points else None

    def metric_data(
        self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> dict[str, MetricSeries]:
        """Return the series of any number of queries by their ids; ServiceAnswerError if one could not be answered.

        Queries go out 500 a call, an expression together with those that it names. A query that returns several series
        (SEARCH) has each under ``{id}/{label}``. A metric without points is an empty series.

        :param queries: metrics and expressions, as GetMetricData takes them.
        :param start: the first moment; whole hours and minutes answer fastest.
        :param end: the moment before which the last period begins.
        """
        gathering = SeriesGathering()
        for batch in query_batches(queries):
            with permission_named("cloudwatch", f"metrics of {batch[0]['Id']} and {len(batch) - 1} other queries"):
                pages: Any = self.client.get_paginator("get_metric_data").paginate(
                    MetricDataQueries=cast("Any", batch), StartTime=start, EndTime=end, ScanBy="TimestampAscending"
                )
                for page in pages:
                    gathering.add(page)
        return gathering.series()

    def list_metrics(
        self, namespace: str, metric_name: str | None = None, dimensions: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield metrics that had a point in the last two weeks: ``Namespace``, ``MetricName``, ``Dimensions``.

        :param namespace: the metrics' namespace.
        :param metric_name: the metric's name; ``None`` for all.
        :param dimensions: values that a metric must have, by the dimension's name.
        """
        wanted: dict[str, Any] = {"Namespace": namespace}
        if metric_name is not None:
            wanted["MetricName"] = metric_name
        if dimensions:
            wanted["Dimensions"] = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        with permission_named("cloudwatch", f"metrics of {namespace}"):
            pages: Any = self.client.get_paginator("list_metrics").paginate(**wanted)
            for page in pages:
                yield from page.get("Metrics", ())

    def put_dashboard(
        self, name: str, body: Mapping[str, Any], tags: Sequence[Mapping[str, str]] = ()
    ) -> tuple[str, ...]:
        """Create or replace a dashboard; return what CloudWatch found odd about it, a sentence each.

        :param name: the dashboard's name.
        :param body: the dashboard, as the JSON of its body.
        :param tags: tags of a dashboard that is created; of one that is there they are ignored.
        """
        more: Any = {"Tags": list(tags)} if tags else {}
        with permission_named("cloudwatch", f"dashboard/{name}"):
            text = json.dumps(body, sort_keys=True)
            answer = self.client.put_dashboard(DashboardName=name, DashboardBody=text, **more)
        messages = answer.get("DashboardValidationMessages", [])
        return tuple(f"{message.get('DataPath', '/')}: {message.get('Message', '')}" for message in messages)

    def dashboards(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of dashboards.

        :param prefix: what they begin with.
        """
        with permission_named("cloudwatch", "dashboard/*"):
            selection: Any = {"DashboardNamePrefix": prefix} if prefix else {}
            for page in self.client.get_paginator("list_dashboards").paginate(**selection):
                for entry in page.get("DashboardEntries", []):
                    yield str(entry.get("DashboardName"))

    def dashboard(self, name: str) -> dict[str, Any] | None:
        """Return a dashboard's body; ``None`` if there is no such dashboard.

        :param name: the dashboard's name.
        """
        from botocore.exceptions import ClientError

        with permission_named("cloudwatch", f"dashboard/{name}"):
            try:
                answer = self.client.get_dashboard(DashboardName=name)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
        body: dict[str, Any] = json.loads(answer["DashboardBody"])
        return body

    def delete_dashboards(self, names: Iterable[str]) -> tuple[str, ...]:
        """Delete dashboards; return the names of those that there were.

        :param names: the dashboards' names; any number.
        """
        wanted = set(names)
        found = sorted(wanted & set(self.dashboards())) if wanted else []
        for batch in batched(found, NAMES_A_CALL):
            with permission_named("cloudwatch", f"dashboard/{batch[0]}"):
                self.client.delete_dashboards(DashboardNames=list(batch))
        return tuple(found)
