"""What was found in endpoints' logs, by endpoint and hour.

::

    logs/{endpoint}/yyyy/mm/dd/hh.json      the errors of the hour that begins then, grouped by pattern

A hour that is scanned again has its report replaced, and keeps the note that its metric was published.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from watchkeeper.analysis.log_pattern import ErrorScan
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError, StoreError
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ERROR_COUNT_METRIC: Final = "LogErrorCount"
_LOG_NAMESPACE: Final = "Logs"
_WRITE_ATTEMPTS: Final = 5


class CaptureLink(msgspec.Struct, frozen=True, order=True):
    """Where the captured request of an inference id lies: below this address, a line with this id.

    An error of several variants has a link for each: the request lies below one of them.
    """

    inference_id: str
    s3_uri: str


class LogReport(msgspec.Struct, frozen=True, kw_only=True):
    """The errors of an endpoint's log in one window, and when their number was published as a metric, if it was."""

    endpoint: str
    endpoint_name: str
    window: str
    scan: ErrorScan
    captures: tuple[CaptureLink, ...] = ()
    published_at: datetime | None = None


_REPORTS = msgspec.json.Decoder(LogReport)


class LogReportStore:
    """Reports on logs below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def uri(self, endpoint: str, window: Window) -> str:
        """Return the address of a report."""
        return self.objects.uri(_key(endpoint, window))

    def read(self, endpoint: str, window: Window) -> LogReport | None:
        """Return the report of a window, or ``None``; DocumentError if it cannot be read."""
        return self._read(_key(endpoint, window))[0]

    def write(self, report: LogReport) -> LogReport:
        """Write a report, and return it as it stands: what says that its metric was published is never lost.

        Nothing is written where the same report stands already.
        """
        key = _key(report.endpoint, Window.from_name(report.window))
        for _ in range(_WRITE_ATTEMPTS):
            stored, etag = self._read(key)
            published_at = report.published_at or (None if stored is None else stored.published_at)
            wanted = msgspec.structs.replace(report, published_at=published_at)
            if wanted == stored:
                return wanted
            condition: dict[str, Any] = {"only_if_absent": True} if etag is None else {"only_if_etag": etag}
            if self.objects.write(key, msgspec.json.encode(wanted), **condition):
                return wanted
        raise StoreError(self.objects.uri(key), "others kept writing it at the same time", "Run the task again.")

    def _read(self, key: str) -> tuple[LogReport | None, str | None]:
        stored = self.objects.read(key)
        if stored is None:
            return None, None
        try:
            return _REPORTS.decode(stored.body), stored.etag
        except msgspec.DecodeError as error:
            raise DocumentError(self.objects.uri(key), "not a report on a log", "Delete the object.") from error


def error_count_point(report: LogReport) -> dict[str, Any]:
    """Return the metric point of a report: how many lines told of errors, at the window's start."""
    return {
        "MetricName": ERROR_COUNT_METRIC,
        "Dimensions": [{"Name": "Endpoint", "Value": report.endpoint_name}],
        "Timestamp": Window.from_name(report.window).start,
        "Value": float(report.scan.error_count),
        "Unit": "Count",
    }


def log_namespace(root: str) -> str:
    """Return the namespace of what is counted in logs, such as ``Watchkeeper/Logs``."""
    return f"{root}/{_LOG_NAMESPACE}"


def _key(endpoint: str, window: Window) -> str:
    return f"logs/{endpoint}/{window.start_path}.json"
