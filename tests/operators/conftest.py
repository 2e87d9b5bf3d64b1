"""A deployment in moto: a bucket, a topic that is listened to, and endpoint files."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from watchkeeper.operators.monitor_base import open_deployment

REGION = "us-east-1"
BUCKET = "watchkeeper-tests"


class Place:
    """One deployment's bucket, topic and folder of endpoint files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.s3 = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(Bucket=BUCKET)
        sns, self.sqs = boto3.client("sns", region_name=REGION), boto3.client("sqs", region_name=REGION)
        self.topic = sns.create_topic(Name="alerts")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="alerts")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def endpoint(self, name: str = "flights", **changes: Any) -> None:
        document = {
            "endpoint_name": f"{name}-delay",
            "owner": "flight-ops",
            "capture": {"s3_uri": f"s3://{BUCKET}/capture"},
        }
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(document | changes))

    def messages(self) -> list[dict[str, Any]]:
        found = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    @property
    def deployment(self) -> Any:
        return open_deployment()


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("AWS_", "WATCHKEEPER_")) and "HOME" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("WATCHKEEPER_BUCKET", BUCKET)
    monkeypatch.setenv("WATCHKEEPER_PREFIX", "wk")
    monkeypatch.setenv("WATCHKEEPER_ENDPOINTS", str(tmp_path))
    with mock_aws():
        here = Place(tmp_path)
        monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", here.topic)
        here.endpoint()
        yield here


def context(**fields):
    """Return the context of a task, as far as our operators look at it."""
    run = {"dag_id": "monitor_hourly", "run_id": "scheduled__1", "run_type": "scheduled", "run_after": None}
    values = {"params": {}, "dag_run": SimpleNamespace(**(run | fields.pop("run", {})))}
    return values | fields
