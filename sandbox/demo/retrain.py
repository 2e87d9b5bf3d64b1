"""The scene ``retrain``: labels come late, a model's quality falls, a challenger is promoted and another rejected."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.demo.airflow_client import DagRun
from sandbox.demo.delivered_results import DeliveredResults
from sandbox.demo.quality_tables import attempt_table, revision_table
from sandbox.demo.result_tables import message_table, table_console
from sandbox.demo.stage import SceneFailedError, Stage

BUCKET = "watchkeeper"
PREFIX = "watchkeeper"
ENDPOINT = "flights-delay"
MONITOR = "model_quality"
ALARM = "flights-delay-model-errors"
DAGS = ("baseline", "ground_truth", "model_quality", "retrain")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PATIENCE_SECONDS = 180.0
_LOOK_SECONDS = 1.0
_READING_SECONDS = 10.0


@dataclass
class Story:
    """The scene as it is played: its stage, its span, and what was promised of it."""

    stage: Stage
    results: DeliveredResults
    start: datetime
    end: datetime
    promised: dict[str, Any]
    queue_url: str
    asked: dict[str, float] = field(default_factory=dict)

    def replay(self, until: datetime, title: str) -> None:
        """Go on with the traffic, and whichever model is in service, up to a moment; no labels yet."""
        with self.stage.display.step(title) as advance:
            given = ("--before", self.stage.moment.isoformat(), "--until", until.isoformat())
            replayed = self.stage.sandbox_command(
                "replay", "--scene", "retrain", "--json", "--without-labels", "--live", "0", *given
            )
            rows = ", ".join(f"{name}: {facts['rows']} rows" for name, facts in replayed["endpoints"].items())
            advance(1, rows)

    def labels(self, until: datetime, title: str) -> None:
        """Deliver the labels that were collected by a moment, join them, and judge what they make ripe."""
        given = ("--before", self.stage.moment.isoformat(), "--until", until.isoformat())
        with self.stage.display.step(f"{title}: delivering them") as advance:
            self.stage.sandbox_command("labels", "--scene", "retrain", "--json", *given)
            advance(1, f"all that was collected by {until:%a %H:%M}")
        client = self.stage.airflow.client
        runs = self.stage.finish_runs(f"{title}: joining them (DAG ground_truth)", [client.trigger("ground_truth")])
        # model_quality is rung by the merged hours; it is also triggered here, so that this waits for one surely.
        runs += self.stage.finish_runs(f"{title}: judging (DAG model_quality)", [client.trigger("model_quality")])
        _require_success(self.stage, runs)

    def wait_for(self, title: str, ready: Callable[[], str | None]) -> None:
        """Wait until something has come about; ``ready`` returns what, or ``None`` as long as it has not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self.stage.display.step(title) as advance:
            while (found := ready()) is None:
                self.stage.processes.require_running()
                if time.monotonic() > deadline:
                    message = f"{title}: nothing came of it in {PATIENCE_SECONDS:.0f} s"
                    raise SceneFailedError(message)
                time.sleep(_LOOK_SECONDS)
            advance(1, found)

    def attempt_in(self, *states: str, number: int) -> Callable[[], str | None]:
        """Return a look at whether an attempt, by its number, has come into one of some states."""

        def look() -> str | None:
            attempts = self.results.attempts(BUCKET, PREFIX, ENDPOINT)
            if len(attempts) <= number:
                return None
            record = attempts[number]
            return f"{record.state}: {record.history[-1].why}" if record.state in states else None

        return look

    def approve(self) -> str | None:
        """Answer the question that waits for a person, as one would in Airflow's UI; ``None`` while there is none.

        Not at once: Airflow 3.3.1 can fail a task that is answered before the scheduler has seen it wait.
        """
        client = self.stage.airflow.client
        for question in client.waiting_approvals("retrain"):
            asked = self.asked.setdefault(str(question["task_instance"]["id"]), time.monotonic())
            if time.monotonic() - asked >= _READING_SECONDS:
                client.approve(question)
                return str(question["subject"])
        return None


