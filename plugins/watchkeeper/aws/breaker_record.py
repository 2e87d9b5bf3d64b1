"""The record of an endpoint's circuit breaker: when it opened and why, and who closed it."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError
from watchkeeper.registry.capture_window import moment_text, parse_moment
from watchkeeper.registry.remediation_policy import Breaker

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class BreakerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``breaker.json``: the newest opening, and the newest closing by hand."""

    opened_at: str | None = None
    why: str = ""
    closed_at: str | None = None
    closed_by: str = ""

    def as_breaker(self) -> Breaker:
        """Return what the policy looks at."""
        return Breaker(
            opened_at=parse_moment(self.opened_at) if self.opened_at else None,
            closed_at=parse_moment(self.closed_at) if self.closed_at else None,
        )


_RECORDS = msgspec.json.Decoder(BreakerRecord)


class BreakerRecords:
    """The circuit breakers of all endpoints, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def read(self, endpoint: str) -> BreakerRecord:
        """Return an endpoint's record; an empty one if its breaker never opened."""
        return self._stored(endpoint)[0]

    def open(self, endpoint: str, why: str, now: datetime) -> BreakerRecord:
        """Record that an endpoint's breaker has opened."""
        return self._write(endpoint, opened_at=moment_text(now), why=why)

    def close(self, endpoint: str, by: str, now: datetime) -> BreakerRecord:
        """Record that a person has closed an endpoint's breaker: actions up to now count no more."""
        return self._write(endpoint, closed_at=moment_text(now), closed_by=by)

    def _write(self, endpoint: str, **fields: str) -> BreakerRecord:
        while True:
            record, etag = self._stored(endpoint)
            changed = msgspec.structs.replace(record, **fields)
            body = msgspec.json.format(msgspec.json.encode(changed), indent=2)
            key = _key(endpoint)
            if self.objects.write(key, body, only_if_absent=etag is None, only_if_etag=etag):
                return changed

    def _stored(self, endpoint: str) -> tuple[BreakerRecord, str | None]:
        stored = self.objects.read(_key(endpoint))
        if stored is None:
            return BreakerRecord(), None
        try:
            return _RECORDS.decode(stored.body), stored.etag
        except msgspec.DecodeError as error:
            raise DocumentError(
                self.objects.uri(_key(endpoint)),
                f"not a circuit breaker's record ({error})",
                "Restore an earlier version of the object, or delete it.",
            ) from error


def _key(endpoint: str) -> str:
    return f"actions/{endpoint}/remediate/breaker.json"
