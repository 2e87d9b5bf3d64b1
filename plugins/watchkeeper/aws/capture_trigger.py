"""Waits until a window's capture has settled: until its last hour is over and the grace has passed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from watchkeeper.registry.capture_window import moment_text, parse_moment

#: Airflow 3.3.1 can fail a task whose trigger fires before the scheduler has seen it defer.
FIRST_EVENT_SECONDS = 10


class CaptureSettledTrigger(BaseTrigger):
    """Fires once when ``moment`` has come, and not before ten seconds have passed.

    :param moment: when the capture is settled, as ISO 8601 text with its offset.
    """

    def __init__(self, *, moment: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and arguments, as Airflow stores a trigger."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event whose ``status`` is ``success``."""
        moment = parse_moment(self.moment)
        await asyncio.sleep(FIRST_EVENT_SECONDS)
        # Short sleeps: a laptop or container that was suspended wakes up to a clock that has moved on.
        while (seconds := (moment - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(min(seconds, 60))
        yield TriggerEvent({"status": "success", "moment": moment_text(moment)})  # type: ignore[no-untyped-call]
