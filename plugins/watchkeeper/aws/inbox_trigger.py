"""Moves a queue's messages into the inbox as they come, and rings the asset that it watches for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.event_inbox import EventInbox
from watchkeeper.aws.queue_drain import Drained, drain_queue
from watchkeeper.aws.settings_reader import read_settings

#: After a failed look: whoever mends settings or permissions need not restart the triggerer.
_AFTER_A_FAULT_SECONDS = 60
#: Ids in an event: it is a doorbell, what there is to do is read from the inbox.
_TOLD = 100
_LOOK = 200


class InboxTrigger(BaseEventTrigger):
    """Fires whenever messages of a queue were moved into the inbox; watches for ever, and outlives faults.

    A message is deleted from the queue only after its file is in the inbox, so nothing is lost when the DAG is paused,
    the triggerer dies or S3 cannot be written. Unlike triggers that tasks wait with it may fire at once: no task is
    resumed by it.

    :param queue_url: the SQS queue.
    :param waiter_delay: seconds between two looks; each look itself waits for a message.
    :param wait_time_seconds: how long one look waits for a message, at most 20.
    :param aws_conn_id: the Airflow connection of queue and inbox; ``None`` for the one that the settings name.
    :param region_name: AWS region_name of queue and inbox. If not specified then the settings', else the connection's.
    :param verify: Whether or not to verify SSL certificates.
    :param botocore_config: Configuration dictionary (key-values) for botocore client.
    """

    def __init__(
        self,
        *,
        queue_url: str,
        waiter_delay: int = 5,
        wait_time_seconds: int = 10,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.queue_url = queue_url
        self.waiter_delay = waiter_delay
        self.wait_time_seconds = wait_time_seconds
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and arguments, as Airflow stores a trigger."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "queue_url": self.queue_url,
            "waiter_delay": self.waiter_delay,
            "wait_time_seconds": self.wait_time_seconds,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event whenever messages came, with ``event_ids`` and how many bodies were ``malformed``."""
        place: tuple[Any, EventInbox] | None = None
        while True:
            pause = self.waiter_delay
            try:
                # In a thread: boto3 waits, and other triggers must not wait with it.
                if place is None:
                    place = await asyncio.to_thread(self._open)
                found = await asyncio.to_thread(self._look, *place)
            except Exception:
                # Whatever it is, the messages are in the queue or in the inbox: look again later.
                self.log.exception("Could not move messages of %s into the inbox", self.queue_url)
                place, found, pause = None, Drained(), max(self.waiter_delay, _AFTER_A_FAULT_SECONDS)
            if found.messages:
                self.log.info("Moved %d messages into the inbox, %d malformed", found.messages, found.malformed)
                yield TriggerEvent(  # type: ignore[no-untyped-call]
                    {
                        "status": "success",
                        "events": len(found.events),
                        "malformed": found.malformed,
                        "event_ids": [event.event_id for event in found.events[:_TOLD]],
                    }
                )
            await asyncio.sleep(pause)

    def _open(self) -> tuple[Any, EventInbox]:
        settings = read_settings()
        access = AwsAccess(
            self.aws_conn_id or settings.aws_conn_id,
            self.region_name or settings.region_name,
            self.verify,
            self.botocore_config,
        )
        return access.client("sqs"), EventInbox(settings.bucket, settings.prefix, access.client("s3"))

    def _look(self, client: Any, inbox: EventInbox) -> Drained:
        return drain_queue(client, self.queue_url, inbox, maximum_messages=_LOOK, wait_seconds=self.wait_time_seconds)
