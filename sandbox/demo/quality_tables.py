"""The tables of the scene ``retrain``: every revision of a verdict, and every attempt with its evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from sandbox.demo.result_tables import COLOURS
from watchkeeper.aws.action_store import AttemptRecord

STATE_COLOURS = {"promoted": "green", "rejected": "yellow", "failed": "bold red"}


def revision_table(ledger: pl.DataFrame) -> Table:
    """Return one row per window and revision: labels, verdict, F1, reason."""
    table = Table(title="Every revision of a verdict, from the ledger in S3", title_justify="left", expand=True)
    for name, width in (("window (UTC)", 14), ("rev.", 4), ("labels", 6), ("verdict", 14), ("F1", 4)):
        table.add_column(name, no_wrap=True, width=width)
    table.add_column("reason", no_wrap=True, overflow="ellipsis", ratio=1)
    previous = None
    for row in ledger.sort("window_start", "revision").iter_rows(named=True):
        if previous not in {None, row["window_start"]}:
            table.add_section()
        previous = row["window_start"]
        metrics = {metric["name"]: metric["value"] for metric in row["metrics"] or ()}
        covered = row["label_coverage"]
        table.add_row(
            f"{row['window_start']:%a %Y-%m-%d}",
            str(row["revision"]),
            "-" if covered is None else f"{covered:.0%}",
            Text(row["verdict"], style=COLOURS.get(row["verdict"], "dim")),
            f"{metrics['f1']:.2f}" if "f1" in metrics else "-",
            row["reason"],
        )
    return table


def attempt_table(attempts: Sequence[AttemptRecord], evidence: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per attempt: trained on, both models' scores on the held-out rows, the gate's reason."""
    table = Table(title="Retraining attempts, from their audit records", title_justify="left")
    for name in ("trained on (UTC)", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "champion", "challenger"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for record, found in zip(attempts, [*evidence, *([{}] * len(attempts))], strict=False):
        champion, challenger = (found.get("metrics") or {}).get(found.get("metric"), (None, None))
        table.add_row(
            f"{record.training_start[:13]} to {record.training_end[:13]}",
            Text(record.state, style=STATE_COLOURS.get(record.state, "dim")),
            f"{found['row_count']:,}" if found else "-",
            "-" if champion is None else f"{champion:.2f}",
            "-" if challenger is None else f"{challenger:.2f}",
            found.get("reason") or record.history[-1].why,
        )
    return table
