"""A role in another account: what is made through it lies there, and nowhere else."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.credentials import RefreshableCredentials

from tests.aws.conftest import REGION
from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.endpoint_trigger import EndpointSettledTrigger
from watchkeeper.aws.sagemaker_hook import EndpointHook

OTHER = "210987654321"
ROLE = f"arn:aws:iam::{OTHER}:role/watchkeeper"
NAME = "wk/flights/AllTraffic/server_errors"


@pytest.fixture
def other() -> AwsAccess:
    return AwsAccess(aws_conn_id=None, region_name=REGION, role_arn=ROLE)


def test_every_client_and_hook_of_an_access_has_the_roles_account(other, access):
    assert other.client("sts").get_caller_identity()["Account"] == OTHER
    assert other.client("sts").get_caller_identity()["Arn"].endswith("assumed-role/watchkeeper/watchkeeper")
    assert access.client("sts").get_caller_identity()["Account"] != OTHER
    assert other.open(EndpointHook).account_id == OTHER
    assert other.anew().client("sts").get_caller_identity()["Account"] == OTHER


def test_what_is_made_through_a_role_lies_in_its_account(other, access):
    request = {
        "AlarmName": NAME,
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocations",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    arn = other.open(CloudWatchHook).put_alarm(request)
    assert arn.split(":")[4] == OTHER
    assert [alarm.name for alarm in other.open(CloudWatchHook).alarms()] == [NAME]
    assert list(access.open(CloudWatchHook).alarms()) == []


def test_a_role_is_assumed_once_and_anew_before_its_credentials_end(other):
    calls = []
    hook = other.open(CloudWatchHook)
    credentials = hook.get_session().get_credentials()
    fetch = credentials._refresh_using
    credentials._refresh_using = lambda: calls.append(1) or fetch()
    list(hook.alarms())
    list(hook.alarms())
    assert isinstance(credentials, RefreshableCredentials)
    assert len(calls) == 1
    credentials._expiry_time = datetime.now(UTC) + timedelta(minutes=1)
    list(hook.alarms())
    assert len(calls) == 2


def test_a_provider_hook_does_not_work_in_the_wrong_account_silently(other):
    from airflow.providers.amazon.aws.hooks.sns import SnsHook

    with pytest.raises(TypeError, match="role_arn"):
        SnsHook(**other.hook_arguments())


def test_a_trigger_takes_the_role_along_and_waits_with_it(other):
    trigger = EndpointSettledTrigger(endpoint_name="flights", **other.trigger_arguments())
    fields = trigger.serialize()[1]
    assert fields["role_arn"] == ROLE
    hook = EndpointSettledTrigger(**fields).hook()
    session = hook.get_session(deferrable=True)

    async def account() -> str:
        frozen = await (await session.get_credentials()).get_frozen_credentials()
        keys = {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
        sts = boto3.client("sts", region_name=REGION, aws_session_token=frozen.token, **keys)
        return str(sts.get_caller_identity()["Account"])

    assert asyncio.run(account()) == OTHER


def test_a_connection_with_a_role_of_its_own_is_where_ours_is_assumed_from(monkeypatch):
    """For who needs an external id, or a role on the way."""
    own = {"role_arn": "arn:aws:iam::310987654321:role/hub", "assume_role_kwargs": {"ExternalId": "agreed-upon"}}
    monkeypatch.setenv("AIRFLOW_CONN_HUB", json.dumps({"conn_type": "aws", "extra": own}))
    assert AwsAccess("hub", REGION).client("sts").get_caller_identity()["Account"] == "310987654321"
    assert AwsAccess("hub", REGION, role_arn=ROLE).client("sts").get_caller_identity()["Account"] == OTHER


def test_without_a_role_nothing_changes(access):
    assert "role_arn" not in access.hook_arguments()
    assert "role_arn" not in access.trigger_arguments()
    fields = EndpointSettledTrigger(endpoint_name="flights", **access.trigger_arguments()).serialize()[1]
    assert "role_arn" not in fields
