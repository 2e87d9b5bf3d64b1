"""The scene ``data_quality``: two days of real traffic, judged hour by hour and day by day."""

from datetime import datetime, timedelta

from sandbox.demo.airflow_client import DagRun
from sandbox.demo.delivered_results import DeliveredMessage, DeliveredResults
from sandbox.demo.result_tables import message_table, metric_table, table_console, verdict_table
from sandbox.demo.stage import Stage
from sandbox.demo.verdict_check import ExpectedWindow, missing_verdicts

MONITOR = "data_quality"
BUCKET = "watchkeeper"
PREFIX = "watchkeeper"
DAGS = ("baseline", "monitor_hourly", "monitor_daily")
#: The last hours are played as if they were fresh, so that they alert; in time order, as fresh hours come.
ACTING_HOURS = 11
SIDE_BY_SIDE = 4
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def play(stage: Stage) -> list[str]:
    """Play the scene, print what came of it, and return what was expected and did not come."""
    display = stage.display
    before = stage.moment.isoformat()
    with display.step("Starting the sandbox: an emulated AWS") as advance:
        stage.prepare_airflow()
        stage.start_sandbox()
        advance(1, stage.sandbox_url)
    with display.step("Training two models and deploying them behind endpoints") as advance:
        deployed = stage.sandbox_command("deploy", "--json", "--before", before)
        advance(1, ", ".join(f"{one['endpoint']} (baseline of {one['rows']} rows)" for one in deployed["endpoints"]))
    with display.step("Starting Airflow") as advance:
        stage.start_airflow(
            {
                "WATCHKEEPER_BUCKET": BUCKET,
                "WATCHKEEPER_PREFIX": PREFIX,
                "WATCHKEEPER_ENDPOINTS": str(stage.repository / "sandbox" / "endpoints" / "data_quality"),
                "WATCHKEEPER_TOPIC_ARN": deployed["topic_arn"],
            }
        )
        advance(1, stage.airflow.settings.url)
    with display.step("Replaying two days of real traffic into the endpoints") as advance:
        replayed = stage.sandbox_command("replay", "--json", "--before", before)
        counts = [f"{name}: {facts['rows']} rows" for name, facts in replayed["endpoints"].items()]
        advance(1, ", ".join(counts))
    document = stage.sandbox_command("expected", "--before", before)
    expected = ExpectedWindow.read(document)
    start, end = (datetime.fromisoformat(document["span"][name]) for name in ("start", "end"))
    with display.step("Waiting for Airflow's processes"):
        stage.airflow.wait_until_healthy()
        for dag_id in DAGS:
            stage.airflow.client.wait_for_dag(dag_id, timeout=60, pulse=stage.processes.require_running)
    problems = _failed_runs(stage, _run_dags(stage, start, end))
    return problems + _report(stage, expected, start, end, deployed["queue_url"])


def _run_dags(stage: Stage, start: datetime, end: datetime) -> list[DagRun]:
    """Make the baselines, then judge every window: the first stretch silently, the last one alerting."""
    client = stage.airflow.client
    client.pause("baseline", paused=False)
    runs = stage.finish_runs("Making the baselines (DAG baseline)", [client.trigger("baseline")])
    fresh = end - ACTING_HOURS * HOUR
    acting = {"act": True}
    days = [start + number * DAY for number in range((end - start) // DAY)]
    silent = client.backfill("monitor_hourly", start, fresh - HOUR, SIDE_BY_SIDE)
    runs += stage.finish_runs("Judging hours long gone, which alert nobody (DAG monitor_hourly)", silent)
    first_days = client.backfill("monitor_daily", days[0], days[-2], SIDE_BY_SIDE)
    runs += stage.finish_runs("Judging the first day (DAG monitor_daily)", first_days)
    with stage.display.step("Waiting until Airflow closes that backfill, as it makes one of a DAG at a time"):
        alerting = client.backfill("monitor_hourly", fresh, end - HOUR, 1, acting)
    runs += stage.finish_runs("Judging the last hours as if they were fresh, so that they alert", alerting)
    last_day = client.backfill("monitor_daily", days[-1], days[-1], 1, acting)
    runs += stage.finish_runs("Judging the last day, alerting", last_day)
    return runs


def _failed_runs(stage: Stage, runs: list[DagRun]) -> list[str]:
    problems = []
    for run in runs:
        if run.state != "success":
            tasks = ", ".join(stage.airflow.client.failed_tasks(run)) or "no task"
            problems.append(f"the run {run.run_id} of {run.dag_id} failed in {tasks}")
    return problems


def _report(stage: Stage, expected: list[ExpectedWindow], start: datetime, end: datetime, queue_url: str) -> list[str]:
    with stage.display.step("Reading the ledger, the messages and the metrics back"):
        results = DeliveredResults(stage.aws)
        ledger = results.ledger(BUCKET, PREFIX, MONITOR, start, end)
        messages = results.messages(queue_url)
        series = results.metrics("Watchkeeper", start, end)
    console = table_console()
    for table in (verdict_table(ledger, expected), message_table(messages), metric_table(series)):
        console.print(table)
        console.print()
    violated = len(_alerting(expected, end - ACTING_HOURS * HOUR))
    told = sum(message.attributes.get("kind") == "alert" for message in messages)
    console.print(
        f"{violated} windows were violated in the {ACTING_HOURS} alerting hours and their day, and {told} of them "
        "alerted: what an earlier message has told is not told again. All older windows were recorded silently.",
        soft_wrap=True,
    )
    url = stage.airflow.settings.url
    for dag_id in DAGS:
        console.print(f"{url}/dags/{dag_id}", highlight=False)
    problems = missing_verdicts(expected, ledger)
    if not series:
        problems.append("CloudWatch holds no metric of Watchkeeper")
    return problems + _missing_messages(expected, messages, end - ACTING_HOURS * HOUR)


def _missing_messages(expected: list[ExpectedWindow], messages: list[DeliveredMessage], fresh: datetime) -> list[str]:
    """Return the endpoints that were violated in the alerting hours and of which no message came."""
    alerted = {message.attributes.get("endpoint", "") for message in messages}
    violated = {window.identity[0] for window in _alerting(expected, fresh)}
    return [f"{endpoint}: no SNS message about its violated windows" for endpoint in sorted(violated - alerted)]


def _alerting(expected: list[ExpectedWindow], fresh: datetime) -> list[ExpectedWindow]:
    """Return the violated windows that were played as if they were fresh: hours since then, and the last day."""
    return [
        window
        for window in expected
        if window.verdict == "violated" and (window.identity[3] >= fresh or window.identity[4] > fresh)
    ]
