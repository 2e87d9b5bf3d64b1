"""The demo's tables: verdicts, messages, metrics."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandbox.demo.delivered_results import DeliveredMessage, MetricSeries
from sandbox.demo.verdict_check import ExpectedWindow, identity_of

COLOURS = {"ok": "green", "violated": "red", "failed": "bold red", "capture_gap": "yellow", "too_few": "cyan"}


def verdict_table(ledger: pl.DataFrame, expected: Iterable[ExpectedWindow]) -> Table:
    """Return one row per window: endpoint, window, rows, verdict, worst finding, and whether that was expected."""
    wanted = {window.identity: window.verdict for window in expected}
    table = Table(title="Verdicts, from the ledger in S3", title_justify="left")
    # A long finding is cut, and nothing else is for its sake.
    for name, width in (("endpoint", 17), ("window (UTC)", 23)):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("rows", justify="right", no_wrap=True, min_width=5)
    table.add_column("verdict", no_wrap=True, min_width=11)
    table.add_column("worst finding", no_wrap=True, overflow="ellipsis")
    table.add_column("expected", no_wrap=True, min_width=8)
    ordered = ledger.sort(["endpoint", "variant", "period", "window_start"], descending=[False, False, True, False])
    previous: tuple[str, str] | None = None
    for row in ordered.iter_rows(named=True):
        group = (row["endpoint"], row["period"])
        if previous not in {None, group}:
            table.add_section()
        previous = group
        verdict = row["verdict"]
        expectation = wanted.get(identity_of(row))
        table.add_row(
            row["endpoint"],
            _window(row["window_start"], row["window_end"]),
            "-" if row["row_count"] is None else f"{row['row_count']:,}",
            Text(verdict, style=COLOURS.get(verdict, "dim")),
            Text(_worst(row)),
            "yes" if expectation == verdict else Text(f"no: {expectation}", style="bold red"),
        )
    return table


def message_table(messages: Sequence[DeliveredMessage]) -> Table:
    """Return the delivered messages, in the order of their windows."""
    table = Table(title=f"{len(messages)} SNS messages were delivered", title_justify="left")
    for name in ("window (UTC)", "subject", "kind", "severity"):
        table.add_column(name, no_wrap=True)
    by_window = sorted(messages, key=lambda one: (one.attributes.get("window", ""), one.subject))
    for message in by_window:
        values = [message.attributes.get(name, "") for name in ("kind", "severity")]
        table.add_row(_window_of(message), Text(message.subject), *values)
    return table


def _window_of(message: DeliveredMessage) -> str:
    """Return the window that a message is about; messages about attempts have none."""
    start = message.attributes.get("window", "").partition("-")[0]
    if not start:
        return "-"
    moment = datetime.strptime(start, "%Y%m%dT%H").replace(tzinfo=UTC)
    return _window(moment, moment + timedelta(hours=24 if message.attributes.get("period") == "daily" else 1))


def metric_table(series: Sequence[MetricSeries]) -> Table:
    """Return each metric with the number of its points and their maximum."""
    points = sum(one.point_count for one in series)
    table = Table(title=f"{points} CloudWatch points were written in {len(series)} metrics", title_justify="left")
    for name in ("namespace", "schedule", "metric"):
        table.add_column(name, no_wrap=True)
    table.add_column("points", justify="right")
    table.add_column("maximum", justify="right")
    previous = None
    for one in series:
        schedule = one.dimensions.get("MonitoringSchedule") or ", ".join(one.dimensions.values())
        if previous not in {None, schedule}:
            table.add_section()
        previous = schedule
        table.add_row(one.namespace, schedule, one.name, str(one.point_count), f"{one.maximum:.4g}")
    return table


def table_console() -> Console:
    """Return a console that is wide enough for the tables where there is no terminal to ask."""
    console = Console()
    return console if console.is_terminal else Console(width=150)


def _window(start: datetime, end: datetime) -> str:
    whole_day = (end - start).total_seconds() == 86400
    return f"{start:%a %Y-%m-%d}, the day" if whole_day else f"{start:%a %Y-%m-%d %H:%M}"


def _worst(row: Mapping[str, Any]) -> str:
    """Return the worst finding of a window, or the reason of a verdict without one."""
    violated = [finding for finding in row["findings"] or () if finding["outcome"] == "violated"]
    if not violated:
        return "" if row["verdict"] == "ok" else row["reason"] or ""
    worst = violated[0]
    text = f"{worst['feature']}: {worst['check']}"
    if worst["observed"] is not None and worst["limit"] is not None:
        text += f", {worst['observed']:.3g} against {worst['limit']:.3g}"
    return text + (f" (and {len(violated) - 1} more)" if len(violated) > 1 else "")
