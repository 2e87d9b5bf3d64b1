"""The ledger: every verdict with its reasons, as Parquet in Hive layout, readable by Athena, DuckDB and Polars."""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.ledger_file import LedgerFile, ledger_folder, window_file_key
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.aws.window_result import WindowResult
from watchkeeper.registry.capture_window import Window, windows_between

if TYPE_CHECKING:
    import polars as pl
    from mypy_boto3_s3 import S3Client

#: Findings kept per row, worst first; the report in S3 keeps them all.
FINDINGS_PER_ROW = 50
PARQUET = "application/vnd.apache.parquet"
#: The window's identity: what a later revision replaces.
IDENTITY = ("endpoint", "variant", "monitor", "period", "window_start", "window_end")
#: A row's identity: one that stands in a window's file and, put together since, in its day's file too is one row.
ROW_IDENTITY = ("endpoint", "variant", "period", "window_start", "window_end", "digest", "revision", "run_id")


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger row says about the run that recorded it."""

    run_id: str
    dag_id: str
    recorded_at: datetime


def ledger_schema() -> "dict[str, Any]":
    """Return column names and polars types of a ledger file (without the partition columns)."""
    import polars as pl

    moment = pl.Datetime("us", "UTC")
    finding = pl.Struct(
        {
            "feature": pl.String,
            "check": pl.String,
            "outcome": pl.String,
            "reason": pl.String,
            "observed": pl.Float64,
            "limit": pl.Float64,
            "severity": pl.String,
        }
    )
    return {
        "endpoint": pl.String,
        "endpoint_name": pl.String,
        "variant": pl.String,
        "period": pl.String,
        "window_start": moment,
        "window_end": moment,
        "verdict": pl.String,
        "reason": pl.String,
        "severity": pl.String,
        "revision": pl.Int32,
        "digest": pl.String,
        "row_count": pl.Int64,
        "captured_count": pl.Int64,
        "invocation_count": pl.Float64,
        "malformed_count": pl.Int64,
        "object_count": pl.Int64,
        "capture_bytes": pl.Int64,
        "violated_count": pl.Int32,
        "satisfied_count": pl.Int32,
        "not_evaluated_count": pl.Int32,
        "worst_feature": pl.String,
        "worst_check": pl.String,
        "worst_distance": pl.Float64,
        "worst_distance_feature": pl.String,
        "worst_distance_rank": pl.Int32,
        "findings": pl.List(finding),
        "baseline_version": pl.String,
        "baseline_note": pl.String,
        "dialect": pl.String,
        "capture_digest": pl.String,
        "spec_digest": pl.String,
        "code_version": pl.String,
        "owner": pl.String,
        "model_version": pl.String,
        "endpoint_config": pl.String,
        "config_change": pl.String,
        "analysis_seconds": pl.Float64,
        "matched_count": pl.Int64,
        "label_coverage": pl.Float64,
        "label_state": pl.String,
        "merge_digest": pl.String,
        "metrics": pl.List(pl.Struct({"name": pl.String, "value": pl.Float64})),
        "report_uri": pl.String,
        "run_id": pl.String,
        "dag_id": pl.String,
        "recorded_at": moment,
    }


class Ledger:
    """All verdicts, below ``s3://bucket/prefix``.

    Files are never rewritten: a later revision is another file, and those of a past day become one
    (``ledger_compaction``), written before they are deleted.
    """

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def record(self, results: "Iterable[tuple[WindowResult, str]]", run: RunFacts) -> tuple[str, ...]:
        """Record results with their reports' addresses; return the keys written, none if all stood there already.

        One file per monitor and window. What the ledger already holds under the same digest is left out.
        """
        groups: dict[tuple[str, str], list[tuple[WindowResult, str]]] = {}
        for result, uri in results:
            groups.setdefault((result.monitor, result.window), []).append((result, uri))
        written = []
        for (monitor, name), group in sorted(groups.items()):
            window = Window.from_name(name)
            known = self._known_digests(monitor, window)
            new = [pair for pair in group if _identity(pair[0]) not in known]
            if new and (key := self._write(monitor, window, new, run)):
                written.append(key)
        return tuple(written)

    def read(
        self,
        monitor: str,
        start: datetime,
        end: datetime,
        *,
        endpoints: Sequence[str] | None = None,
        period: str | None = None,
        every_revision: bool = False,
    ) -> "pl.DataFrame":
        """Return the rows of windows that start in ``[start, end)``, in time order; the newest revision of each.

        Columns are those of ``ledger_schema`` with ``monitor`` in front.
        """
        import polars as pl

        schema = ledger_schema()
        frames = [
            conformed(pl.read_parquet(io.BytesIO(body)), schema) for body in self._bodies(monitor, start, end, period)
        ]
        rows = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
        # A day's file holds more than was asked for, and may stand beside the files that it was made of.
        rows = rows.filter(pl.col("window_start").is_between(start, end, closed="left"))
        if period is not None:
            rows = rows.filter(pl.col("period") == period)
        rows = rows.unique(subset=list(ROW_IDENTITY), keep="first", maintain_order=True)
        rows = rows.with_columns(pl.lit(monitor).alias("monitor")).select("monitor", *schema)
        if endpoints is not None:
            rows = rows.filter(pl.col("endpoint").is_in(list(endpoints)))
        rows = rows.sort([*IDENTITY, "revision", "recorded_at"])
        if not every_revision:
            rows = rows.unique(subset=list(IDENTITY), keep="last", maintain_order=True)
        return rows.sort(["window_start", "window_end", "endpoint", "variant", "revision"])

    def windows_recorded(self, monitor: str, start: datetime, end: datetime) -> frozenset[Window]:
        """Return the windows in ``[start, end)`` of which the ledger holds any verdict, by file names alone."""
        found = (window for file in self._files(monitor, start, end) for window in file.windows)
        return frozenset(window for window in found if start <= window.start < end)

    def files(self, monitor: str, day: Window) -> tuple[LedgerFile, ...]:
        """Return the files of a monitor's windows that start on a day, in key order."""
        listed = self.objects.list(ledger_folder(monitor, day))
        return tuple(file for item in listed if (file := LedgerFile.parse(item.key)) is not None)

    def _bodies(self, monitor: str, start: datetime, end: datetime, period: str | None) -> list[bytes]:
        """Return the content of every file that may hold rows of the time."""
        return self.objects.read_listed(
            lambda: [
                file.key
                for file in self._files(monitor, start, end)
                if period is None or any(window.period == period for window in file.windows)
            ]
        )

    def _files(self, monitor: str, start: datetime, end: datetime) -> list[LedgerFile]:
        """Return the files that hold a window which starts in ``[start, end)``."""
        # Days are the partitions; the last one may be cut by ``end``, hence one more than whole days.
        days = windows_between("daily", Window.day_of(start).start, Window.day_of(end).end)
        return [
            file
            for day in days
            for file in self.files(monitor, day)
            if any(start <= window.start < end for window in file.windows)
        ]

    def _known_digests(self, monitor: str, window: Window) -> set[tuple[str, ...]]:
        rows = self.read(monitor, window.start, window.end, period=window.period, every_revision=True)
        if rows.is_empty():
            return set()
        # Only the newest revision counts: a verdict that returns to an earlier digest is news again.
        newest = rows.unique(subset=list(IDENTITY), keep="last", maintain_order=True)
        return {
            (
                row["endpoint"],
                row["variant"],
                row["period"],
                Window(row["window_start"], row["window_end"]).name,
                row["digest"],
                str(row["revision"]),
            )
            for row in newest.iter_rows(named=True)
        }

    def _write(
        self, monitor: str, window: Window, pairs: Sequence[tuple[WindowResult, str]], run: RunFacts
    ) -> str | None:
        import polars as pl

        ordered = sorted(pairs, key=lambda pair: _identity(pair[0]))
        digest = sha256("\n".join("\0".join(_identity(result)) for result, _ in ordered).encode()).hexdigest()[:16]
        frame = pl.DataFrame([_row(result, uri, window, run) for result, uri in ordered], schema=ledger_schema())
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", statistics=True)
        key = window_file_key(monitor, window, digest)
        wrote = self.objects.write(key, buffer.getvalue(), only_if_absent=True, content_type=PARQUET)
        return key if wrote else None


def _identity(result: WindowResult) -> tuple[str, ...]:
    return (result.endpoint, result.variant, result.period, result.window, result.digest, str(result.revision))


def _row(result: WindowResult, uri: str, window: Window, run: RunFacts) -> dict[str, Any]:
    fields = msgspec.structs.asdict(result)
    violated = [finding for finding in result.findings if finding.outcome == "violated"]
    others = [finding for finding in result.findings if finding.outcome != "violated"]
    return {
        **{name: fields.get(name) for name in ledger_schema()},
        "window_start": window.start,
        "window_end": window.end,
        "findings": [msgspec.structs.asdict(finding) for finding in [*violated, *others][:FINDINGS_PER_ROW]],
        "metrics": [{"name": name, "value": value} for name, value in sorted(result.metrics.items())],
        "report_uri": uri,
        "run_id": run.run_id,
        "dag_id": run.dag_id,
        "recorded_at": run.recorded_at,
    }


def conformed(frame: "pl.DataFrame", schema: dict[str, Any]) -> "pl.DataFrame":
    """Return the frame with this version's columns: older files lack some, newer ones have more."""
    import polars as pl

    return frame.select(
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in schema.items()
    )
