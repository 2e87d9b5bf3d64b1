"""Key indexes in S3, beside the merged records: each names what it was made from, so a stale one is never read.

::

    merged/{endpoint}/{variant}/yyyy/mm/dd/hh/keys-{digest}.u64      ids of a captured hour
    merged/{endpoint}/_labels/yyyy/mm/dd/hh/keys-{digest}.u64        ids of each label object of a collection hour
    merged/{endpoint}/_labels/yyyy/mm/dd/hh/unmatched-{digest}.u64   which of them no captured line of the horizon has

No variant's name begins with an underscore. All of them can be deleted: they are made again from captures and labels.
"""

from typing import TYPE_CHECKING

import msgspec

from watchkeeper.analysis.distinct_sketch import Hashes
from watchkeeper.analysis.key_index import CaptureKeys, LabelKeys, decode_hashes, encode_hashes
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONTENT_TYPE = "application/octet-stream"


class CaptureIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of a captured hour."""

    captured_count: int
    malformed_count: int
    hashes: bytes

    @classmethod
    def of(cls, keys: CaptureKeys) -> "CaptureIndex":
        """Return the index of an hour's captures."""
        return cls(
            captured_count=keys.captured_count,
            malformed_count=keys.malformed.count,
            hashes=encode_hashes(keys.hashes),
        )

    def key_hashes(self) -> Hashes:
        """Return the hashes of all ids, each once and in order."""
        return decode_hashes(self.hashes)


class LabelIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of one label object, and what of it could not be read."""

    key: str
    etag: str
    label_count: int
    malformed_count: int
    malformed_samples: tuple[str, ...]
    hashes: bytes

    @classmethod
    def of(cls, key: str, etag: str, keys: LabelKeys) -> "LabelIndex":
        """Return the index of a label object."""
        return cls(
            key=key,
            etag=etag,
            label_count=keys.label_count,
            malformed_count=keys.malformed.count,
            malformed_samples=tuple(
                f"{sample.file} line {sample.line}: {sample.reason}" for sample in keys.malformed.samples
            ),
            hashes=encode_hashes(keys.hashes),
        )

    def key_hashes(self) -> Hashes:
        """Return the hashes of all ids, each once and in order."""
        return decode_hashes(self.hashes)


# Made once, at import: two threads that work a type out at the same time can hang.
_CAPTURES = msgspec.msgpack.Decoder(CaptureIndex)
_LABELS = msgspec.msgpack.Decoder(tuple[LabelIndex, ...])


class KeyIndexStore:
    """Key indexes below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def read_captures(self, endpoint: str, variant: str, hour: Window, digest: str) -> CaptureIndex | None:
        """Return the index of an hour's captures of this digest, or ``None``."""
        stored = self.objects.read(f"{_folder(endpoint, variant, hour)}keys-{digest}.u64")
        try:
            return None if stored is None else _CAPTURES.decode(stored.body)
        except msgspec.DecodeError:
            return None

    def write_captures(self, endpoint: str, variant: str, hour: Window, digest: str, index: CaptureIndex) -> None:
        """Write the index of an hour's captures, and delete older ones of that hour."""
        self._replace(_folder(endpoint, variant, hour), "keys", digest, msgspec.msgpack.encode(index))

    def read_labels(self, endpoint: str, hour: Window, digest: str | None = None) -> tuple[LabelIndex, ...]:
        """Return the indexes of a collection hour's label objects, of this digest or whichever there is."""
        folder = _folder(endpoint, "_labels", hour)
        names = [f"{folder}keys-{digest}.u64"]
        if digest is None:
            names = [item.key for item in self.objects.list(f"{folder}keys-")]
        stored = self.objects.read(names[0]) if names else None
        try:
            return () if stored is None else _LABELS.decode(stored.body)
        except msgspec.DecodeError:
            return ()

    def write_labels(self, endpoint: str, hour: Window, digest: str, indexes: tuple[LabelIndex, ...]) -> None:
        """Write the indexes of a collection hour's label objects, and delete older ones of that hour."""
        self._replace(_folder(endpoint, "_labels", hour), "keys", digest, msgspec.msgpack.encode(indexes))

    def read_unmatched(self, endpoint: str, hour: Window, digest: str) -> Hashes | None:
        """Return the hashes of a collection hour's ids that no capture has, or ``None`` where that is not known."""
        stored = self.objects.read(f"{_folder(endpoint, '_labels', hour)}unmatched-{digest}.u64")
        return None if stored is None else decode_hashes(stored.body)

    def write_unmatched(self, endpoint: str, hour: Window, digest: str, hashes: Hashes) -> None:
        """Write which ids of a collection hour no capture has. Last writer wins: it is a count for people."""
        self._replace(_folder(endpoint, "_labels", hour), "unmatched", digest, encode_hashes(hashes))

    def _replace(self, folder: str, kind: str, digest: str, body: bytes) -> None:
        name = f"{folder}{kind}-{digest}.u64"
        older = [item.key for item in self.objects.list(f"{folder}{kind}-") if item.key != name]
        self.objects.write(name, body, content_type=_CONTENT_TYPE)
        for key in older:
            self.objects.delete(key)


def _folder(endpoint: str, variant: str, hour: Window) -> str:
    return f"merged/{endpoint}/{variant}/{hour.start_path}/"
