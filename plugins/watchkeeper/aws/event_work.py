"""What follows from events and jobs is done once: claimed in S3 before, settled afterwards."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.claim_record import Claim, ClaimRecord, take_claim
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import moment_text, parse_moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DONE = "done"


class WorkRecord(ClaimRecord, frozen=True, kw_only=True):
    """One thing that is done once. ``what`` says it in words, ``result`` what came of it, such as an ARN."""

    what: str
    result: str | None = None


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(WorkRecord)


class EventWork:
    """The records of what was done, below ``s3://bucket/prefix/events/work``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def listening_since(self, now: datetime) -> datetime:
        """Return since when events have been listened to; the first who asks begins it."""
        key = "events/listening.json"
        first = WorkRecord(status=DONE, claimed_at=moment_text(now), what="events are listened to since then")
        stored = self.objects.read(key)
        if stored is None:
            self.objects.write(key, msgspec.json.encode(first), only_if_absent=True)
            stored = self.objects.read(key)
        return now if stored is None else parse_moment(_RECORDS.decode(stored.body).claimed_at)

    def claim(self, key: str, what: str, *, now: datetime, run_id: str = "") -> Claim[WorkRecord] | None:
        """Return the right to do it, or ``None`` if it is done; ``key`` is safe to stand in an object's name.

        ClaimedElsewhereError when another run holds a live claim.
        """
        record = WorkRecord(status="claimed", claimed_at=moment_text(now), claimed_by=run_id, what=what)
        return take_claim(self.objects, f"events/work/{key}.json", record, _RECORDS, now)

    def settle(self, claim: Claim[WorkRecord], *, now: datetime, result: str | None = None) -> None:
        """Record that it is done."""
        record = msgspec.structs.replace(claim.record, status=DONE, sent_at=moment_text(now), result=result)
        self.objects.write(claim.key, msgspec.json.encode(record))

    def release(self, claim: Claim[WorkRecord]) -> None:
        """Give the right back after it certainly was not done, so that a retry need not wait."""
        self.objects.delete(claim.key)
