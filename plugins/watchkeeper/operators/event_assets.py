"""The assets that operational events ring, watched for on the queues that the environment names."""

import os

from airflow.sdk import Asset, AssetWatcher

from watchkeeper.aws.inbox_trigger import InboxTrigger


def _watchers(name: str) -> list[AssetWatcher]:
    """Return the watcher of a queue; none where the environment names no queue: DAGs parse, and the clock rings."""
    queue_url = os.environ.get(f"WATCHKEEPER_{name.upper()}", "").strip()
    return [AssetWatcher(name=f"watchkeeper_{name}", trigger=InboxTrigger(queue_url=queue_url))] if queue_url else []


#: Rings when changes of alarms' states have come into the inbox: what `remediate` listens to.
ALARM_EVENTS = Asset(
    name="watchkeeper_alarm_events",
    uri="watchkeeper://events/alarms",
    group="watchkeeper",
    watchers=_watchers("alarm_queue_url"),
)
#: Rings when the platform's events have come into the inbox: what `platform_events` listens to.
PLATFORM_EVENTS = Asset(
    name="watchkeeper_platform_events",
    uri="watchkeeper://events/platform",
    group="watchkeeper",
    watchers=_watchers("event_queue_url"),
)
