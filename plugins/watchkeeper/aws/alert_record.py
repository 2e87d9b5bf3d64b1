"""The record of each alert: claimed before it is published, marked sent after. Guards points and telemetry too."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.claim_record import Claim, ClaimRecord, Delivery, give_back, take_claim
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import Window, moment_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from watchkeeper.aws.window_result import WindowResult

ALERT_PART = ""
METRICS_PART = ".metrics"
EXPORT_PART = ".export"
#: Guards of points and telemetry, which lie beside the alerts' records.
_GUARDS = (f"{METRICS_PART}.json", f"{EXPORT_PART}.json")


class AlertRecord(ClaimRecord, frozen=True, kw_only=True):
    """What became of an alert. ``status`` is claimed, sent, quiet or silenced.

    ``quiet_since`` names the alert it repeats, ``last_told_at`` when that, or a reminder of it, was sent; ``why`` says
    who silenced it until when.
    """

    alert_id: str
    kind: str
    fingerprint: str
    message_id: str | None = None
    topic_arn: str | None = None
    quiet_since: str | None = None
    last_told_at: str | None = None
    why: str = ""

    @property
    def told(self) -> bool:
        """Whether somebody was told of these findings, by this alert or by the one that it repeats."""
        return self.status in {"sent", "quiet"}

    @property
    def is_bad_news(self) -> bool:
        """Whether it told of something wrong, which good news may then take back."""
        return self.kind in {"alert", "correction", "reminder"}


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(AlertRecord)


AlertClaim = Claim[AlertRecord]


def alert_id(result: "WindowResult") -> str:
    """Return the identity of a result's alert: what a FIFO topic deduplicates on."""
    parts = (result.endpoint, result.variant, result.monitor, result.period, result.window, result.digest)
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def findings_fingerprint(result: "WindowResult") -> str:
    """Return what makes two windows' findings identical: verdict, and which checks of which features are violated.

    Figures are left out: they differ in every window.
    """
    violated = sorted(
        f"{finding.feature}\0{finding.check}" for finding in result.findings if finding.outcome == "violated"
    )
    return sha256("\n".join([result.verdict, *violated]).encode()).hexdigest()[:32]


class AlertRecords:
    """All alert records, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def folder(self, result: "WindowResult", window: Window | None = None) -> str:
        """Return the folder of a window's records; by default the result's own window."""
        name = result.window if window is None else window.name
        return f"alerts/{result.endpoint}/{result.variant}/{result.monitor}/{name}/"

    def key(self, result: "WindowResult", part: str = ALERT_PART) -> str:
        """Return the key of a result's record."""
        return f"{self.folder(result)}{result.digest}{part}.json"

    def claim(
        self, result: "WindowResult", *, kind: str, now: datetime, part: str = ALERT_PART, run_id: str = ""
    ) -> AlertClaim | None:
        """Return the right to publish, or ``None`` if it was sent or is quiet already.

        ClaimedElsewhereError when another run holds a live claim: the caller tries again later.
        """
        key = self.key(result, part)
        record = AlertRecord(
            alert_id=alert_id(result),
            status="claimed",
            kind=kind,
            fingerprint=findings_fingerprint(result),
            claimed_at=moment_text(now),
            claimed_by=run_id,
        )
        return take_claim(self.objects, key, record, _RECORDS, now)

    def mark_sent(
        self,
        claim: AlertClaim,
        *,
        now: datetime,
        message_id: str | None = None,
        topic_arn: str | None = None,
        deliveries: tuple[Delivery, ...] = (),
    ) -> AlertRecord:
        """Record that the claimed alert was published."""
        sent = msgspec.structs.replace(
            claim.record,
            status="sent",
            sent_at=moment_text(now),
            last_told_at=moment_text(now),
            message_id=message_id,
            topic_arn=topic_arn,
            deliveries=deliveries,
        )
        self.objects.write(claim.key, msgspec.json.encode(sent))
        return sent

    def mark_quiet(self, claim: AlertClaim, *, quiet_since: str, last_told_at: str | None = None) -> AlertRecord:
        """Record that nothing is published, because alert ``quiet_since`` has told the same."""
        quiet = msgspec.structs.replace(
            claim.record, status="quiet", quiet_since=quiet_since, last_told_at=last_told_at
        )
        self.objects.write(claim.key, msgspec.json.encode(quiet))
        return quiet

    def mark_silenced(self, claim: AlertClaim, *, why: str) -> AlertRecord:
        """Record that a silence held it back: nobody was told, so that the same is told once the silence is over."""
        silenced = msgspec.structs.replace(claim.record, status="silenced", why=why)
        self.objects.write(claim.key, msgspec.json.encode(silenced))
        return silenced

    def release(self, claim: AlertClaim, deliveries: tuple[Delivery, ...] = ()) -> None:
        """Give a claim back after publishing failed for certain, so that a retry need not wait for its end."""
        give_back(self.objects, claim, deliveries)

    def of_window(self, result: "WindowResult", window: Window | None = None) -> tuple[AlertRecord, ...]:
        """Return the alert records of a window, of all its revisions, oldest claim first."""
        found = []
        for item in self.objects.list(self.folder(result, window)):
            stored = None if item.key.endswith(_GUARDS) else self.objects.read(item.key)
            if stored is not None:
                found.append(_RECORDS.decode(stored.body))
        return tuple(sorted(found, key=lambda record: record.claimed_at))

    def earlier(self, result: "WindowResult", since: datetime) -> Iterator[tuple[Window, AlertRecord]]:
        """Yield the alert records of earlier windows of the result's period, newest window and claim first.

        Only windows that start at or after ``since``. Records are read one by one: who has found what it looks for
        stops there.
        """
        own = Window.from_name(result.window)
        root = f"alerts/{result.endpoint}/{result.variant}/{result.monitor}/"
        keys: dict[Window, list[str]] = {}
        for item in self.objects.list(root, after=f"{root}{since:%Y%m%dT%H}"):
            window = Window.from_name(item.key.removeprefix(root).partition("/")[0])
            if window.start >= own.start:
                break
            if window.period == own.period and not item.key.endswith(_GUARDS):
                keys.setdefault(window, []).append(item.key)
        for window in sorted(keys, reverse=True):
            found = [stored for key in keys[window] if (stored := self.objects.read(key)) is not None]
            records = [_RECORDS.decode(stored.body) for stored in found]
            for record in sorted(records, key=lambda record: record.claimed_at, reverse=True):
                yield window, record
