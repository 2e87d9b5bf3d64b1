"""What SageMaker captured: the objects of an endpoint's variant in a window, opened as streams of bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.aws.object_store import ListedObject, ObjectStore
from watchkeeper.aws.service_failure import is_missing, permission_named
from watchkeeper.errors import CaptureError
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class CaptureObject:
    """One captured file: its key in the bucket, entity tag, size in bytes and when it was written."""

    key: str
    etag: str
    size: int
    last_modified: datetime


def capture_digest(objects: tuple[CaptureObject, ...]) -> str:
    """Return a digest of keys and entity tags: it changes when a file appears, vanishes or is rewritten."""
    digest = sha256()
    for item in objects:
        digest.update(f"{item.key}\0{item.etag}\n".encode())
    return digest.hexdigest()[:32]


def hourly_objects(store: ObjectStore, folder: str, window: "Window") -> Iterator[tuple["Window", ListedObject]]:
    """Yield what lies below ``{folder}yyyy/mm/dd/hh/`` for the window's hours, in key order; one listing a day."""
    for day in window.days():
        for item in store.list(f"{folder}{day.start_path.rpartition('/')[0]}/"):
            path = item.key[len(folder) :]
            if path.endswith("/"):
                continue
            try:
                hour = Window.from_start_path("/".join(path.split("/")[:4]))
            except ValueError:
                continue
            if path.count("/") >= 4 and window.start <= hour.start < window.end:
                yield hour, item


class CaptureStore:
    """Captured files below an endpoint's ``DestinationS3Uri``."""

    def __init__(self, s3_uri: str, client: "S3Client") -> None:
        bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
        self.objects = ObjectStore(bucket, prefix, client)

    def list_window(self, endpoint_name: str, variant: str, window: "Window") -> tuple[CaptureObject, ...]:
        """Return the captured files of the window's hours, in key order (which is time order)."""
        found: list[CaptureObject] = []
        for hour in window.hours():
            folder = f"{endpoint_name}/{variant}/{hour.start_path}/"
            found.extend(
                CaptureObject(self.objects.full_key(item.key), item.etag, item.size, item.last_modified)
                for item in self.objects.list(folder)
                if not item.key.endswith("/")
            )
        return tuple(found)

    def list_hours(
        self, endpoint_name: str, variant: str, window: "Window"
    ) -> dict["Window", tuple[CaptureObject, ...]]:
        """Return the captured files of a window by their hour, hours without any left out; one listing a day.

        What does not lie in an hour's folder is no capture.
        """
        found: dict[Window, list[CaptureObject]] = {}
        folder = f"{endpoint_name}/{variant}/"
        for hour, item in hourly_objects(self.objects, folder, window):
            full = CaptureObject(self.objects.full_key(item.key), item.etag, item.size, item.last_modified)
            found.setdefault(hour, []).append(full)
        return {hour: tuple(items) for hour, items in found.items()}

    def open(self, item: CaptureObject) -> CaptureFile:
        """Return the file as a stream, read only when iterated and only as the version that was listed.

        Iterating raises ``CaptureError`` if the object was rewritten or removed since it was listed.
        """
        return CaptureFile(item.key, self._chunks(item))

    def first_bytes(self, item: CaptureObject, limit: int = _CHUNK_BYTES) -> bytes:
        """Return the beginning of a file, at most ``limit`` bytes."""
        bucket = self.objects.bucket
        with permission_named("s3", f"s3://{bucket}/{item.key}"):
            answer = self.objects.client.get_object(Bucket=bucket, Key=item.key, Range=f"bytes=0-{limit - 1}")
            return answer["Body"].read()

    def _chunks(self, item: CaptureObject) -> Iterator[bytes]:
        from botocore.exceptions import ClientError

        bucket = self.objects.bucket
        uri = f"s3://{bucket}/{item.key}"
        with permission_named("s3", uri):
            try:
                answer = self.objects.client.get_object(Bucket=bucket, Key=item.key, IfMatch=item.etag)
            except ClientError as error:
                # The digest of the window names this entity tag: reading another version would make it untrue.
                if is_missing(error) or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 412:
                    raise CaptureError(
                        uri, "the file changed or vanished while the window was read", "Run the window again."
                    ) from error
                raise
            body: StreamingBody = answer["Body"]
            yield from body.iter_chunks(_CHUNK_BYTES)
