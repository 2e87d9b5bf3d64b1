"""What DescribeAlarms, PutMetricAlarm and DeleteAlarms allow: names a call, tags, composites, refusals."""

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from watchkeeper.aws.alarm_hook import AlarmHook
from watchkeeper.aws.alarm_trigger import alarm_selection, alarm_waiter
from watchkeeper.errors import PermissionMissingError

MOMENT = datetime(2026, 11, 25, 4, tzinfo=UTC)
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
TYPES = ("MetricAlarm", "CompositeAlarm")
MINIMAL = {"AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "LessThanThreshold"}


@pytest.fixture
def hook() -> AlarmHook:
    return AlarmHook(aws_conn_id=None, region_name="us-east-1")


@pytest.fixture
def stub(hook):
    with Stubber(hook.client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def metric_alarm(name: str, **more):
    return {
        "AlarmName": name,
        "AlarmArn": f"{ARN}{name}",
        "StateValue": "OK",
        "StateReason": "fine",
        "StateUpdatedTimestamp": MOMENT,
        "Dimensions": [],
        "OKActions": [],
        "Threshold": 1.0,
        **more,
    }


def composite(name: str, rule: str):
    fields = {"AlarmName": name, "AlarmArn": f"{ARN}{name}", "StateValue": "ALARM", "StateUpdatedTimestamp": MOMENT}
    return {**fields, "StateTransitionedTimestamp": MOMENT.replace(hour=3), "AlarmRule": rule}


def test_names_are_asked_a_hundred_a_call(hook, stub):
    names = [f"n{number}" for number in range(250)]
    for batch in (names[:100], names[100:200], names[200:]):
        found = {"MetricAlarms": [metric_alarm(batch[0])]}
        stub.add_response("describe_alarms", found, {"AlarmNames": batch, "AlarmTypes": TYPES})
    assert [alarm.name for alarm in hook.alarms(names=[*names, "n0"])] == ["n0", "n100", "n200"]
    assert list(hook.alarms(names=[])) == []


def test_all_pages_are_read_and_both_kinds(hook, stub):
    stub.add_response(
        "describe_alarms",
        {"MetricAlarms": [metric_alarm("wk/a")], "CompositeAlarms": [], "NextToken": "more"},
        {"AlarmNamePrefix": "wk/", "AlarmTypes": TYPES},
    )
    stub.add_response(
        "describe_alarms",
        {"CompositeAlarms": [composite("wk/b", 'ALARM("wk/a")')]},
        {"AlarmNamePrefix": "wk/", "AlarmTypes": TYPES, "NextToken": "more"},
    )
    first, second = hook.alarms("wk/")
    assert (first.state, first.since, first.is_composite) == ("OK", MOMENT, False)
    # What would put it again: nothing that only answers hold, nothing empty.
    assert first.request == {"AlarmName": "wk/a", "Threshold": 1.0}
    assert (second.state, second.since.hour, second.is_composite) == ("ALARM", 3, True)


def test_tags_are_set_on_an_alarm_that_exists(hook, stub):
    """PutMetricAlarm ignores them there."""
    tags = [{"Key": "watchkeeper:endpoint", "Value": "a"}]
    request = {**MINIMAL, "AlarmName": "wk/a", "Tags": tags}
    stub.add_response("put_metric_alarm", {}, request)
    found = {"MetricAlarms": [metric_alarm("wk/a")]}
    stub.add_response("describe_alarms", found, {"AlarmNames": ["wk/a"], "AlarmTypes": TYPES})
    stub.add_response("tag_resource", {}, {"ResourceARN": f"{ARN}wk/a", "Tags": tags})
    assert hook.put_alarm(request) == f"{ARN}wk/a"


def test_composites_go_one_a_call_and_before_what_they_follow(hook, stub):
    children = [f"m{number}" for number in range(150)]
    composites = [
        composite("middle", f'ALARM({children[0]}) OR ALARM("{children[1]}")'),
        composite("top", f'ALARM("{ARN}middle") AND NOT OK(lower-middle)'),
        composite("lower-middle", "ALARM(m2)"),
    ]
    names = [*children, "middle", "top", "lower-middle", "gone"]
    for start in (0, 100):
        batch = names[start : start + 100]
        stub.add_response(
            "describe_alarms",
            {
                "MetricAlarms": [metric_alarm(name) for name in batch if name.startswith("m") and name != "middle"],
                "CompositeAlarms": [alarm for alarm in composites if alarm["AlarmName"] in batch],
            },
            {"AlarmNames": batch, "AlarmTypes": TYPES},
        )
    for batch in (["top"], ["lower-middle"], ["middle"], sorted(children)[:100], sorted(children)[100:]):
        stub.add_response("delete_alarms", {}, {"AlarmNames": batch})
    assert hook.delete_alarms(names) == tuple(sorted(set(names) - {"gone"}))


def test_a_cycle_of_composites_is_left_to_cloudwatch_to_refuse(hook, stub):
    found = {"CompositeAlarms": [composite("a", "ALARM(b)"), composite("b", "ALARM(a)")]}
    stub.add_response("describe_alarms", found)
    stub.add_response("delete_alarms", {}, {"AlarmNames": ["a"]})
    stub.add_response("delete_alarms", {}, {"AlarmNames": ["b"]})
    assert hook.delete_alarms(["a", "b"]) == ("a", "b")


CALLS = {
    "describe_alarms": (lambda hook: list(hook.alarms()), "DescribeAlarms on alarm:\\*"),
    "put_metric_alarm": (lambda hook: hook.put_alarm(MINIMAL), "PutMetricAlarm on alarm:a"),
    "put_composite_alarm": (
        lambda hook: hook.put_composite_alarm({"AlarmName": "a", "AlarmRule": "r"}),
        "PutCompositeAlarm on alarm:a",
    ),
    "set_alarm_state": (lambda hook: hook.set_alarm_state("a", "OK", "r"), "SetAlarmState on alarm:a"),
    "disable_alarm_actions": (
        lambda hook: hook.set_actions_enabled(["a", "b"], enabled=False),
        "DisableAlarmActions on alarm:a and 1 more",
    ),
    "list_tags_for_resource": (lambda hook: hook.alarm_tags("arn"), "ListTagsForResource on arn"),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_refusal_names_action_and_alarm(hook, stub, operation):
    call, needed = CALLS[operation]
    stub.add_client_error(operation, "AccessDenied", http_status_code=403)
    with pytest.raises(PermissionMissingError, match=f"cloudwatch:{needed}"):
        call(hook)


def test_a_waiter_sees_all_alarms_that_it_may_be_given(hook, stub):
    names = [f"n{number}" for number in range(100)]
    wanted = {"AlarmNames": names, "AlarmTypes": list(TYPES), "MaxRecords": 100}
    for last in ("ALARM", "OK"):
        alarms = [metric_alarm(name) for name in names[:-1]] + [metric_alarm(names[-1], StateValue=last)]
        stub.add_response("describe_alarms", {"MetricAlarms": alarms}, wanted)
    hook.get_waiter(alarm_waiter("OK")).wait(**alarm_selection(names), WaiterConfig={"Delay": 0, "MaxAttempts": 2})
