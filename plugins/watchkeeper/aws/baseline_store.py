"""Baselines in S3: immutable versions, and a pointer with its history that moves by a conditional write."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import BaselineMissingError, DocumentError, StoreError
from watchkeeper.registry.capture_window import moment_text, parse_moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from watchkeeper.registry.capture_window import Window

MANIFEST_NAME = "manifest.json"
POINTER_NAME = "current.json"
_MOVE_ATTEMPTS = 5
_TOLD_VERSIONS = 5


class BaselineManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Where a baseline came from. ``digest`` covers its documents and all fields but time and version."""

    endpoint: str
    monitor: str
    source: str
    row_count: int
    code_version: str
    dialect: str
    model_version: str | None = None
    created_at: str = ""
    version: str = ""
    digest: str = ""


class PointerEntry(msgspec.Struct, frozen=True):
    """A version and the moment (ISO 8601, UTC) from which it is in force."""

    version: str
    since: str
    digest: str


@dataclass(frozen=True)
class ChosenBaseline:
    """Which version judges a window; ``note`` says so when it was not yet in force then."""

    version: str
    note: str | None = None


class BaselinePointer(msgspec.Struct, frozen=True):
    """``current.json``: the version in force now, and every version that ever was, oldest first.

    A version that was put in force again stands in the history again.
    """

    current: str
    history: tuple[PointerEntry, ...]

    @property
    def digest(self) -> str | None:
        """The digest of the version in force now."""
        return next((entry.digest for entry in self.history if entry.version == self.current), None)

    def choose(self, window: "Window | None") -> ChosenBaseline:
        """Return the version in force at the window's end; without a window the one in force now.

        A window from before the first baseline is judged by the earliest one, and the note says so.
        """
        if window is None:
            return ChosenBaseline(self.current)
        in_force = [entry for entry in self.history if parse_moment(entry.since) <= window.end]
        if in_force:
            return ChosenBaseline(in_force[-1].version)
        first = self.history[0]
        return ChosenBaseline(
            first.version, f"the earliest baseline was made at {first.since}, after this window; it is used anyway"
        )


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_MANIFESTS = msgspec.json.Decoder(BaselineManifest)
_POINTERS = msgspec.json.Decoder(BaselinePointer)


