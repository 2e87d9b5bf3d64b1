"""How many endpoints are acted on, at once and within an hour: slots that are claimed, so that no race exceeds it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import HOUR, moment_text, parse_moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SlotKind = Literal["at_once", "per_hour"]
#: What a run that died holds is given back by then.
_HELD_FOR = timedelta(hours=30)
_FOLDER = "actions/_fleet/remediate/slots/"


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One place in the blast radius: which endpoint has it, for which incident, since when."""

    endpoint: str
    incident_id: str
    claimed_at: str
    released_at: str | None = None


_SLOTS = msgspec.json.Decoder(Slot)


@dataclass(frozen=True)
class _Seen:
    key: str
    slot: Slot
    etag: str


class BlastRadius:
    """The slots of the fleet, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def acting(self, now: datetime) -> frozenset[str]:
        """Return the endpoints that are being acted on."""
        return frozenset(seen.slot.endpoint for seen in self._seen("at_once") if _is_taken("at_once", seen.slot, now))

    def acted(self, now: datetime) -> frozenset[str]:
        """Return the endpoints that were acted on within the last hour."""
        return frozenset(seen.slot.endpoint for seen in self._seen("per_hour") if _is_taken("per_hour", seen.slot, now))

    def claim(self, endpoint: str, incident_id: str, *, at_once: int, per_hour: int, now: datetime) -> SlotKind | None:
        """Take a slot of each kind for an endpoint, and return ``None``; else return the kind that has none left.

        An endpoint that has one keeps it. What was taken stays taken if the other kind has none: it ends by itself.
        """
        limits: dict[SlotKind, int] = {"per_hour": per_hour, "at_once": at_once}
        for kind, limit in limits.items():
            if not self._take(
                kind, limit, Slot(endpoint=endpoint, incident_id=incident_id, claimed_at=moment_text(now)), now
            ):
                return kind
        return None

    def release(self, endpoint: str, now: datetime) -> None:
        """Give back the slot of an endpoint that is acted on no longer; that of the hour stays its hour."""
        for seen in self._seen("at_once"):
            if seen.slot.endpoint == endpoint and seen.slot.released_at is None:
                done = msgspec.structs.replace(seen.slot, released_at=moment_text(now))
                self.objects.write(seen.key, msgspec.json.encode(done), only_if_etag=seen.etag)

    def _take(self, kind: SlotKind, limit: int, wanted: Slot, now: datetime) -> bool:
        seen = {item.key: item for item in self._seen(kind)}
        live = [item for item in seen.values() if _is_taken(kind, item.slot, now)]
        body = msgspec.json.encode(wanted)
        own = next((item for item in live if item.slot.endpoint == wanted.endpoint), None)
        if own is not None:
            self.objects.write(own.key, body, only_if_etag=own.etag)
            return True
        # A limit that was lowered counts what is taken beyond it, too.
        if len(live) >= limit:
            return False
        for place in range(limit):
            key = f"{_FOLDER}{kind}/{place:04d}.json"
            there = seen.get(key)
            if there is None:
                if self.objects.write(key, body, only_if_absent=True):
                    return True
            elif not _is_taken(kind, there.slot, now) and self.objects.write(key, body, only_if_etag=there.etag):
                return True
        return False

    def _seen(self, kind: SlotKind) -> Iterator[_Seen]:
        for item in self.objects.list(f"{_FOLDER}{kind}/"):
            stored = self.objects.read(item.key)
            if stored is None:
                continue
            try:
                yield _Seen(item.key, _SLOTS.decode(stored.body), stored.etag)
            except msgspec.DecodeError:
                # Somebody edited it: a slot that nobody can read is taken by nobody, and may be written over.
                yield _Seen(item.key, Slot(endpoint="", incident_id="", claimed_at=moment_text(_LONG_AGO)), stored.etag)


_LONG_AGO = parse_moment("2000-01-01T00:00:00Z")


def _is_taken(kind: SlotKind, slot: Slot, now: datetime) -> bool:
    claimed = parse_moment(slot.claimed_at)
    if kind == "per_hour":
        return now - claimed < HOUR
    return slot.released_at is None and now - claimed < _HELD_FOR
