import asyncio
import time
from datetime import UTC, datetime, timedelta

from watchkeeper.aws import capture_trigger
from watchkeeper.aws.capture_trigger import CaptureSettledTrigger


async def first_event(trigger):
    return (await anext(trigger.run())).payload


def test_it_fires_when_the_moment_has_come_but_not_before_ten_seconds(monkeypatch):
    assert capture_trigger.FIRST_EVENT_SECONDS == 10
    monkeypatch.setattr(capture_trigger, "FIRST_EVENT_SECONDS", 0.2)
    started = time.monotonic()
    past = asyncio.run(first_event(CaptureSettledTrigger(moment="2026-01-01T00:00:00Z")))
    assert time.monotonic() - started >= 0.2
    assert past == {"status": "success", "moment": "2026-01-01T00:00:00Z"}
    moment = datetime.now(UTC) + timedelta(seconds=0.8)
    asyncio.run(first_event(CaptureSettledTrigger(moment=moment.isoformat())))
    assert datetime.now(UTC) >= moment
