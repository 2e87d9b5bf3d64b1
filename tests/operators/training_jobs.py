"""Training jobs in moto, which ends each at once: here they end as a test wants it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sagemaker.models import sagemaker_backends

from tests.operators.conftest import REGION

END = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)


def training_job(name: str, status: str = "Completed", *, mae: float = 3.5, end: datetime = END) -> Any:
    """Make a job of half an hour on one ml.m5.xlarge; return its ARN."""
    arn = boto3.client("sagemaker", region_name=REGION).create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/training",
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )["TrainingJobArn"]
    job = sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].training_jobs[name]
    job.training_job_status = job.secondary_status = status
    job.failure_reason = "AlgorithmError: exit code 1" if status == "Failed" else None
    job.billable_time_in_seconds = 1800
    job.training_start_time, job.training_end_time = _plain(end - timedelta(minutes=30)), _plain(end)
    if status == "InProgress":
        job.training_end_time = None
    job.final_metric_data_list = [{"MetricName": "MAE", "Value": mae, "Timestamp": _plain(end)}]
    return arn


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def job_metrics(namespace: str = "Watchkeeper/Jobs") -> dict[tuple[str, str], float]:
    """Return the sum of every metric of jobs by its name and the job's."""
    client = boto3.client("cloudwatch", region_name=REGION)
    found = {}
    for metric in client.list_metrics(Namespace=namespace)["Metrics"]:
        points = client.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=END - timedelta(hours=1),
            EndTime=END + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        names = {item["Name"]: item["Value"] for item in metric["Dimensions"]}
        found[metric["MetricName"], names["JobName"]] = sum(point["Sum"] for point in points)
    return found
