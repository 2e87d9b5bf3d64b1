"""CloudWatch through the amazon provider: metrics written in batches, and an endpoint's invocations read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from watchkeeper.aws.metric_batch import metric_batches
from watchkeeper.aws.service_failure import error_code, iam_action, is_refused, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.registry.capture_window import HOUR

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
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


class CloudWatchHook(ServiceHook):
    """Interact with Amazon CloudWatch metrics.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("cloudwatch") <CloudWatch.Client>`;
    throttled calls are retried with backoff.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "cloudwatch"
        super().__init__(*args, **kwargs)

    @property
    def client(self) -> "CloudWatchClient":
        """The boto3 client."""
        return cast("CloudWatchClient", self.conn)

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