class BaselineStore:
    """Versions and pointers of all endpoints' baselines, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def folder(self, endpoint: str, monitor: str) -> str:
        """Return the folder of an endpoint's versions."""
        return f"baselines/{endpoint}/{monitor}/"

    def publish(
        self, manifest: BaselineManifest, documents: Mapping[str, bytes], now: datetime
    ) -> tuple[BaselineManifest, bool]:
        """Write a version and move the pointer to it; return its manifest and whether it is new.

        The same documents from the same source as the version in force write nothing. Documents are written
        first, then the manifest, then the pointer.
        """
        folder = self.folder(manifest.endpoint, manifest.monitor)
        digest = _content_digest(manifest, documents)
        pointer, _ = self._pointer(manifest.endpoint, manifest.monitor)
        if pointer is not None and pointer.digest == digest:
            return self.manifest(manifest.endpoint, manifest.monitor, pointer.current), False
        created = moment_text(now)
        version = f"{created.replace('-', '').replace(':', '')}-{digest[:8]}"
        complete = msgspec.structs.replace(manifest, created_at=created, version=version, digest=digest)
        for name, body in documents.items():
            self.objects.write(f"{folder}{version}/{name}", body)
        self.objects.write(f"{folder}{version}/{MANIFEST_NAME}", _pretty(complete))
        self._move_pointer(complete, created)
        return complete, True

    def use(self, endpoint: str, monitor: str, version: str, now: datetime) -> tuple[BaselineManifest, bool]:
        """Put an earlier version in force again from ``now`` on; return its manifest and whether the pointer moved.

        Windows that ended before that stay with the version that was in force then. BaselineMissingError, naming the
        versions there are, if this one never was in force.
        """
        known = dict.fromkeys(entry.version for entry in self.pointer(endpoint, monitor).history)
        if version not in known:
            newest = ", ".join(list(known)[: -_TOLD_VERSIONS - 1 : -1])
            subject = f"{endpoint}: {monitor}"
            raise BaselineMissingError(subject, f"no version {version} was ever in force", f"The newest are {newest}")
        manifest = self.manifest(endpoint, monitor, version)
        return manifest, self._move_pointer(manifest, moment_text(now))

    def version_before_model(self, endpoint: str, monitor: str, model_version: str) -> str | None:
        """Return the newest version that was in force before a model's own came, if one of the model's is in force now.

        ``None`` where another model's is in force, or there was none before.
        """
        pointer = self.pointer(endpoint, monitor)
        if self.manifest(endpoint, monitor, pointer.current).model_version != model_version:
            return None
        for entry in reversed(pointer.history):
            if self.manifest(endpoint, monitor, entry.version).model_version != model_version:
                return entry.version
        return None

    def pointer(self, endpoint: str, monitor: str) -> BaselinePointer:
        """Return an endpoint's pointer; BaselineMissingError, naming the command that makes one, if there is none."""
        pointer, _ = self._pointer(endpoint, monitor)
        if pointer is None:
            subject = f"{endpoint}: {monitor}"
            raise BaselineMissingError(
                subject,
                "there is no baseline yet",
                f'Make one: airflow dags trigger baseline --conf \'{{"endpoints": ["{endpoint}"]}}\'',
            )
        return pointer

    def choose(self, endpoint: str, monitor: str, window: "Window | None") -> ChosenBaseline:
        """Return the version that judges a window (see `BaselinePointer.choose`); BaselineMissingError if none can."""
        return self.pointer(endpoint, monitor).choose(window)

    def manifest(self, endpoint: str, monitor: str, version: str) -> BaselineManifest:
        """Return a version's manifest; StoreError if it is not there."""
        key = f"{self.folder(endpoint, monitor)}{version}/{MANIFEST_NAME}"
        return _decoded(self._required(key), _MANIFESTS, self.objects.uri(key))

    def document(self, endpoint: str, monitor: str, version: str, name: str) -> bytes:
        """Return one of a version's documents; StoreError if it is not there."""
        return self._required(f"{self.folder(endpoint, monitor)}{version}/{name}")

    def optional_document(self, endpoint: str, monitor: str, version: str, name: str) -> bytes | None:
        """Return one of a version's documents, or ``None`` if it has no such."""
        stored = self.objects.read(f"{self.folder(endpoint, monitor)}{version}/{name}")
        return None if stored is None else stored.body

    def document_uri(self, endpoint: str, monitor: str, version: str, name: str) -> str:
        """Return the address of one of a version's documents."""
        return self.objects.uri(f"{self.folder(endpoint, monitor)}{version}/{name}")

    def has_any(self, endpoint: str, monitor: str) -> bool:
        """Return whether there is a baseline at all."""
        return self.objects.metadata(self.folder(endpoint, monitor) + POINTER_NAME) is not None

    def _required(self, key: str) -> bytes:
        stored = self.objects.read(key)
        if stored is None:
            raise StoreError(
                self.objects.uri(key),
                "a baseline names this object, and it is not there",
                "Restore it (bucket versioning keeps deleted objects) or make a new baseline.",
            )
        return stored.body

    def _pointer(self, endpoint: str, monitor: str) -> tuple[BaselinePointer | None, str | None]:
        key = self.folder(endpoint, monitor) + POINTER_NAME
        stored = self.objects.read(key)
        if stored is None:
            return None, None
        return _decoded(stored.body, _POINTERS, self.objects.uri(key)), stored.etag

    def _move_pointer(self, manifest: BaselineManifest, since: str) -> bool:
        """Put a version in force; return ``False`` if it is already."""
        key = self.folder(manifest.endpoint, manifest.monitor) + POINTER_NAME
        entry = PointerEntry(manifest.version, since, manifest.digest)
        for _ in range(_MOVE_ATTEMPTS):
            pointer, etag = self._pointer(manifest.endpoint, manifest.monitor)
            if pointer is not None and pointer.current == manifest.version:
                return False
            history = () if pointer is None else pointer.history
            moved = BaselinePointer(manifest.version, (*history, entry))
            if self.objects.write(key, _pretty(moved), only_if_absent=etag is None, only_if_etag=etag):
                return True
        raise StoreError(
            self.objects.uri(key),
            f"another run moved the pointer {_MOVE_ATTEMPTS} times while this one tried",
            "Run one baseline at a time for an endpoint, then run this one again.",
        )


def _content_digest(manifest: BaselineManifest, documents: Mapping[str, bytes]) -> str:
    plain = msgspec.structs.replace(manifest, created_at="", version="", digest="")
    digest = sha256(msgspec.json.encode(plain))
    for name in sorted(documents):
        digest.update(name.encode() + b"\0" + sha256(documents[name]).digest())
    return digest.hexdigest()[:32]


def _pretty(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def _decoded[T](body: bytes, decoder: msgspec.json.Decoder[T], source: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise DocumentError(source, f"cannot be read ({error})", "Make a new baseline.") from error
