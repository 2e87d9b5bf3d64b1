"""Merged records in S3: parts first, then the manifest that names them; the same digest is written once."""

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.aws.capture_store import hourly_objects
from watchkeeper.aws.merge_manifest import (
    MergedPart,
    MergeManifest,
    MergeSummary,
    decode_manifest,
    decode_summary,
    encode_document,
)
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import CaptureError
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST_NAME = "merge.json"
SUMMARY_NAME = "summary.json"
FAILURE_NAME = "failure.json"
_READERS = 8
_CHUNK_BYTES = 1 << 20
_PART_NAMES = uuid.UUID("6d1a8f0e-6f0b-5d0c-9a53-6d65726765ff")


@dataclass(frozen=True)
class MergedFolder:
    """What lies in a merged hour's folder: the manifest's entity tag (``None``: not merged yet), and the parts."""

    manifest_etag: str | None = None
    part_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class MergedWindow:
    """The merged hours of a window, in time order. Hours without captures, or not merged yet, are not among them."""

    window: Window
    manifests: tuple[MergeManifest, ...] = field(default_factory=tuple)

    @property
    def captured_count(self) -> int:
        """Captured invocations of the window."""
        return sum(manifest.captured_count for manifest in self.manifests)

    @property
    def matched_count(self) -> int:
        """Captured invocations that have a label."""
        return sum(manifest.matched_count for manifest in self.manifests)

    @property
    def coverage(self) -> float | None:
        """Share of the captured invocations that have a label; ``None`` for no captures."""
        return self.matched_count / self.captured_count if self.captured_count else None

    @property
    def digest(self) -> str:
        """A digest of all that the merged records are a function of: what a verdict on labels is keyed by."""
        lines = (f"{manifest.hour} {manifest.digest}\n" for manifest in self.manifests)
        return sha256("".join(lines).encode()).hexdigest()[:32]


