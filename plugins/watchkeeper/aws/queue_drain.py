"""Empties an SQS queue into the inbox: a message leaves the queue only after its file is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from watchkeeper.aws.event_inbox import EventInbox, InboxEvent

_BATCH = 10
#: So long no other consumer sees a message that is being written; what dies in between comes again after it.
_HIDDEN_SECONDS = 60
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})


@dataclass(frozen=True)
class Drained:
    """What came out of a queue: the events, in the order of receipt, and how many bodies were malformed.

    An event stands there as often as it was delivered. ``left`` messages could not be deleted and come again.
    """

    events: "tuple[InboxEvent, ...]" = ()
    malformed: int = 0
    left: int = 0

    @property
    def messages(self) -> int:
        """How many messages there were."""
        return len(self.events) + self.malformed


def drain_queue(
    client: "SQSClient", queue_url: str, inbox: "EventInbox", *, maximum_messages: int = 1000, wait_seconds: int = 0
) -> Drained:
    """Return what was moved from a queue into the inbox, until it has none left or ``maximum_messages`` came.

    The first look waits up to ``wait_seconds`` (20 at most) for a message.

    Raises
    ------
    StoreError
        when there is no such queue, or the inbox cannot be written: nothing of that batch is deleted then.
    PermissionMissingError
        when AWS refuses.
    """
    events: list[InboxEvent] = []
    malformed = left = 0
    with _queue_named(queue_url):
        while len(events) + malformed < maximum_messages:
            wait = wait_seconds if not events and not malformed else 0
            batch = client.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=wait,
                VisibilityTimeout=_HIDDEN_SECONDS,
            ).get("Messages", [])
            if not batch:
                break
            received_at = datetime.now(UTC)
            for message in batch:
                event = inbox.receive(message.get("Body", ""), received_at)
                if event is None:
                    malformed += 1
                else:
                    events.append(event)
            left += _delete(client, queue_url, batch)
    return Drained(tuple(events), malformed, left)


def _delete(client: "SQSClient", queue_url: str, batch: "list[MessageTypeDef]") -> int:
    """Delete messages and return how many AWS would not delete: they come again, and find their files there."""
    answer = client.delete_message_batch(
        QueueUrl=queue_url,
        Entries=[{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(batch)],
    )
    return len(answer.get("Failed", ()))


@contextmanager
def _queue_named(queue_url: str) -> Iterator[None]:
    """Turn a refusal, or a queue that is not there, into an error that names the queue."""
    from botocore.exceptions import ClientError

    with permission_named("sqs", queue_url):
        try:
            yield
        except ClientError as error:
            if error_code(error) not in _NO_QUEUE:
                raise
            raise StoreError(
                queue_url,
                "there is no such queue",
                "Make it, or correct WATCHKEEPER_ALARM_QUEUE_URL and WATCHKEEPER_EVENT_QUEUE_URL.",
            ) from error
