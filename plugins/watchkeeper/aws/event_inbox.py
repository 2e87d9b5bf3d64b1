"""The inbox of operational events: each is one file, written before its message leaves the queue."""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import moment_text, parse_moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Channel = Literal["alarms", "platform"]
ALARM_CHANGE = "CloudWatch Alarm State Change"
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_READERS = 8
#: SQS takes no longer body, and EventBridge no longer event.
_LONGEST_BODY = 1_048_576


class InboxEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as EventBridge sends it; ``at`` and ``received_at`` are UTC, as ``2026-11-20T05:00:00Z``."""

    event_id: str
    source: str
    detail_type: str
    at: str
    account: str = ""
    region: str = ""
    resources: tuple[str, ...] = ()
    detail: dict[str, Any] = {}
    received_at: str = ""

    @property
    def channel(self) -> Channel:
        """Which DAG it is for."""
        return "alarms" if self.detail_type == ALARM_CHANGE else "platform"


class MalformedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is no event: kept whole, with what is wrong with it. ``digest`` is its SHA-256."""

    digest: str
    why: str
    received_at: str
    body: str


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_EVENTS = msgspec.json.Decoder(InboxEvent)
_MALFORMED = msgspec.json.Decoder(MalformedBody)


class EventInbox:
    """The events that no DAG has worked off yet, below ``s3://bucket/prefix/events``.

    A message that is delivered again finds its file there, in the inbox or in the archive, and changes nothing.
    """

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def receive(self, body: str, received_at: datetime) -> InboxEvent | None:
        """Keep a message's body and return its event; ``None`` for a malformed one, which is kept too.

        When this returns the message may be deleted from its queue.
        """
        try:
            event = parse_event(body, received_at)
            stored = _stored_form(event)
        except ValueError as error:
            self._keep_malformed(body, str(error), received_at)
            return None
        if self.objects.metadata(archive_key(event)) is None:
            self.objects.write(inbox_key(event), stored, only_if_absent=True)
        return event

    def pending(self, channel: Channel) -> list[InboxEvent]:
        """Return the events of a channel that are not archived, oldest first.

        A file that is no event any more (somebody edited it) becomes a malformed body.
        """
        folder = f"events/inbox/{channel}/"
        keys = [item.key for item in self.objects.list(folder)]
        with ThreadPoolExecutor(_READERS) as pool:
            found = [event for event in pool.map(self._event, keys) if event is not None]
        return sorted(found, key=lambda event: (event.at, event.event_id))

    def archive(self, event: InboxEvent) -> None:
        """Move an event out of the inbox; safe to repeat, and killed half way it is still pending."""
        self.objects.write(archive_key(event), msgspec.json.encode(event), only_if_absent=True)
        self.objects.delete(inbox_key(event))

    def drop(self, event: InboxEvent) -> None:
        """Take an event out of the inbox without keeping it; safe to repeat."""
        self.objects.delete(inbox_key(event))

    def malformed(self) -> Iterator[MalformedBody]:
        """Yield the malformed bodies that nobody was told of, in no order of time."""
        for item in self.objects.list("events/malformed/"):
            stored = self.objects.read(item.key)
            if stored is None:
                continue
            try:
                yield _MALFORMED.decode(stored.body)
            except msgspec.MsgspecError as error:
                digest = item.key.rpartition("/")[2].removesuffix(".json")
                yield MalformedBody(digest=digest, why=str(error), received_at="", body="")

    def archive_malformed(self, malformed: MalformedBody) -> None:
        """Move a malformed body away, once somebody was told of it."""
        body = msgspec.json.encode(malformed)
        self.objects.write(f"events/archive/malformed/{malformed.digest}.json", body, only_if_absent=True)
        self.objects.delete(malformed_key(malformed.digest))

    def malformed_uri(self, digest: str) -> str:
        """Return where a malformed body lies once somebody was told of it."""
        return self.objects.uri(f"events/archive/malformed/{digest}.json")

    def _event(self, key: str) -> InboxEvent | None:
        stored = self.objects.read(key)
        if stored is None:
            return None
        try:
            return _EVENTS.decode(stored.body)
        except msgspec.MsgspecError as error:
            name = key.rpartition("/")[2]
            text = stored.body.decode("utf-8", "replace")
            self._keep_malformed(text, f"the inbox's {name} is no event any more: {error}")
            self.objects.delete(key)
            return None

    def _keep_malformed(self, body: str, why: str, received_at: datetime | None = None) -> None:
        digest = sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
        when = "" if received_at is None else moment_text(received_at)
        kept = MalformedBody(digest=digest, why=why, received_at=when, body=body.encode("utf-8", "replace").decode())
        self.objects.write(malformed_key(digest), msgspec.json.encode(kept), only_if_absent=True)


