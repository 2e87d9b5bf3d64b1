"""Puts the ledger's small files of a past day together: one file for each day and monitor, with exactly the same rows.

The day's file is written and read back before what it was made of is deleted, and a reader takes a row that stands in
both once. So one that is killed between loses nothing and doubles nothing; the next one finishes. A verdict that comes
later stands in a file of its own beside the day's until both are put together.
"""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from watchkeeper.aws.ledger import PARQUET, ROW_IDENTITY, Ledger, conformed, ledger_schema
from watchkeeper.aws.ledger_file import LedgerFile, day_file_key
from watchkeeper.errors import StoreError
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    import polars as pl

_READERS = 8


@dataclass(frozen=True)
class CompactedDay:
    """What was put together: a monitor's day, how many files there were, and how many rows they held."""

    monitor: str
    day: str
    file_count: int
    row_count: int


def compact_ledger(ledger: Ledger, before: datetime, warn: Callable[[str], None]) -> Iterator[CompactedDay]:
    """Put together every past day of which there is more than one file; yield each day that was.

    ``before`` is the first day that is left alone. A day that cannot be put together is told and stays as it is.
    """
    limit = Window.day_of(before).start_date
    for monitor, day, files in _scattered(ledger, limit):
        try:
            yield _compact_day(ledger, monitor, day, files)
        except (StoreError, ValueError) as error:
            warn(f"The ledger of {monitor}, {day.start_date} stays in {len(files)} files: {error}")


def _scattered(ledger: Ledger, limit: str) -> Iterator[tuple[str, Window, list[LedgerFile]]]:
    """Yield monitors and days before ``limit`` of which there is more than one file."""
    found: dict[tuple[str, str], list[LedgerFile]] = {}
    for item in ledger.objects.list("ledger/monitor="):
        file = LedgerFile.parse(item.key)
        if file is None:
            continue
        monitor, _, date = item.key.removeprefix("ledger/monitor=").rpartition("/")[0].partition("/date=")
        if date < limit:
            found.setdefault((monitor, date), []).append(file)
    for (monitor, date), files in found.items():
        if len(files) > 1:
            yield monitor, Window.day_of(datetime.fromisoformat(f"{date}T00:00:00+00:00")), files


def _compact_day(ledger: Ledger, monitor: str, day: Window, files: list[LedgerFile]) -> CompactedDay:
    rows = _rows(ledger, files)
    digest = _digest(rows)
    windows = {window for file in files for window in file.windows}
    key = day_file_key(monitor, day, windows, digest)
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", statistics=True)
    # Named by the rows it holds: another run, or an earlier one that was killed, may have written the very same.
    ledger.objects.write(key, buffer.getvalue(), only_if_absent=True, content_type=PARQUET)
    stored = ledger.objects.read(key)
    if stored is None or _digest(_read(stored.body)) != digest:
        raise StoreError(ledger.objects.uri(key), "does not hold the rows that it is to hold", "Delete that object.")
    for file in files:
        if file.key != key:
            ledger.objects.delete(file.key)
    return CompactedDay(monitor, day.start_date, len(files), rows.height)


def _rows(ledger: Ledger, files: list[LedgerFile]) -> "pl.DataFrame":
    """Return all rows of the files, each once, with every column that any of them has."""
    import polars as pl

    with ThreadPoolExecutor(_READERS) as readers:
        found = list(readers.map(ledger.objects.read, [file.key for file in files]))
    bodies = [stored.body for stored in found if stored is not None]
    if len(bodies) < len(files):
        raise StoreError(
            ledger.objects.uri(files[0].key), "it or another one went away", "Another run puts them together."
        )
    try:
        rows = pl.concat([_read(body) for body in bodies], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        message = f"its files do not fit together ({type(error).__name__})"
        raise ValueError(message) from error
    order = [name for name in ROW_IDENTITY if name in rows.columns]
    return rows.unique(subset=order, keep="first", maintain_order=True).sort(order)


def _read(body: bytes) -> "pl.DataFrame":
    """Return a file's rows with this version's columns in front; those of a newer version stay behind them."""
    import polars as pl

    frame = pl.read_parquet(io.BytesIO(body))
    schema = ledger_schema()
    others = frame.select(pl.exclude(list(schema)))
    return conformed(frame, schema).hstack(others.get_columns())


def _digest(rows: "pl.DataFrame") -> str:
    """Return a digest of which rows there are, in whatever order."""
    lines = sorted("\0".join(map(str, row)) for row in rows.select(ROW_IDENTITY).iter_rows())
    return sha256("\n".join(lines).encode()).hexdigest()[:16]