def play(stage: Stage) -> list[str]:
    """Play the scene, print what came of it, and return what was expected and did not come."""
    story = _set_out(stage)
    client = stage.airflow.client
    for dag_id in DAGS:
        client.pause(dag_id, paused=False)
    _require_success(stage, stage.finish_runs("Making the baseline (DAG baseline)", [client.trigger("baseline")]))
    change = story.start + 3 * DAY
    story.replay(change, "Replaying three days in December past a model of September")
    story.labels(story.start + 26 * HOUR, "The first labels")
    story.labels(change + 10 * HOUR, "Labels of all three days")
    story.wait_for(
        "Retraining by policy (DAG retrain): training and comparing a challenger",
        lambda: story.approve() or _ended_early(story.attempt_in("rejected", "failed", number=0)()),
    )
    story.wait_for("A person has approved: promoting, verifying", story.attempt_in("promoted", "failed", number=0))
    _finish(stage, "Making the new model's baseline")
    story.replay(story.end, "Replaying the next three days past the new model")
    story.labels(change + 14 * HOUR, "Their first labels")
    story.labels(story.end + 48 * HOUR, "The others, and the late ones of before")
    hasty = next(one for one in story.promised["retrainings"] if one["outcome"] == "loses")
    conf = {
        "endpoints": [ENDPOINT],
        "force": True,
        "training_start": hasty["training_window"]["start"],
        "training_end": hasty["training_window"]["end"],
        "evaluation_start": hasty["judged_window"]["start"],
        "evaluation_end": hasty["judged_window"]["end"],
    }
    client.trigger("retrain", conf)
    story.wait_for(
        "A hasty retraining by hand, on one snowy evening (DAG retrain)",
        story.attempt_in("rejected", "failed", "promoted", number=1),
    )
    _finish(stage, "Closing the last run")
    return _report(story)


def _set_out(stage: Stage) -> Story:
    before = stage.moment.isoformat()
    with stage.display.step("Starting the sandbox: an emulated AWS") as advance:
        stage.prepare_airflow(by_schedule=True)  # here the assets ring
        stage.start_sandbox()
        advance(1, stage.sandbox_url)
    with stage.display.step("Training the champion on September and deploying it") as advance:
        deployed = stage.sandbox_command("deploy", "--scene", "retrain", "--json", "--before", before)
        advance(1, ", ".join(f"{one['endpoint']} (baseline of {one['rows']} rows)" for one in deployed["endpoints"]))
    results = DeliveredResults(stage.aws)
    results.put_alarm(ALARM, ENDPOINT)
    with stage.display.step("Starting Airflow") as advance:
        stage.start_airflow(
            {
                "WATCHKEEPER_BUCKET": BUCKET,
                "WATCHKEEPER_PREFIX": PREFIX,
                "WATCHKEEPER_ENDPOINTS": str(stage.repository / "sandbox" / "endpoints" / "retrain"),
                "WATCHKEEPER_TOPIC_ARN": deployed["topic_arn"],
            }
        )
        advance(1, stage.airflow.settings.url)
    promised = stage.sandbox_command("expected", "--scene", "retrain", "--before", before)
    start, end = (datetime.fromisoformat(promised["span"][name]) for name in ("start", "end"))
    with stage.display.step("Waiting for Airflow's processes"):
        stage.airflow.wait_until_healthy()
        for dag_id in DAGS:
            stage.airflow.client.wait_for_dag(dag_id, timeout=60, pulse=stage.processes.require_running)
    return Story(stage, results, start, end, promised, deployed["queue_url"])


def _finish(stage: Stage, title: str) -> None:
    """Wait until no run of the retraining is unfinished, and require that all of them went well."""
    client = stage.airflow.client
    known = [run for run in client.runs("retrain") if run.state not in {"success", "failed"}]
    if known:
        stage.finish_runs(title, known)
    _require_success(stage, client.runs("retrain"))


