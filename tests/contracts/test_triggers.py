"""Every trigger survives what Airflow does to it: serialise → JSON → rebuild → serialise."""

import importlib
import inspect
import json
import pkgutil

import pytest

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home

ROLE = "arn:aws:iam::210987654321:role/watchkeeper"
ARGUMENTS = {
    "AlarmStateTrigger": {
        "alarm_names": ["a", "b"],
        "state": "ALARM",
        "waiter_delay": 7,
        "waiter_max_attempts": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
    "CaptureSettledTrigger": {"moment": "2026-11-20T06:10:00Z"},
    "CodeBuildTrigger": {
        "build_id": "project:1",
        "cancel_on_kill": False,
        "waiter_delay": 7,
        "waiter_max_attempts": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
    "CodePipelineTrigger": {
        "pipeline": "p",
        "execution_id": "e",
        "cancel_on_kill": False,
        "waiter_delay": 7,
        "waiter_max_attempts": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
    "EndpointSettledTrigger": {
        "endpoint_name": "flights",
        "waiter_delay": 7,
        "waiter_max_attempts": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
    "InsightsQueryTrigger": {
        "query_id": "q",
        "cancel_on_kill": False,
        "waiter_delay": 7,
        "waiter_max_attempts": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
    "InboxTrigger": {
        "queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/watchkeeper-alarms",
        "waiter_delay": 7,
        "wait_time_seconds": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
    "PipelineEndedTrigger": {
        "execution_arn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/e",
        "cancel_on_kill": False,
        "waiter_delay": 7,
        "waiter_max_attempts": 9,
        "aws_conn_id": "mine",
        "region_name": "eu-west-1",
        "verify": False,
        "botocore_config": {"read_timeout": 5},
    },
}


def triggers():
    from airflow.triggers.base import BaseTrigger

    import watchkeeper

    found = {}
    for module in pkgutil.walk_packages(watchkeeper.__path__, "watchkeeper."):
        if module.name.endswith("_trigger"):
            for name, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(item, BaseTrigger) and item.__module__ == module.name:
                    found |= {name: item}
    return {name: item for name, item in found.items() if not item.__subclasses__()}


def test_every_trigger_is_tried():
    assert set(triggers()) == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_trigger_comes_back_the_same(name):
    path, fields = triggers()[name](**ARGUMENTS[name]).serialize()
    module, _, qualified = path.rpartition(".")
    rebuilt = getattr(importlib.import_module(module), qualified)(**json.loads(json.dumps(fields)))
    assert rebuilt.serialize() == (path, fields)
    assert all(fields[key] == value for key, value in ARGUMENTS[name].items())


@pytest.mark.parametrize(
    ("name", "waiter"),
    [
        ("AlarmStateTrigger", "alarms_alarm"),
        ("CodeBuildTrigger", "build_ended"),
        ("CodePipelineTrigger", "execution_ended"),
        ("EndpointSettledTrigger", "endpoint_settled"),
        ("InsightsQueryTrigger", "insights_query_ended"),
        ("PipelineEndedTrigger", "pipeline_execution_ended"),
    ],
)
def test_connection_settings_reach_the_hook_after_deferral(name, waiter):
    trigger = triggers()[name](**ARGUMENTS[name], role_arn=ROLE)
    hook = type(trigger)(**trigger.serialize()[1]).hook()
    assert (hook.aws_conn_id, hook._region_name, hook._verify) == ("mine", "eu-west-1", False)
    assert hook.role_arn == ROLE
    assert trigger.waiter_name == waiter
    assert waiter in hook._list_custom_waiters()
