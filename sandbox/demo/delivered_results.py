"""What the demo brought about, read back from the (emulated) AWS and never from what was sent."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import polars as pl

from watchkeeper.aws.action_store import ActionStore, AttemptRecord
from watchkeeper.aws.incident_record import IncidentRecord
from watchkeeper.aws.incident_store import IncidentStore
from watchkeeper.aws.ledger import Ledger

RECEIVE_AT_MOST = 10
_ALARM_TYPES = ["MetricAlarm", "CompositeAlarm"]


@dataclass(frozen=True)
class DeliveredMessage:
    """One SNS message as a subscriber got it."""

    subject: str
    text: str
    attributes: Mapping[str, str]
    sent_at: str = ""


@dataclass(frozen=True)
class MetricSeries:
    """One CloudWatch metric with the points it has in a span."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    point_count: int
    maximum: float


@dataclass(frozen=True)
class Service:
    """How an endpoint served: its invocations, the share that failed with 5xx, and what latency was usual."""

    invocations: float
    failed_share: float
    p50_ms: float
    p95_ms: float

    @property
    def is_well(self) -> bool:
        """Whether it was called, nothing failed, and answers came within two seconds."""
        return bool(self.invocations) and self.failed_share == 0 and self.p95_ms < 2000

    def is_worse_than(self, other: "Service") -> bool:
        """Whether a tenth of the calls failed, or answers took ten times as long."""
        return self.failed_share > 0.1 or self.p95_ms > 10 * other.p95_ms


class DeliveredResults:
    """Reads ledger, queue and metrics of the account at ``aws``, a mapping of AWS's environment variables."""

    def __init__(self, aws: Mapping[str, str]) -> None:
        self._session = boto3.Session(
            aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
            region_name=aws["AWS_DEFAULT_REGION"],
        )
        self._url = aws["AWS_ENDPOINT_URL"]

    def ledger(
        self, bucket: str, prefix: str, monitor: str, start: datetime, end: datetime, *, every_revision: bool = False
    ) -> pl.DataFrame:
        """Return the newest verdict of each window that starts in ``[start, end)``, or all revisions."""
        return Ledger(bucket, prefix, self._client("s3")).read(monitor, start, end, every_revision=every_revision)

    def attempts(self, bucket: str, prefix: str, endpoint: str) -> list[AttemptRecord]:
        """Return the retraining attempts of an endpoint, the oldest first."""
        return list(reversed(ActionStore(bucket, prefix, self._client("s3")).attempts(endpoint)))

    def incidents(self, bucket: str, prefix: str, endpoint: str) -> list[IncidentRecord]:
        """Return the incidents of an endpoint, the newest first."""
        return list(IncidentStore(bucket, prefix, self._client("s3")).incidents(endpoint))

    def newest_text(self, bucket: str, prefix: str, suffix: str) -> str:
        """Return the newest object below a prefix whose key ends so."""
        pages = self._client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [item for page in pages for item in page.get("Contents", []) if item["Key"].endswith(suffix)]
        newest = max(found, key=lambda item: item["LastModified"])
        return self.body(f"s3://{bucket}/{newest['Key']}").decode()

    def serving(self, name: str) -> dict[str, Any]:
        """Return what SageMaker says of an endpoint."""
        return dict(self._client("sagemaker").describe_endpoint(EndpointName=name))

    def alarm(self, name: str) -> dict[str, Any] | None:
        """Return what CloudWatch says of an alarm, ``None`` if there is none of this name."""
        found = self._client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=_ALARM_TYPES)
        return next(iter([*found["MetricAlarms"], *found["CompositeAlarms"]]), None)

    def service(self, endpoint: str, start: datetime, end: datetime) -> Service:
        """Return how an endpoint served in ``[start, end)``: medians of ten seconds' percentiles."""
        asked = {"calls": ("Invocations", "Sum"), "failed": ("Invocation5XXErrors", "Sum")}
        asked |= {stat: ("ModelLatency", stat) for stat in ("p50", "p95")}
        dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}]
        queries = [
            {
                "Id": query_id,
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions},
                    "Period": 10,
                    "Stat": stat,
                },
            }
            for query_id, (name, stat) in asked.items()
        ]
        answer = self._client("cloudwatch").get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end)
        values = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
        calls = sum(values["calls"])
        p50, p95 = (statistics.median(values[name]) / 1000 if values[name] else 0.0 for name in ("p50", "p95"))
        return Service(calls, sum(values["failed"]) / calls if calls else 0.0, p50, p95)

    def document(self, uri: str) -> dict[str, Any]:
        """Return the JSON document at an ``s3://`` address."""
        return dict(json.loads(self.body(uri)))

    def body(self, uri: str) -> bytes:
        """Return what lies at an ``s3://`` address."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return bytes(self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def endpoint(self, name: str) -> dict[str, Any]:
        """Return what SageMaker says of an endpoint, and the approval status of each model package of its group."""
        sagemaker = self._client("sagemaker")
        described = dict(sagemaker.describe_endpoint(EndpointName=name))
        packages = sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]
        described["Packages"] = {one["ModelPackageArn"]: one["ModelApprovalStatus"] for one in packages}
        return described

    def put_alarm(self, name: str, endpoint: str) -> None:
        """Make the alarm on model errors that guards a shift of traffic."""
        self._client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="InvocationModelErrors",
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=5.0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )

    def messages(self, queue_url: str) -> list[DeliveredMessage]:
        """Return every message in the queue, and leave them there."""
        queue = self._client("sqs")
        found: dict[str, DeliveredMessage] = {}
        while True:
            batch = queue.receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=RECEIVE_AT_MOST, VisibilityTimeout=10, WaitTimeSeconds=0
            ).get("Messages", [])
            if not batch or all(message["MessageId"] in found for message in batch):
                return list(found.values())
            for message in batch:
                notification = json.loads(message["Body"])
                attributes = notification.get("MessageAttributes", {})
                found[message["MessageId"]] = DeliveredMessage(
                    notification.get("Subject", ""),
                    notification["Message"],
                    {name: attribute["Value"] for name, attribute in attributes.items()},
                    notification.get("Timestamp", ""),
                )

    def metrics(self, namespace_prefix: str, start: datetime, end: datetime) -> list[MetricSeries]:
        """Return the metrics whose namespace begins so and that have points in ``[start, end)``."""
        cloudwatch = self._client("cloudwatch")
        pages = cloudwatch.get_paginator("list_metrics").paginate()
        metrics = [
            metric for page in pages for metric in page["Metrics"] if metric["Namespace"].startswith(namespace_prefix)
        ]
        series = []
        for metric in metrics:
            answer = cloudwatch.get_metric_statistics(
                Namespace=metric["Namespace"],
                MetricName=metric["MetricName"],
                Dimensions=metric["Dimensions"],
                StartTime=start,
                EndTime=end,
                Period=3600,
                Statistics=["Maximum", "SampleCount"],
            )
            points = answer["Datapoints"]
            if points:
                series.append(
                    MetricSeries(
                        metric["Namespace"],
                        metric["MetricName"],
                        {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]},
                        int(sum(point["SampleCount"] for point in points)),
                        max(point["Maximum"] for point in points),
                    )
                )
        return sorted(series, key=lambda one: (one.namespace, sorted(one.dimensions.items()), one.name))

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._url)  # type: ignore[call-overload]  # by its name
