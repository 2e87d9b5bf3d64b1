"""Filter patterns answer as CloudWatch Logs' do."""

import time
import uuid

import pytest

from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox
LINES = ("ERROR boom", "job failed", "KeyError in x", "INFO ready", "worker FAILED")


@pytest.fixture(scope="module")
def logs(sandbox: SandboxProcess):
    client, group = sandbox.client("logs"), f"g{uuid.uuid4().hex[:8]}"
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + place, "message": text} for place, text in enumerate(LINES)]
    client.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)

    def matching(pattern: str) -> list[str]:
        answer = client.filter_log_events(logGroupName=group, filterPattern=pattern)
        return [event["message"] for event in answer["events"]]

    return matching


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", LINES),
        ("%[Ff]ail|ERROR%", ("ERROR boom", "job failed")),
        ("%^INFO%", ("INFO ready",)),
        ("?ERROR ?failed", ("ERROR boom", "job failed")),
        ('?FAILED ?"INFO"', ("INFO ready", "worker FAILED")),
        ("%nothing%", ()),
        ("boom", ("ERROR boom",)),
    ],
)
def test_a_pattern_finds_its_lines(logs, pattern, found):
    assert logs(pattern) == list(found)
