"""Watching the alarms of a deployment while it runs: the first one in ALARM turns it into a rollback."""

import logging
import threading
import time
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws_client import local_client
from sandbox.endpoint_change import EndpointChange

_POLL_SECONDS = 0.3

logger = logging.getLogger("sandbox")


def watch_alarms(url: str, region: str, names: Sequence[str], change: EndpointChange) -> None:
    """Ask CloudWatch at ``url`` for the alarms, in a thread, until the change is over."""
    threading.Thread(target=_watch, args=(url, region, list(names), change), name="sandbox-alarms", daemon=True).start()


def _watch(url: str, region: str, names: list[str], change: EndpointChange) -> None:
    cloudwatch = local_client("cloudwatch", url, region)
    while change.status(time.monotonic()) == "Updating":
        try:
            found = cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        except (ClientError, BotoCoreError):
            logger.exception("cannot read the alarms %s; asking again", names)
        else:
            alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
            raised = [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
            if raised:
                reason = f"One or more configured alarm(s) in your deployment configuration went into ALARM: {raised}"
                change.fail(time.monotonic(), reason)
        time.sleep(_POLL_SECONDS)
