"""Labels in S3, by the hour in which they were collected, opened as streams of bytes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchkeeper.analysis.ground_truth_labels import LabelFile
from watchkeeper.aws.capture_store import CaptureObject, CaptureStore, hourly_objects
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: What a label object's name ends with; anything else below the prefix is not read.
SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class LabelListing:
    """The label objects of a span by their collection hour, and the keys of objects that are none."""

    hours: dict[Window, tuple[CaptureObject, ...]]
    strays: tuple[str, ...]


class GroundTruthStore:
    """Label objects below an endpoint's ``ground_truth.s3_uri``."""

    def __init__(self, s3_uri: str, client: "S3Client") -> None:
        self._files = CaptureStore(s3_uri, client)

    def list_hours(self, span: Window) -> LabelListing:
        """Return the label objects that were collected in a span, each hour's in key order."""
        hours: dict[Window, list[CaptureObject]] = {}
        strays = []
        store = self._files.objects
        for hour, item in hourly_objects(store, "", span):
            found = CaptureObject(store.full_key(item.key), item.etag, item.size, item.last_modified)
            if item.key.endswith(SUFFIXES):
                hours.setdefault(hour, []).append(found)
            else:
                strays.append(found.key)
        return LabelListing({hour: tuple(items) for hour, items in hours.items()}, tuple(strays))

    def open(self, item: CaptureObject, hour: Window) -> LabelFile:
        """Return a label object as a stream, read only when iterated and only as the version that was listed.

        Iterating raises ``CaptureError`` if the object was rewritten or removed since it was listed.
        """
        file = self._files.open(item)
        return LabelFile(file.name, hour.start, file.chunks)
