"""The explanations of single predictions in S3: one Parquet file per judged window, found by a prediction's id."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from watchkeeper.analysis.local_shap import LocalAttribution

_READERS = 8


class ExplanationStore:
    """Local attributions by endpoint, variant and window, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def folder(self, endpoint: str, variant: str) -> str:
        """Return the folder of a variant's explanations."""
        return f"explanations/{endpoint}/{variant}/"

    def write(self, endpoint: str, variant: str, window: Window, body: bytes) -> str:
        """Write a window's explanations and return their address; the last writer wins."""
        key = f"{self.folder(endpoint, variant)}{window.start_path}/{window.name}.parquet"
        self.objects.write(key, body, content_type="application/vnd.apache.parquet")
        return self.objects.uri(key)

    def find(
        self,
        endpoint: str,
        variant: str,
        span: Window,
        *,
        event_id: str | None = None,
        inference_id: str | None = None,
    ) -> "list[LocalAttribution]":
        """Return the explanations of a prediction in windows that begin within ``span``, the newest window's first.

        A prediction that was explained in its hour and in its day is found in both: the first one found is returned.
        ValueError unless exactly one id is given; DocumentError for an object that cannot be read.
        """
        from watchkeeper.analysis.local_shap import find_local_shap

        if (event_id is None) == (inference_id is None):
            message = "give an event_id or an inference_id, and not both"
            raise ValueError(message)

        def read(key: str) -> "list[LocalAttribution]":
            stored = self.objects.read(key)
            if stored is None:
                return []
            return find_local_shap(stored.body, event_id=event_id, inference_id=inference_id, name=key)

        keys = sorted(self._keys(endpoint, variant, span), reverse=True)
        with ThreadPoolExecutor(_READERS) as readers:
            return next((found for found in readers.map(read, keys) if found), [])

    def _keys(self, endpoint: str, variant: str, span: Window) -> Iterator[str]:
        for day in sorted({hour.start.date() for hour in span.hours()}):
            for item in self.objects.list(f"{self.folder(endpoint, variant)}{day:%Y/%m/%d}/"):
                window = Window.from_name(item.key.rpartition("/")[2].removesuffix(".parquet"))
                if span.start <= window.start < span.end:
                    yield item.key
