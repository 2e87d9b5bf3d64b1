"""What the scenes ``attribution`` and ``bias`` have in common: one endpoint, some days, each judged as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from botocore.exceptions import ClientError
from rich.console import Console

from sandbox.demo.airflow_client import DagRun
from sandbox.demo.delivered_results import DeliveredMessage, DeliveredResults
from sandbox.demo.stage import SceneFailedError, Stage
from sandbox.demo.verdict_check import ExpectedWindow, missing_verdicts

BUCKET = "watchkeeper"
PREFIX = "watchkeeper"
REPORT = "report.html"


def judged(ledger: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the days that were judged: only they have documents."""
    return ledger.filter(pl.col("verdict").is_in(["ok", "violated"])).to_dicts()


@dataclass
class DayStory:
    """A scene of whole days as it is played: its stage, what was promised of it, and how to read what came of it."""

    stage: Stage
    scene: str
    monitor: str
    dags: Sequence[str]
    results: DeliveredResults
    promised: dict[str, Any]
    queue_url: str

    @classmethod
    def set_out(cls, stage: Stage, scene: str, monitor: str, dags: Sequence[str]) -> "DayStory":
        """Start sandbox and Airflow, deploy the scene's model, and make the monitor's baseline."""
        given = ("--scene", scene, "--before", stage.moment.isoformat())
        with stage.display.step("Starting the sandbox: an emulated AWS") as advance:
            stage.prepare_airflow()
            stage.start_sandbox()
            advance(1, stage.sandbox_url)
        with stage.display.step("Training a model and deploying it behind an endpoint") as advance:
            deployed = stage.sandbox_command("deploy", *given, "--json")
            advance(
                1, ", ".join(f"{one['endpoint']} (baseline of {one['rows']} rows)" for one in deployed["endpoints"])
            )
        with stage.display.step("Starting Airflow") as advance:
            stage.start_airflow(
                {
                    "WATCHKEEPER_BUCKET": BUCKET,
                    "WATCHKEEPER_PREFIX": PREFIX,
                    "WATCHKEEPER_ENDPOINTS": str(stage.repository / "sandbox" / "endpoints" / scene),
                    "WATCHKEEPER_TOPIC_ARN": deployed["topic_arn"],
                }
            )
            advance(1, stage.airflow.settings.url)
        promised = stage.sandbox_command("expected", *given)
        return cls(stage, scene, monitor, dags, DeliveredResults(stage.aws), promised, deployed["queue_url"])

    def make_baseline(self) -> None:
        """Wait until Airflow is up, let the scene's DAGs run, and make the baseline."""
        client = self.stage.airflow.client
        with self.stage.display.step("Waiting for Airflow's processes"):
            self.stage.airflow.wait_until_healthy()
            for dag_id in self.dags:
                client.wait_for_dag(dag_id, timeout=60, pulse=self.stage.processes.require_running)
                client.pause(dag_id, paused=False)
        self.finish("Making the baseline (DAG baseline)", client.trigger("baseline"))

    def command(self, title: str, name: str, *options: str) -> None:
        """Run one of the sandbox's commands for this scene."""
        with self.stage.display.step(title) as advance:
            given = ("--scene", self.scene, "--before", self.stage.moment.isoformat(), "--json")
            summary = self.stage.sandbox_command(name, *given, *options)
            told = [f"{one}: {facts['rows']} rows" for one, facts in summary.get("endpoints", {}).items()]
            advance(1, ", ".join(told))

    def finish(self, title: str, *runs: DagRun) -> None:
        """Wait for the runs; SceneFailedError, naming the tasks, where one has failed."""
        for run in self.stage.finish_runs(title, runs):
            if run.state != "success":
                tasks = ", ".join(self.stage.airflow.client.failed_tasks(run)) or "no task"
                message = f"the run {run.run_id} of {run.dag_id} failed in {tasks}"
                raise SceneFailedError(message)

    @property
    def days(self) -> list[ExpectedWindow]:
        """The days and what was promised of each."""
        return ExpectedWindow.read(self.promised)

    def ledger(self) -> pl.DataFrame:
        """Return the newest verdict of each day, in order of time."""
        start, end = (datetime.fromisoformat(self.promised["span"][name]) for name in ("start", "end"))
        return self.results.ledger(BUCKET, PREFIX, self.monitor, start, end).sort("window_start")

    def analysis_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``analysis.json`` of a day."""
        return self.results.document(f"{row['report_uri']}analysis.json")

    def baseline_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``analysis.json`` of the baseline that a day was judged by."""
        folder = f"s3://{BUCKET}/{PREFIX}/baselines/{row['endpoint']}/{self.monitor}/{row['baseline_version']}"
        return self.results.document(f"{folder}/analysis.json")

    def keep_reports(self, ledger: pl.DataFrame, console: Console) -> list[str]:
        """Copy each judged day's page into the demo's folder and tell where both lie; return those that are missing."""
        folder = self.stage.folder / "reports"
        folder.mkdir(exist_ok=True)
        problems = []
        for row in judged(ledger):
            uri = f"{row['report_uri']}{REPORT}"
            copy = folder / f"{row['endpoint']}-{self.monitor}-{row['window_start']:%Y-%m-%d}.html"
            try:
                copy.write_bytes(self.results.body(uri))
            except ClientError as error:
                problems.append(
                    f"{row['window_start']:%Y-%m-%d}: no report at {uri} ({error.response['Error']['Code']})"
                )
                continue
            console.print(f"Report of {row['window_start']:%A}: {uri}\n  copy: {copy}", highlight=False, soft_wrap=True)
        for dag_id in self.dags:
            console.print(f"{self.stage.airflow.settings.url}/dags/{dag_id}", highlight=False)
        return problems

    def missing(self, ledger: pl.DataFrame, messages: Sequence[DeliveredMessage]) -> list[str]:
        """Return what was promised of the days and did not come: verdicts, findings, an alert of what is violated."""
        violated = {day.identity[0] for day in self.days if day.verdict == "violated"}
        told = {one.attributes.get("endpoint") for one in messages if one.attributes.get("kind") == "alert"}
        silent = [f"{endpoint}: no SNS message about its violated day" for endpoint in sorted(violated - told)]
        return missing_verdicts(self.days, ledger) + silent
