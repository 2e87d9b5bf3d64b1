"""EventBridge rules: targets that were not taken, and rules that go with their targets."""

import boto3
import pytest

from tests.aws.conftest import REGION
from tests.scripted_aws import Refusal, scripted_aws
from watchkeeper.aws.event_rule_hook import EventRuleHook
from watchkeeper.errors import PermissionMissingError, ServiceAnswerError

PATTERN = '{"source": ["aws.cloudwatch"]}'
QUEUE = "arn:aws:sqs:us-east-1:123456789012:alarms"


@pytest.fixture
def hook() -> EventRuleHook:
    return EventRuleHook(aws_conn_id=None, region_name=REGION)


@pytest.fixture
def aws_script(monkeypatch):
    with scripted_aws(monkeypatch) as script:
        yield script


def targets(count: int) -> list[dict[str, str]]:
    return [{"Id": f"t{number:02}", "Arn": QUEUE} for number in range(count)]


def test_a_rule_and_its_targets_come_and_go(hook):
    hook.put_rule("wk-alarms", event_pattern=PATTERN, description="Alarms", tags=[{"Key": "k", "Value": "1"}])
    hook.put_rule("wk-alarms", event_pattern=PATTERN, description="Alarms", tags=[{"Key": "k", "Value": "2"}])
    hook.put_rule("wk-alarms-more", event_pattern=PATTERN)
    rule, other = sorted(hook.rules("wk-alarms"), key=lambda rule: rule.name)
    assert (rule.pattern, rule.state, rule.description) == (PATTERN, "ENABLED", "Alarms")
    assert hook.rule_tags(rule.arn) == {"k": "2"}
    hook.put_targets("wk-alarms", targets(23))
    assert [target["Id"] for target in hook.targets("wk-alarms")] == [target["Id"] for target in targets(23)]
    hook.remove_targets("wk-alarms", ["t00"])
    assert len(hook.targets("wk-alarms")) == 22
    assert hook.delete_rule("wk-alarms")
    assert not hook.delete_rule("wk-alarms")
    assert [left.name for left in hook.rules()] == [other.name]
    assert hook.targets("wk-alarms") == ()


def test_a_bus_of_its_own_is_asked_where_it_is_named(hook):
    boto3.client("events", region_name=REGION).create_event_bus(Name="ours")
    hook.put_rule("r", event_pattern=PATTERN, event_bus_name="ours")
    hook.put_targets("r", targets(1), "ours")
    assert [rule.name for rule in hook.rules(event_bus_name="ours")] == ["r"]
    assert list(hook.rules()) == []
    assert hook.delete_rule("r", "ours")


def test_targets_that_were_not_taken_are_told_after_all_others_were_put(hook, aws_script):
    failed = {"TargetId": "t03", "ErrorCode": "ConcurrentModificationException", "ErrorMessage": "too many"}
    aws_script.answers["PutTargets"] = [
        {"FailedEntryCount": 1, "FailedEntries": [failed]},
        {"FailedEntryCount": 1, "FailedEntries": []},
        {"FailedEntryCount": 0, "FailedEntries": []},
    ]
    expected = r"rule r: 2 targets were not put \(t03: ConcurrentModificationException too many; unknown: no code\)"
    with pytest.raises(ServiceAnswerError, match=expected):
        hook.put_targets("r", targets(23))
    assert [len(request["Targets"]) for request in aws_script.asked("PutTargets")] == [10, 10, 3]


def test_targets_that_stayed_are_told(hook, aws_script):
    aws_script.answers["RemoveTargets"] = [
        {"FailedEntryCount": 1, "FailedEntries": [{"TargetId": "a", "ErrorCode": "x"}]}
    ]
    with pytest.raises(ServiceAnswerError, match=r"1 targets were not removed \(a: x\)"):
        hook.remove_targets("r", ["a"])


def test_a_refusal_names_action_and_rule(hook, aws_script):
    aws_script.answers |= {
        "PutTargets": [Refusal("AccessDeniedException")],
        "PutRule": [Refusal("AccessDeniedException")],
    }
    with pytest.raises(PermissionMissingError, match="events:PutTargets on rule/r"):
        hook.put_targets("r", targets(1))
    with pytest.raises(PermissionMissingError, match="events:PutRule on rule/r"):
        hook.put_rule("r", event_pattern=PATTERN)
