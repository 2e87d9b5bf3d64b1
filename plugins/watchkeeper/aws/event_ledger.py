"""The ledger of platform events and of jobs' outcomes, as Parquet in Hive layout, like that of verdicts."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.registry.capture_window import Window, day_floor
from watchkeeper.registry.event_kind import EVENT_KINDS
from watchkeeper.registry.event_rules import EventDecision
from watchkeeper.registry.platform_event import PlatformEvent

if TYPE_CHECKING:
    import polars as pl
    from mypy_boto3_s3 import S3Client

    from watchkeeper.aws.job_facts import JobFacts
    from watchkeeper.aws.ledger import RunFacts
    from watchkeeper.registry.run_progress import Overdue

#: A job that has ended, with its figures; the events of its states have the kind of the job.
JOB_KIND: Final = "job"
LEDGER_KINDS: Final[tuple[str, ...]] = (*EVENT_KINDS, JOB_KIND)
_FOLDER = "ledger_events"
_PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class EventRow:
    """One row: what it is about, when, and its columns; ``event_id`` is its identity."""

    event_id: str
    kind: str
    at: datetime
    columns: Mapping[str, Any]


def event_ledger_schema() -> "dict[str, Any]":
    """Return column names and polars types of a ledger file (without the partition columns)."""
    import polars as pl

    moment = pl.Datetime("us", "UTC")
    return {
        "event_id": pl.String,
        "at": moment,
        "name": pl.String,
        "part": pl.String,
        "status": pl.String,
        "outcome": pl.String,
        "endpoint": pl.String,
        "endpoint_name": pl.String,
        "run": pl.String,
        "arn": pl.String,
        "in_pipeline": pl.String,
        "actor": pl.String,
        "address": pl.String,
        "reason": pl.String,
        "detail_type": pl.String,
        "source": pl.String,
        "account": pl.String,
        "region": pl.String,
        "tags": pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
        "change_id": pl.String,
        "problem": pl.String,
        "rule": pl.String,
        "severity": pl.String,
        "silent": pl.String,
        "starts": pl.String,
        "job_type": pl.String,
        "job_base_name": pl.String,
        "created_at": moment,
        "started_at": moment,
        "ended_at": moment,
        "duration_seconds": pl.Float64,
        "billable_seconds": pl.Float64,
        "instance_type": pl.String,
        "instance_count": pl.Int32,
        "cost_usd": pl.Float64,
        "metrics": pl.List(pl.Struct({"name": pl.String, "value": pl.Float64})),
        "metric_definitions": pl.List(pl.Struct({"name": pl.String, "regex": pl.String})),
        "best_job": pl.String,
        "run_id": pl.String,
        "dag_id": pl.String,
        "recorded_at": moment,
    }


def event_row(event: PlatformEvent, decision: EventDecision) -> EventRow:
    """Return the row of an event and what was decided about it."""
    start = decision.start
    columns = {name: getattr(event, name, None) for name in event_ledger_schema()}
    columns |= {
        "tags": [{"key": key, "value": value} for key, value in sorted(event.tags.items())],
        "rule": decision.rule or None,
        "severity": decision.severity,
        "silent": decision.silent or decision.problem,
        "starts": None if start is None else f"{start.target} {start.name} {start.run_id}",
        # An event says none of a job's figures: its own row of the kind ``job`` does.
        "metrics": [],
        "metric_definitions": [],
    }
    return EventRow(event.event_id, event.kind, event.at, columns)


def job_row(facts: "JobFacts", *, base_name: str, endpoint: str | None, account: str, region: str) -> EventRow:
    """Return the row of a job that has ended; ValueError for one that has not."""
    if facts.ended_at is None or not facts.has_ended:
        message = f"{facts.job_type} {facts.name} is {facts.status}; only a job that has ended is recorded"
        raise ValueError(message)
    columns = {
        "name": facts.name,
        "status": facts.status,
        "outcome": facts.outcome,
        "endpoint": endpoint,
        "run": facts.arn,
        "arn": facts.arn,
        "reason": facts.failure_reason,
        "account": account,
        "region": region,
        "tags": [],
        "change_id": facts.job_id,
        "job_type": facts.job_type,
        "job_base_name": base_name,
        "created_at": facts.created_at,
        "started_at": facts.started_at,
        "ended_at": facts.ended_at,
        "duration_seconds": facts.duration_seconds,
        "billable_seconds": facts.billable_seconds,
        "instance_type": facts.instance_type,
        "instance_count": facts.instance_count,
        "cost_usd": facts.cost_usd,
        "metrics": [{"name": name, "value": value} for name, value in sorted(facts.metrics.items())],
        "metric_definitions": [
            {"name": name, "regex": regex} for name, regex in sorted(facts.metric_definitions.items())
        ],
        "best_job": facts.best_job,
    }
    return EventRow(facts.job_id, JOB_KIND, facts.ended_at, columns)


def described_row(overdue: "Overdue", status: str, outcome: str, at: datetime) -> EventRow:
    """Return the row of a run whose end no event told of, and AWS did when it was asked."""
    event_id = f"described-{sha256(f'{overdue.kind} {overdue.run}'.encode()).hexdigest()[:32]}"
    columns: dict[str, Any] = {
        "name": overdue.name,
        "status": status,
        "outcome": outcome,
        "endpoint": overdue.endpoint,
        "run": overdue.run,
        "reason": "no event told of its end; AWS said so when it was asked",
        "change_id": event_id,
        "tags": [],
    }
    return EventRow(event_id, overdue.kind, at, columns)


class EventLedger:
    """All platform events and job outcomes, below ``s3://bucket/prefix/ledger_events/kind=…/date=…/``.

    A file holds what one run recorded of one kind and day; it is never rewritten. ``compact`` makes one of a day's.
    """

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def record(self, rows: Iterable[EventRow], run: "RunFacts") -> tuple[EventRow, ...]:
        """Record rows and return those that are new; what stands there already, by its id, is left out."""
        groups: dict[tuple[str, str], dict[str, EventRow]] = {}
        for row in rows:
            groups.setdefault((row.kind, _day(row.at)), {}).setdefault(row.event_id, row)
        recorded: list[EventRow] = []
        for (kind, day), group in sorted(groups.items()):
            known = self.known_ids(kind, day)
            new = [row for event_id, row in sorted(group.items()) if event_id not in known]
            if new and self._write(kind, day, new, run):
                recorded += new
        return tuple(recorded)

    def known_ids(self, kind: str, day: str) -> frozenset[str]:
        """Return the ids of the events of a kind that are recorded for a day, such as ``2026-11-20``."""
        frames = self._frames(partial(self._keys, kind, day, day))
        return frozenset(event_id for frame in frames for event_id in frame["event_id"])

    def read(self, start: datetime, end: datetime, *, kinds: Sequence[str] | None = None) -> "pl.DataFrame":
        """Return the events that happened in ``[start, end)``, in time order, each once.

        Columns are those of ``event_ledger_schema`` with ``kind`` in front. ValueError names a kind that there is not.
        """
        import polars as pl

        unknown = sorted(set(kinds or ()) - set(LEDGER_KINDS))
        if unknown:
            message = f"got the kinds {', '.join(unknown)}; use of {', '.join(LEDGER_KINDS)}"
            raise ValueError(message)
        schema = event_ledger_schema()
        first, last = _day(start), _day(end)
        frames = []
        for kind in kinds or LEDGER_KINDS:
            found = self._frames(partial(self._keys, kind, first, last))
            frames += [frame.select(pl.lit(kind).alias("kind"), *schema) for frame in found]
        rows = pl.concat(frames) if frames else pl.DataFrame(schema={"kind": pl.String, **schema})
        rows = rows.filter((pl.col("at") >= start) & (pl.col("at") < end))
        rows = rows.sort("at", "kind", "event_id", "recorded_at")
        return rows.unique(subset=["kind", "event_id"], keep="first", maintain_order=True)

    def compact(self, before: datetime) -> int:
        """Make one file of each day's files that end before ``before``; return how many days were compacted.

        The new file is written before the old ones go, and readers take each event once: killed half way, nothing is
        lost or doubled.
        """
        import polars as pl

        compacted = 0
        for kind in LEDGER_KINDS:
            days: dict[str, list[str]] = {}
            for key, day in self._files(kind, ""):
                days.setdefault(day, []).append(key)
            for day, keys in days.items():
                if day >= _day(before) or len(keys) < 2:
                    continue
                rows = pl.concat(self._frames(partial(self._keys, kind, day, day))).sort(
                    "at", "event_id", "recorded_at"
                )
                rows = rows.unique(subset=["event_id"], keep="first", maintain_order=True)
                whole = self._key(kind, day, rows["event_id"].to_list())
                self.objects.write(whole, _parquet(rows), content_type=_PARQUET)
                for key in keys:
                    if key != whole:
                        self.objects.delete(key)
                compacted += 1
        return compacted

    def _keys(self, kind: str, first_day: str, last_day: str) -> list[str]:
        """Return the keys of a kind's files of these days."""
        return [key for key, _ in takewhile(lambda file: file[1] <= last_day, self._files(kind, first_day))]

    def _files(self, kind: str, first_day: str) -> Iterator[tuple[str, str]]:
        """Yield keys and days of a kind's files from a day on, oldest first."""
        folder = f"{_FOLDER}/kind={kind}/"
        for item in self.objects.list(folder, after=f"{folder}date={first_day}" if first_day else ""):
            day, _, name = item.key.removeprefix(f"{folder}date=").partition("/")
            if name.endswith(".parquet"):
                yield item.key, day

    def _frames(self, keys: Callable[[], list[str]]) -> "list[pl.DataFrame]":
        import polars as pl

        from watchkeeper.aws.ledger import conformed

        schema = event_ledger_schema()
        return [conformed(pl.read_parquet(io.BytesIO(body)), schema) for body in self.objects.read_listed(keys)]

    def _write(self, kind: str, day: str, rows: Sequence[EventRow], run: "RunFacts") -> bool:
        """Write a file of rows; ``False`` if another run has written the same."""
        import polars as pl

        schema = event_ledger_schema()
        facts = {"run_id": run.run_id, "dag_id": run.dag_id, "recorded_at": run.recorded_at}
        frame = pl.DataFrame(
            [
                dict.fromkeys(schema) | dict(row.columns) | facts | {"event_id": row.event_id, "at": row.at}
                for row in rows
            ],
            schema=schema,
        )
        key = self._key(kind, day, [row.event_id for row in rows])
        return self.objects.write(key, _parquet(frame), only_if_absent=True, content_type=_PARQUET)

    @staticmethod
    def _key(kind: str, day: str, event_ids: Sequence[str]) -> str:
        digest = sha256("\n".join(sorted(event_ids)).encode()).hexdigest()[:24]
        return f"{_FOLDER}/kind={kind}/date={day}/{digest}.parquet"


def _parquet(frame: "pl.DataFrame") -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True)
    return buffer.getvalue()


def _day(moment: datetime) -> str:
    return Window(day_floor(moment), day_floor(moment) + timedelta(days=1)).start_date
