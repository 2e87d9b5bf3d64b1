"""Which configurations were seen in service at an endpoint, and which of them were rolled back from."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEPT = 50


class SeenConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration: when it was first seen in service, and when and why it was rolled back from."""

    config: str
    seen_at: str
    bad_at: str | None = None
    why: str = ""


_ENTRIES = msgspec.json.Decoder(tuple[SeenConfig, ...])


class ConfigHistory:
    """The configurations of all endpoints, below ``s3://bucket/prefix``; a file changes only when one does."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def observe(self, endpoint: str, config: str, now: datetime) -> None:
        """Note that a configuration is in service."""
        while True:
            seen, etag = self._stored(endpoint)
            if seen and seen[-1].config == config:
                return
            if self._write(endpoint, (*seen, SeenConfig(config=config, seen_at=moment_text(now))), etag):
                return

    def mark_bad(self, endpoint: str, config: str, why: str, now: datetime) -> None:
        """Note that a configuration was rolled back from: it is not gone back to."""
        while True:
            seen, etag = self._stored(endpoint)
            marked = tuple(
                msgspec.structs.replace(item, bad_at=moment_text(now), why=why)
                if item.config == config and item.bad_at is None
                else item
                for item in seen
            )
            if marked == seen or self._write(endpoint, marked, etag):
                return

    def before(self, endpoint: str, config: str) -> tuple[str, ...]:
        """Return the configurations that served before one and were not rolled back from, the newest first."""
        seen, _ = self._stored(endpoint)
        bad = {item.config for item in seen if item.bad_at is not None}
        places = [place for place, item in enumerate(seen) if item.config == config]
        earlier = seen[: places[-1]] if places else seen
        names = [item.config for item in reversed(earlier) if item.config != config and item.config not in bad]
        return tuple(dict.fromkeys(names))

    def is_bad(self, endpoint: str, config: str) -> bool:
        """Return whether a configuration was rolled back from."""
        return any(item.config == config and item.bad_at is not None for item in self._stored(endpoint)[0])

    def _write(self, endpoint: str, entries: tuple[SeenConfig, ...], etag: str | None) -> bool:
        body = msgspec.json.format(msgspec.json.encode(entries[-_KEPT:]), indent=2)
        return self.objects.write(_key(endpoint), body, only_if_absent=etag is None, only_if_etag=etag)

    def _stored(self, endpoint: str) -> tuple[tuple[SeenConfig, ...], str | None]:
        stored = self.objects.read(_key(endpoint))
        if stored is None:
            return (), None
        try:
            return _ENTRIES.decode(stored.body), stored.etag
        except msgspec.DecodeError as error:
            raise DocumentError(
                self.objects.uri(_key(endpoint)),
                f"not a list of configurations ({error})",
                "Restore an earlier version of the object, or delete it: it is made anew.",
            ) from error


def _key(endpoint: str) -> str:
    return f"actions/{endpoint}/remediate/configs.json"
