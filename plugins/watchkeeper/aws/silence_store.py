"""Silences that people make while all runs on: an object each, beside those of the fleet's file."""

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from pydantic import ValidationError

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import StoreError
from watchkeeper.registry.routing_spec import SilenceSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FOLDER = "silences/"


class SilenceStore:
    """The silences below ``s3://bucket/prefix``; each is the JSON of a ``SilenceSpec``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def write(self, silence: SilenceSpec) -> str:
        """Write a silence and return its id; the same silence written twice is one."""
        body = silence.model_dump_json(indent=2).encode()
        silence_id = f"{silence.until:%Y%m%dT%H%MZ}-{sha256(body).hexdigest()[:8]}"
        self.objects.write(self._key(silence_id), body)
        return silence_id

    def lift(self, silence_id: str) -> None:
        """End a silence now; StoreError if there is none of this id."""
        key = self._key(silence_id)
        if self.objects.read(key) is None:
            known = ", ".join(name for name, _ in self.all(lambda _: None)) or "none"
            raise StoreError(self.objects.uri(key), "no such silence", f"There are: {known}.")
        self.objects.delete(key)

    def all(self, warn: Callable[[str], object]) -> Iterator[tuple[str, SilenceSpec]]:
        """Yield every silence with its id, those that are over included; ``warn`` is told of what cannot be read.

        What cannot be read silences nothing: a message too many is better than one that is lost.
        """
        for item in self.objects.list(_FOLDER):
            stored = self.objects.read(item.key)
            if stored is None:
                continue
            try:
                silence = SilenceSpec.model_validate_json(stored.body)
            except ValidationError:
                warn(f"{self.objects.uri(item.key)} is no silence that can be read; delete it, or write it anew")
                continue
            yield item.key.removeprefix(_FOLDER).removesuffix(".json"), silence

    def active(self, now: datetime, warn: Callable[[str], object]) -> tuple[SilenceSpec, ...]:
        """Return the silences that are not over."""
        return tuple(silence for _, silence in self.all(warn) if now < silence.until)

    @staticmethod
    def _key(silence_id: str) -> str:
        return f"{_FOLDER}{silence_id}.json"
