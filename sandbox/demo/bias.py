"""The scene ``bias``: a second model that judges by race, found out when the labels of its first day have come."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from rich.table import Table
from rich.text import Text

from sandbox.demo.day_story import DayStory, judged
from sandbox.demo.result_tables import COLOURS, message_table, table_console, verdict_table
from sandbox.demo.stage import Stage

DAGS = ("baseline", "ground_truth", "model_quality")
SHOWN = ("DPL", "DPPL", "DI", "AD", "RD")
"""Labels, predictions (difference and ratio), accuracy, recall: what the table shows."""
# By then every label has come that comes at all.
LABELS_AFTER = timedelta(hours=48)

Values = dict[tuple[str, str], float | None]


def play(stage: Stage) -> list[str]:
    """Play the scene, print what came of it, and return what was expected and did not come."""
    story = DayStory.set_out(stage, "bias", "bias", DAGS)
    quiet = ("--live", "0", "--without-labels")
    change = story.promised["succession"]
    story.command("Replaying two days of applications past the first model", "replay", *quiet, "--until", change)
    story.make_baseline()
    story.command("Bringing a second model into service", "succeed")
    story.command("Replaying the third day past the second model", "replay", *quiet)
    moment = datetime.fromisoformat(story.promised["span"]["end"]) + LABELS_AFTER
    story.command("Delivering what the bank's officers decided", "labels", "--until", moment.isoformat())
    client = stage.airflow.client
    story.finish("Joining decisions with captures (DAG ground_truth)", client.trigger("ground_truth"))
    story.finish("Judging the three days (DAG model_quality)", client.trigger("model_quality"))
    return _report(story)


def _report(story: DayStory) -> list[str]:
    with story.stage.display.step("Reading the ledger, the analyses and the messages back"):
        ledger = story.ledger()
        messages = story.results.messages(story.queue_url)
        rows = judged(ledger)
        baseline = _metrics(story.baseline_of(rows[-1])) if rows else {}
        days = [_metrics(story.analysis_of(row)) for row in rows]
    console = table_console()
    console.print(verdict_table(ledger, story.days))
    if rows:
        console.print(group_table(baseline, rows, days))
        console.print(rows[-1]["reason"], soft_wrap=True)
    console.print(message_table(messages))
    reports = story.keep_reports(ledger, console)
    return story.missing(ledger, messages) + _missing_values(story, rows, days) + reports


def group_table(baseline: Values, rows: list[dict[str, Any]], days: list[Values]) -> Table:
    """Return one row per group and metric: its value in the baseline and on each day."""
    table = Table(title="How groups fare against all others", title_justify="left")
    for name in ("group", "metric"):
        table.add_column(name, no_wrap=True)
    for name in ("baseline", *(f"{row['window_start']:%A}" for row in rows)):
        table.add_column(name, justify="right", no_wrap=True)
    violated = [
        {finding["feature"] for finding in row["findings"] or () if finding["outcome"] == "violated"} for row in rows
    ]
    groups = list(dict.fromkeys(group for group, _metric in baseline))
    for group, metric in product(groups, SHOWN):
        cells = [
            Text(_text(day.get((group, metric))), style=COLOURS["violated"] if f"{group} {metric}" in found else "")
            for day, found in zip(days, violated, strict=True)
        ]
        table.add_row(group, metric, _text(baseline.get((group, metric))), *cells)
    return table


def _metrics(analysis: Mapping[str, Any]) -> Values:
    """Return each metric of an ``analysis.json`` by its group (``race=black,hispanic``) and name."""
    return {
        (f"{facet}={entry['value_or_threshold']}", metric["name"]): metric["value"]
        for stage in ("pre_training_bias_metrics", "post_training_bias_metrics")
        for facet, entries in analysis.get(stage, {}).get("facets", {}).items()
        for entry in entries
        for metric in entry["metrics"]
    }


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float | int) else str(value or "-")


def _missing_values(story: DayStory, rows: list[dict[str, Any]], days: list[Values]) -> list[str]:
    """Return the metrics of the violated day that are not where they were promised to be."""
    problems = []
    facet = story.promised["facet"]
    for row, values in zip(rows, days, strict=True):
        found = {metric: value for (group, metric), value in values.items() if group.startswith(f"{facet}=")}
        for metric, (lowest, highest) in story.promised["metrics"].items() if row["verdict"] == "violated" else ():
            value = found.get(metric)
            if not isinstance(value, float) or not lowest <= value <= highest:
                day = f"{row['window_start']:%Y-%m-%d}"
                problems.append(f"{day}: {metric} between {lowest} and {highest}, but it is {value}")
    return problems
