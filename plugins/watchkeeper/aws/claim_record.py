"""The right to tell something once: claimed in S3 before it is published, marked as sent afterwards."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.errors import StoreError
from watchkeeper.registry.capture_window import parse_moment

if TYPE_CHECKING:
    from watchkeeper.aws.object_store import ObjectStore

#: A claim that is not marked sent by then belongs to a run that died: another may send.
CLAIM_LIFETIME = timedelta(minutes=10)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message that a channel took: where it went, its id there, and what later messages of its thread hang on."""

    channel: str
    target: str
    message_id: str
    at: str
    thread_ref: str | None = None


class ClaimRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of something that is told once. ``status`` is claimed until it is settled.

    ``claimed_by`` is the run that claimed it: its own retry need not wait until the claim has expired.
    ``deliveries`` are what channels took, also when others failed: another try sends to the rest alone.
    """

    status: str
    claimed_at: str
    claimed_by: str = ""
    sent_at: str | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be done about it."""
        return self.status != "claimed"

    def is_live_claim(self, now: datetime) -> bool:
        """Whether another run is just about to publish it, as far as one can know."""
        return self.status == "claimed" and now - parse_moment(self.claimed_at) < CLAIM_LIFETIME


@dataclass(frozen=True)
class Claim[R: ClaimRecord]:
    """The right to publish: handed out once per record, again only to the same run or after it has expired unsent."""

    key: str
    record: R


class ClaimedElsewhereError(StoreError):
    """Another run holds the claim and may be about to publish: whether it did is known when the claim expires."""


def take_claim[R: ClaimRecord](
    objects: "ObjectStore", key: str, record: R, decoder: "msgspec.json.Decoder[R]", now: datetime
) -> Claim[R] | None:
    """Return the right to publish, or ``None`` if it is settled already; deliveries of an earlier try are kept.

    ClaimedElsewhereError when another run holds a live claim: the caller tries again later. A run takes its own claim
    over at once: what it left behind is a try of its own that died.
    """
    if objects.write(key, msgspec.json.encode(record), only_if_absent=True):
        return Claim(key, record)
    stored = objects.read(key)
    there = None if stored is None else decoder.decode(stored.body)
    if there is not None and there.is_settled:
        return None
    if stored is not None and there is not None:
        own = bool(record.claimed_by) and there.claimed_by == record.claimed_by
        mine = msgspec.structs.replace(record, deliveries=there.deliveries)
        free = own or not there.is_live_claim(now)
        if free and objects.write(key, msgspec.json.encode(mine), only_if_etag=stored.etag):
            return Claim(key, mine)
    raise ClaimedElsewhereError(
        objects.uri(key),
        f"run {there.claimed_by or 'unknown' if there else 'unknown'} has claimed it and not published it yet",
        f"It is taken over {CLAIM_LIFETIME.total_seconds() / 60:.0f} minutes after its claim, by a retry or the "
        "next run",
    )


def give_back[R: ClaimRecord](objects: "ObjectStore", claim: Claim[R], deliveries: tuple[Delivery, ...] = ()) -> None:
    """Give a claim back after publishing failed for certain, so that a retry need not wait for its end.

    What some channels took is kept, claimed by nobody and long ago: whoever comes next may have the rest.
    """
    if not deliveries:
        objects.delete(claim.key)
        return
    free = msgspec.structs.replace(claim.record, claimed_by="", claimed_at=_LONG_AGO, deliveries=deliveries)
    objects.write(claim.key, msgspec.json.encode(free))


_LONG_AGO = "1970-01-01T00:00:00Z"