def _stored_form(event: InboxEvent) -> bytes:
    """Return an event as its file holds it; ValueError for what JSON can say and no file can."""
    try:
        stored = msgspec.json.encode(event)
        _EVENTS.decode(stored)
    except (ValueError, OverflowError, RecursionError):
        # Half of a surrogate pair, or nested beyond reading: left in the queue it would hold up all that come after it.
        message = "it holds text or nesting that cannot be stored"
        raise ValueError(message) from None
    return stored


def inbox_key(event: InboxEvent) -> str:
    """Return where an event waits."""
    return f"events/inbox/{event.channel}/{event.event_id}.json"


def archive_key(event: InboxEvent) -> str:
    """Return where an event that was worked off lies: by its own time, so that it can be looked for."""
    return f"events/archive/{event.at[:10].replace('-', '/')}/{event.event_id}.json"


def malformed_key(digest: str) -> str:
    """Return where a malformed body waits to be told of."""
    return f"events/malformed/{digest}.json"


def parse_event(body: str, received_at: datetime) -> InboxEvent:
    """Return the event in a message's body: as EventBridge sends it, or wrapped by an SNS topic.

    What an alarm sends to a topic itself is taken as the event that EventBridge would send. ValueError says what is
    missing; it repeats nothing of the content.
    """
    document = _object(body, "the body")
    if document.get("Type") == "Notification" and isinstance(document.get("Message"), str):
        document = _object(document["Message"], "the message inside the SNS envelope")
    if "AlarmName" in document and "NewStateValue" in document:
        document = _from_alarm_notification(document)
    for name in ("source", "detail-type", "time"):
        if not isinstance(document.get(name), str) or not document[name].strip():
            message = f"it has no {name}; expected an event of EventBridge, with id, source, detail-type, time, detail"
            raise ValueError(message)
    detail = document.get("detail")
    if not isinstance(detail, dict):
        message = f"its detail is {_kind(detail)}; expected an object"
        raise ValueError(message)
    try:
        at = moment_text(parse_moment(document["time"]))
    except (ValueError, OverflowError):
        message = "its time is no ISO 8601 time with an offset, such as 2026-11-20T05:00:00Z"
        raise ValueError(message) from None
    resources = document.get("resources") or ()
    return InboxEvent(
        event_id=_event_id(document),
        source=document["source"],
        detail_type=document["detail-type"],
        at=at,
        account=str(document.get("account") or ""),
        region=str(document.get("region") or ""),
        resources=tuple(str(item) for item in resources) if isinstance(resources, list) else (),
        detail=detail,
        received_at=moment_text(received_at),
    )


def _object(text: str, what: str) -> dict[str, Any]:
    if len(text) > _LONGEST_BODY:
        message = f"{what} has {len(text)} characters; expected at most {_LONGEST_BODY}"
        raise ValueError(message)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        message = f"{what} is no JSON"
        raise ValueError(message) from None
    if not isinstance(document, dict):
        message = f"{what} is {_kind(document)}; expected a JSON object"
        raise ValueError(message)
    return document


def _kind(value: object) -> str:
    names = {type(None): "missing", list: "a list", str: "text", bool: "true or false", int: "a number"}
    return names.get(type(value), "a number" if isinstance(value, float) else "an object")


def _from_alarm_notification(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what EventBridge would say of an alarm's own message to an SNS topic."""
    arn, at = str(document.get("AlarmArn") or ""), str(document.get("StateChangeTime") or "")
    state = {"value": document["NewStateValue"], "reason": document.get("NewStateReason"), "timestamp": at}
    # The same message by another subscription is the same change of state: what it is called follows from that.
    identity = "\0".join([arn or str(document["AlarmName"]), str(document["NewStateValue"]), at])
    return {
        "id": f"alarm-{sha256(identity.encode()).hexdigest()[:32]}",
        "source": "aws.cloudwatch",
        "detail-type": ALARM_CHANGE,
        "time": at,
        "account": document.get("AWSAccountId"),
        "region": arn.split(":")[3] if arn.count(":") >= 4 else "",
        "resources": [arn] if arn else [],
        "detail": {
            "alarmName": document["AlarmName"],
            "state": state,
            "previousState": {"value": document.get("OldStateValue")},
            "configuration": {"description": document.get("AlarmDescription")},
        },
    }


def _event_id(document: Mapping[str, Any]) -> str:
    """Return the event's own id where it can name a file, else one that follows from it or from the content."""
    given = document.get("id")
    if isinstance(given, str) and _SAFE_ID.fullmatch(given):
        return given
    text = given if isinstance(given, str) and given else json.dumps(document, sort_keys=True)
    return f"sha256-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