class MergedStore:
    """Merged hours and their endpoints' summaries, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    @staticmethod
    def hour_folder(endpoint: str, variant: str, hour: Window) -> str:
        """Return the folder of a captured hour's merged records."""
        return f"merged/{endpoint}/{variant}/{hour.start_path}/"

    # ---- reading

    def list_hours(self, endpoint: str, variant: str, window: Window) -> dict[Window, MergedFolder]:
        """Return the hours of a window that anything was merged for, by one listing a day."""
        prefix = f"merged/{endpoint}/{variant}/"
        names: dict[Window, list[str]] = {}
        etags: dict[Window, str] = {}
        for hour, item in hourly_objects(self.objects, prefix, window):
            name = item.key.rpartition("/")[2]
            if name == MANIFEST_NAME:
                etags[hour] = item.etag
            elif name.endswith(".jsonl"):
                names.setdefault(hour, []).append(name)
        return {
            hour: MergedFolder(etags.get(hour), tuple(names.get(hour, ()))) for hour in sorted(etags.keys() | names)
        }

    def read_manifest(self, endpoint: str, variant: str, hour: Window) -> MergeManifest | None:
        """Return the manifest of a captured hour, or ``None`` if it was never merged."""
        key = self.hour_folder(endpoint, variant, hour) + MANIFEST_NAME
        stored = self.objects.read(key)
        return None if stored is None else decode_manifest(stored.body, self.objects.uri(key))

    def read_manifests(self, endpoint: str, variant: str, hours: Sequence[Window]) -> dict[Window, MergeManifest]:
        """Return the manifests of captured hours; those that were never merged are left out."""
        with ThreadPoolExecutor(_READERS) as readers:
            found = readers.map(lambda hour: self.read_manifest(endpoint, variant, hour), hours)
            return {hour: manifest for hour, manifest in zip(hours, found, strict=True) if manifest is not None}

    def read_window(self, endpoint: str, variant: str, window: Window) -> MergedWindow:
        """Return all that was merged of a window: coverage, digest, and the manifests that name the parts."""
        found = self.read_manifests(endpoint, variant, window.hours())
        return MergedWindow(window, tuple(found.values()))

    def open_parts(self, manifest: MergeManifest) -> Iterator[CaptureFile]:
        """Yield a merged hour's files as streams of lines, each read only when iterated.

        Iterating one raises ``CaptureError`` if it was superseded meanwhile: read the manifest again.
        """
        folder = self.hour_folder(manifest.endpoint, manifest.variant, Window.from_name(manifest.hour))
        for part in manifest.parts:
            yield CaptureFile(part.name, self._chunks(folder + part.name))

    def _chunks(self, key: str) -> Iterator[bytes]:
        stored = self.objects.read(key)
        if stored is None:
            raise CaptureError(
                self.objects.uri(key), "the merged records were superseded while they were read", "Run the task again."
            )
        for start in range(0, len(stored.body), _CHUNK_BYTES):
            yield stored.body[start : start + _CHUNK_BYTES]

    # ---- writing

    def write_hour(self, manifest: MergeManifest, files: Sequence[Path], known: MergedFolder) -> MergeManifest | None:
        """Write an hour's parts, then its manifest, then delete the parts it supersedes; return it as it is stored.

        ``known`` is the folder as it was listed before the inputs were: the manifest is written only if nobody
        has moved it since, else this returns ``None`` and leaves what the other wrote. Parts are named by content
        and revision, so that they are never those of another revision, and a run that was killed writes the same
        names again.
        """
        folder = self.hour_folder(manifest.endpoint, manifest.variant, Window.from_name(manifest.hour))
        parts = tuple(self._write_part(folder, number, path, manifest.revision) for number, path in enumerate(files))
        complete = msgspec.structs.replace(manifest, parts=parts)
        etag = known.manifest_etag
        key = folder + MANIFEST_NAME
        body = encode_document(complete)
        if not self.objects.write(key, body, only_if_absent=etag is None, only_if_etag=etag):
            self._withdraw(complete)
            return None
        # Only what was there before the manifest moved: a later run may be writing its parts by now.
        for name in set(known.part_names) - {part.name for part in parts}:
            self.objects.delete(folder + name)
        return complete

    def _withdraw(self, lost: MergeManifest) -> None:
        """Delete the parts of a manifest that was not written, save those that the one there names too."""
        hour = Window.from_name(lost.hour)
        there = self.read_manifest(lost.endpoint, lost.variant, hour)
        kept = {part.name for part in there.parts} if there is not None else set()
        for part in lost.parts:
            # Without a manifest another first run may still be about to name the same parts: they stay.
            if there is not None and part.name not in kept:
                self.objects.delete(self.hour_folder(lost.endpoint, lost.variant, hour) + part.name)

    def _write_part(self, folder: str, number: int, path: Path, revision: int) -> MergedPart:
        body = path.read_bytes()
        content = uuid.uuid5(_PART_NAMES, f"{revision} {sha256(body).hexdigest()}")
        name = f"part-{number:05d}-{content}.c000.jsonl"
        self.objects.write(folder + name, body, content_type="application/jsonlines")
        return MergedPart(name, len(body))

    # ---- summaries

    def read_summary(self, endpoint: str) -> tuple[MergeSummary | None, str | None]:
        """Return an endpoint's summary and its entity tag; both ``None`` where its labels were never merged."""
        key = f"merged/{endpoint}/{SUMMARY_NAME}"
        stored = self.objects.read(key)
        return (None, None) if stored is None else (decode_summary(stored.body, self.objects.uri(key)), stored.etag)

    def write_failure(self, endpoint: str, run_id: str, reason: str) -> None:
        """Keep why a run could not merge an endpoint's labels, for the run's report."""
        body = msgspec.json.encode({"run_id": run_id, "reason": reason})
        self.objects.write(f"merged/{endpoint}/{FAILURE_NAME}", body)

    def clear_failure(self, endpoint: str) -> None:
        """Forget a failure: the endpoint's labels are merged."""
        self.objects.delete(f"merged/{endpoint}/{FAILURE_NAME}")

    def read_failure(self, endpoint: str, run_id: str) -> str | None:
        """Return why a run could not merge an endpoint's labels, or ``None``."""
        stored = self.objects.read(f"merged/{endpoint}/{FAILURE_NAME}")
        found = {} if stored is None else msgspec.json.decode(stored.body)
        return str(found["reason"]) if found.get("run_id") == run_id else None

    def write_summary(self, summary: MergeSummary, etag: str | None) -> bool:
        """Write a summary if nobody has since ``etag`` was read; return whether it was written."""
        return self.objects.write(
            f"merged/{summary.endpoint}/{SUMMARY_NAME}",
            encode_document(summary),
            only_if_absent=etag is None,
            only_if_etag=etag,
        )
