"""The cost report of each month: what was predicted, what was found, and what gave way."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class CostRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an estimate: how much of one kind a month, the mean price of a unit, and USD a month."""

    item: str
    quantity: float
    unit: str
    unit_usd: float
    usd: float


class EndpointCost(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint, or ``_fleet`` for all together. Amounts are USD a month.

    ``declared_usd`` is predicted for the file as it is written, ``predicted`` as it is in force, ``actual`` for what
    was found; lines of ``actual`` whose item is not in ``measured`` are predicted too, by the traffic that was seen.
    """

    endpoint: str
    owner: str = ""
    region: str = ""
    ceiling_usd: float | None = None
    declared_usd: float = 0.0
    predicted_usd: float = 0.0
    actual_usd: float = 0.0
    predicted: tuple[CostRecord, ...] = ()
    actual: tuple[CostRecord, ...] = ()
    measured: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    exceeds: str | None = None
    is_refused: bool = False


class CostReport(msgspec.Struct, frozen=True, kw_only=True):
    """A month's report; the newest of the month stands. ``problems`` says what could not be counted."""

    month: str
    made_at: str
    prices_of: str
    currency: str
    fleet: EndpointCost
    endpoints: tuple[EndpointCost, ...] = ()
    problems: tuple[str, ...] = ()
    housekeeping: tuple[str, ...] = ()


_REPORTS = msgspec.json.Decoder(CostReport)


class CostStore:
    """Cost reports below ``s3://bucket/prefix``: ``cost/yyyy/mm.json``, and a page beside it."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def write(self, report: CostReport, page: bytes) -> str:
        """Write a month's report in place of an earlier one, and return the address of its page."""
        stem = _stem(report.month)
        self.objects.write(f"{stem}.html", page, content_type="text/html; charset=utf-8")
        self.objects.write(f"{stem}.json", msgspec.json.format(msgspec.json.encode(report), indent=2))
        return self.objects.uri(f"{stem}.html")

    def read(self, month: str) -> CostReport | None:
        """Return the report of a month such as ``2026-11``; ``None`` if there is none. DocumentError if it is none."""
        key = f"{_stem(month)}.json"
        stored = self.objects.read(key)
        if stored is None:
            return None
        try:
            return _REPORTS.decode(stored.body)
        except msgspec.DecodeError as error:
            raise DocumentError(self.objects.uri(key), f"not a cost report ({error})", "Delete the object.") from error

    def months(self) -> Iterator[str]:
        """Yield the months of which there is a report, oldest first."""
        for item in self.objects.list("cost/"):
            name = item.key.removeprefix("cost/").removesuffix(".json")
            if item.key.endswith(".json") and len(name) == len("2026/11"):
                yield name.replace("/", "-")


def month_of(moment: datetime) -> str:
    """Return the month of a time, such as ``2026-11``."""
    return f"{moment:%Y-%m}"


def _stem(month: str) -> str:
    year, _, number = month.partition("-")
    return f"cost/{year}/{number}"
