"""The scene ``attribution``: a housing-price model whose top driver moves from size to location."""

from typing import Any

from rich.table import Table
from rich.text import Text

from sandbox.demo.day_story import DayStory
from sandbox.demo.result_tables import message_table, table_console, verdict_table
from sandbox.demo.stage import Stage
from watchkeeper.analysis.attribution_drift import feature_drifts, top_driver

DAGS = ("baseline", "monitor_daily")


def play(stage: Stage) -> list[str]:
    """Play the scene, print what came of it, and return what was expected and did not come."""
    story = DayStory.set_out(stage, "attribution", "explainability", DAGS)
    story.command("Replaying three days of requests into the endpoint", "replay", "--live", "0")
    story.make_baseline()
    client = stage.airflow.client
    for day in story.days:
        start, end = day.identity[3:]
        conf = {"window_start": start.isoformat(), "window_end": end.isoformat(), "act": True}
        story.finish(f"Explaining and judging {start:%A} (DAG monitor_daily)", client.trigger("monitor_daily", conf))
    return _report(story)


def _report(story: DayStory) -> list[str]:
    with story.stage.display.step("Reading the ledger, the analyses and the messages back"):
        ledger = story.ledger()
        messages = story.results.messages(story.queue_url)
    console = table_console()
    console.print(verdict_table(ledger, story.days))
    problems = story.missing(ledger, messages)
    for row in ledger.filter(verdict="violated").iter_rows(named=True):
        before, after = _values(story.baseline_of(row)), _values(story.analysis_of(row))
        drivers = {"before": top_driver(before), "after": top_driver(after)}
        console.print(driver_table(before, after))
        console.print(f"Top driver: {drivers['before']}, now {drivers['after']}. {row['reason']}", soft_wrap=True)
        if drivers != story.promised["top_drivers"]:
            problems.append(f"top drivers {story.promised['top_drivers']}, but they are {drivers}")
        if missing := [name for name in drivers.values() if name not in row["reason"]]:
            problems.append(f"a reason that names {' and '.join(map(str, missing))}, but it is: {row['reason']}")
    console.print(message_table(messages))
    problems += story.keep_reports(ledger, console)
    return problems + _missing_scores(story, ledger)


def driver_table(before: dict[str, float], after: dict[str, float]) -> Table:
    """Return one row per feature: attribution and rank in the baseline and on the day."""
    table = Table(title="What prices come from: mean |SHAP value|, thousands of dollars", title_justify="left")
    table.add_column("feature", no_wrap=True)
    for name in ("baseline", "rank", "the day", "rank", "change of share"):
        table.add_column(name, justify="right", no_wrap=True)
    for drift in feature_drifts(before, after):
        moved = drift.rank_before != drift.rank_after
        table.add_row(
            Text(drift.feature, style="bold" if 1 in {drift.rank_before, drift.rank_after} else ""),
            f"{before[drift.feature]:.1f}",
            str(drift.rank_before),
            f"{after[drift.feature]:.1f}",
            Text(str(drift.rank_after), style="red" if moved else ""),
            f"{drift.share_change:+.0%}",
        )
    return table


def _values(analysis: dict[str, Any]) -> dict[str, float]:
    (label,) = analysis["explanations"]["kernel_shap"].values()
    return dict(label["global_shap_values"])


def _missing_scores(story: DayStory, ledger: Any) -> list[str]:
    """Return the days whose NDCG is not where it was promised to be."""
    bounds = {entry["start"]: entry["ndcg"] for entry in story.promised["verdicts"]}
    problems = []
    for row in ledger.iter_rows(named=True):
        day = f"{row['window_start']:%Y-%m-%dT%H:%M:%SZ}"
        score = {metric["name"]: metric["value"] for metric in row["metrics"] or ()}.get("ndcg")
        lowest, highest = bounds[day]
        if score is None or not lowest <= score <= highest + 1e-9:
            problems.append(f"{day}: an NDCG between {lowest} and {highest}, but it is {score}")
    return problems
