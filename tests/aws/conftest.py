"""AWS at the client edge: moto in this process, credentials that are nobody's."""

import os
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from watchkeeper.aws.client_access import AwsAccess

BUCKET = "watchkeeper-tests"
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(("AWS_", "WATCHKEEPER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        boto3.client("s3", region_name=REGION).create_bucket(Bucket=BUCKET)
        yield


@pytest.fixture
def s3():
    return boto3.client("s3", region_name=REGION)


@pytest.fixture
def access() -> AwsAccess:
    return AwsAccess(aws_conn_id=None, region_name=REGION)