def _ended_early(ended: str | None) -> str | None:
    if ended is not None:
        message = f"the challenger was to win, and the attempt is {ended}"
        raise SceneFailedError(message)
    return None


def _require_success(stage: Stage, runs: Sequence[DagRun]) -> None:
    for run in runs:
        if run.state == "failed":
            tasks = ", ".join(stage.airflow.client.failed_tasks(run)) or "no task"
            message = f"the run {run.run_id} of {run.dag_id} failed in {tasks}"
            raise SceneFailedError(message)


def _report(story: Story) -> list[str]:
    with story.stage.display.step("Reading ledger, attempts, messages and registry back"):
        ledger = story.results.ledger(BUCKET, PREFIX, MONITOR, story.start, story.end, every_revision=True)
        attempts = story.results.attempts(BUCKET, PREFIX, ENDPOINT)
        evidence = [story.results.document(one.evidence_uri) for one in attempts if one.evidence_uri]
        messages = story.results.messages(story.queue_url)
        endpoint = story.results.endpoint(ENDPOINT)
    console = table_console()
    for table in (revision_table(ledger), attempt_table(attempts, evidence), message_table(messages)):
        console.print(table)
        console.print()
    console.print(f"In service: {endpoint['EndpointConfigName']}", highlight=False)
    for arn, status in sorted(endpoint["Packages"].items()):
        console.print(f"Model package {arn.rpartition('/')[2]}: {status}", highlight=False)
    for dag_id in DAGS:
        console.print(f"{story.stage.airflow.settings.url}/dags/{dag_id}", highlight=False)
    return [*_missing_verdicts(story, ledger), *_missing_outcomes(attempts, endpoint)]


def _missing_verdicts(story: Story, ledger: Any) -> list[str]:
    """Return what the ledger lacks: pending first, violated before the promotion, ok after it, a restatement."""
    missing = []
    rows: dict[datetime, list[dict[str, Any]]] = {}
    for row in ledger.sort("revision").iter_rows(named=True):
        rows.setdefault(row["window_start"], []).append(row)
    promised = {(one["start"], one["model"]): one for one in story.promised["f1"]}
    for (start, model), bounds in sorted(promised.items()):
        moment = datetime.fromisoformat(start)
        day = f"{moment:%a %Y-%m-%d}"
        if model == "champion" and moment >= story.start + 3 * DAY:
            continue  # that is what it would have been: the challenger was in service by then
        found = rows.get(moment, [])
        if not found or found[0]["verdict"] != "labels_pending":
            missing.append(f"{day}: no labels_pending before its labels came")
        if not found:
            continue
        last = found[-1]
        wanted = "violated" if model == "champion" else "ok"
        f1 = {metric["name"]: metric["value"] for metric in last["metrics"] or ()}.get("f1")
        if last["verdict"] != wanted:
            missing.append(f"{day}: {wanted}, but it is {last['verdict']}: {last['reason']}")
        if f1 is None or not bounds["at_least"] <= f1 <= bounds["at_most"]:
            missing.append(f"{day}: an F1 between {bounds['at_least']} and {bounds['at_most']}, but it is {f1}")
    if not any(len(found) > 2 for found in rows.values()):
        missing.append("a window that late labels restated")
    return missing


def _missing_outcomes(attempts: Sequence[Any], endpoint: dict[str, Any]) -> list[str]:
    missing = []
    states = [one.state for one in attempts]
    if states != ["promoted", "rejected"]:
        missing.append(f"one attempt promoted and one rejected, but they are {states}")
    elif endpoint["EndpointConfigName"] != attempts[0].new_config:
        missing.append(f"configuration {attempts[0].new_config} in service, but it is {endpoint['EndpointConfigName']}")
    statuses = [endpoint["Packages"].get(one.model_package_arn) for one in attempts]
    if statuses != ["Approved", "Rejected"]:
        missing.append(f"model packages approved and rejected, but they are {statuses}")
    return missing
