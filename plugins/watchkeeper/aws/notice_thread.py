"""Where a thread of messages stands: who had the bad news, what of it still stands, what later messages hang on."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.claim_record import Delivery
from watchkeeper.aws.notice_record import digest_of
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import StoreError
from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WRITE_ATTEMPTS = 5


class ReminderText(msgspec.Struct, frozen=True, kw_only=True):
    """What is told again as long as a thread is open: its last bad news."""

    headline: str
    severity: AlertSeverity
    endpoint: str | None = None
    owner: str | None = None
    runbook: str | None = None


class ThreadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One thread, such as an incident. ``standing`` names the bad news that were told and not taken back.

    ``deliveries`` holds the first message of each channel since it was opened. Of a storm, which stands for many
    threads, ``members`` names them. ``reminder`` is missing where reminders come another way.
    """

    thread: str
    opened_at: str
    last_told_at: str
    closed_at: str | None = None
    standing: tuple[str, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    members: tuple[str, ...] = ()
    reminder: ReminderText | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody was told yet that it is over."""
        return self.closed_at is None

    def delivery(self, channel: str) -> Delivery | None:
        """Return the first message that a channel took since the thread was opened."""
        return next((one for one in self.deliveries if one.channel == channel), None)


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_THREADS = msgspec.json.Decoder(ThreadRecord)


class NoticeThreads:
    """All threads, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    @staticmethod
    def key(thread: str) -> str:
        """Return where a thread's record lies."""
        return f"notices/threads/{digest_of(thread)}.json"

    def read(self, thread: str) -> ThreadRecord | None:
        """Return a thread, or ``None`` if nothing was ever told in it."""
        stored = self.objects.read(self.key(thread))
        return None if stored is None else _THREADS.decode(stored.body)

    def all(self) -> Iterator[ThreadRecord]:
        """Yield every thread, those that are closed included."""
        for item in self.objects.list("notices/threads/"):
            stored = self.objects.read(item.key)
            if stored is not None:
                yield _THREADS.decode(stored.body)

    def remove(self, thread: str) -> None:
        """Forget a thread; no error if there is none."""
        self.objects.delete(self.key(thread))

    def told(
        self,
        thread: str,
        subject: str | None,
        *,
        now: datetime,
        deliveries: tuple[Delivery, ...],
        members: tuple[str, ...] = (),
        reminder: ReminderText | None = None,
    ) -> ThreadRecord:
        """Note that a message was sent in a thread, one that was closed being opened anew.

        ``subject`` is what stands by it, ``None`` for what is no bad news.
        """
        moment = moment_text(now)

        def change(there: ThreadRecord | None) -> ThreadRecord:
            if there is None or not there.is_open:
                there = ThreadRecord(thread=thread, opened_at=moment, last_told_at=moment)
            known = {one.channel for one in there.deliveries}
            fresh = tuple(one for one in deliveries if one.channel not in known)
            return msgspec.structs.replace(
                there,
                last_told_at=moment,
                standing=tuple(dict.fromkeys((*there.standing, *(() if subject is None else (subject,))))),
                deliveries=(*there.deliveries, *fresh),
                members=tuple(dict.fromkeys((*there.members, *members))),
                reminder=reminder or there.reminder,
            )

        return self._change(thread, change)

    def taken_back(self, thread: str, subject: str | None, *, now: datetime) -> ThreadRecord:
        """Note that ``subject`` no longer stands, ``None`` for all of it; a thread where nothing stands is closed."""
        moment = moment_text(now)

        def change(there: ThreadRecord | None) -> ThreadRecord:
            if there is None:
                return ThreadRecord(thread=thread, opened_at=moment, last_told_at=moment, closed_at=moment)
            left = () if subject is None else tuple(one for one in there.standing if one != subject)
            closed_at = None if left else there.closed_at or moment
            return msgspec.structs.replace(there, standing=left, last_told_at=moment, closed_at=closed_at)

        return self._change(thread, change)

    def _change(self, thread: str, change: Callable[[ThreadRecord | None], ThreadRecord]) -> ThreadRecord:
        key = self.key(thread)
        for _ in range(_WRITE_ATTEMPTS):
            stored = self.objects.read(key)
            record = change(None if stored is None else _THREADS.decode(stored.body))
            body = msgspec.json.encode(record)
            if stored is None:
                written = self.objects.write(key, body, only_if_absent=True)
            else:
                written = self.objects.write(key, body, only_if_etag=stored.etag)
            if written:
                return record
        raise StoreError(
            self.objects.uri(key),
            f"another run changed it {_WRITE_ATTEMPTS} times while this one tried",
            "Run this one again.",
        )
