"""The record of each notice: told once, through which channels, or why not."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.claim_record import Claim, ClaimRecord, Delivery, give_back, take_claim
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoticeRecord(ClaimRecord, frozen=True, kw_only=True):
    """What became of a notice. ``status`` is claimed, sent, quiet or silenced; ``why`` explains the last two."""

    key: str
    kind: str
    severity: str
    headline: str
    endpoint: str | None = None
    thread: str | None = None
    why: str = ""


class FingerprintRecord(msgspec.Struct, frozen=True, kw_only=True):
    """When something with this fingerprint was last told, and by which notice."""

    key: str
    told_at: str


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(NoticeRecord)
_FINGERPRINTS = msgspec.json.Decoder(FingerprintRecord)


class NoticeRecords:
    """All records of notices, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    @staticmethod
    def object_key(key: str) -> str:
        """Return where the record of a notice's key lies."""
        return f"notices/{digest_of(key)}.json"

    def claim(self, key: str, *, now: datetime, run_id: str = "", **facts: Any) -> Claim[NoticeRecord] | None:
        """Return the right to send, or ``None`` if it is settled already; ``facts`` are the record's other fields.

        ClaimedElsewhereError when another run holds a live claim.
        """
        first = NoticeRecord(status="claimed", claimed_at=moment_text(now), claimed_by=run_id, key=key, **facts)
        return take_claim(self.objects, self.object_key(key), first, _RECORDS, now)

    def settle(
        self,
        claim: Claim[NoticeRecord],
        status: str,
        *,
        now: datetime,
        deliveries: tuple[Delivery, ...] = (),
        why: str = "",
    ) -> NoticeRecord:
        """Record what became of a claimed notice: sent, quiet or silenced."""
        sent_at = moment_text(now) if status == "sent" else None
        record = msgspec.structs.replace(claim.record, status=status, sent_at=sent_at, deliveries=deliveries, why=why)
        self.objects.write(claim.key, msgspec.json.encode(record))
        return record

    def release(self, claim: Claim[NoticeRecord], deliveries: tuple[Delivery, ...] = ()) -> None:
        """Give a claim back after channels failed for certain; what the others took is kept."""
        give_back(self.objects, claim, deliveries)

    def read(self, key: str) -> NoticeRecord | None:
        """Return the record of a notice's key, or ``None`` if it was never claimed."""
        stored = self.objects.read(self.object_key(key))
        return None if stored is None else _RECORDS.decode(stored.body)

    def unsettled(self, since: datetime, until: datetime) -> Iterator[NoticeRecord]:
        """Yield the notices that were claimed in ``[since, until)`` and neither sent nor given back."""
        for item in self.objects.list("notices/"):
            if item.key.count("/") > 1 or not since <= item.last_modified < until:
                continue
            stored = self.objects.read(item.key)
            record = None if stored is None else _RECORDS.decode(stored.body)
            if record is not None and not record.is_settled:
                yield record

    def last_told(self, fingerprint: str) -> FingerprintRecord | None:
        """Return which notice last told something with this fingerprint, or ``None`` if none did."""
        stored = self.objects.read(self._fingerprint_key(fingerprint))
        return None if stored is None else _FINGERPRINTS.decode(stored.body)

    def note_fingerprint(self, fingerprint: str, key: str, now: datetime) -> None:
        """Note that the notice ``key`` has told something with this fingerprint."""
        record = FingerprintRecord(key=key, told_at=moment_text(now))
        self.objects.write(self._fingerprint_key(fingerprint), msgspec.json.encode(record))

    @staticmethod
    def _fingerprint_key(fingerprint: str) -> str:
        return f"notices/fingerprints/{digest_of(fingerprint)}.json"


def digest_of(text: str) -> str:
    """Return 32 hex digits that stand for a text in keys and where AWS limits its length."""
    return sha256(text.encode()).hexdigest()[:32]
