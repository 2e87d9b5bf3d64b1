"""What a scene plays on: the sandbox, a real Airflow, and a display."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.demo.airflow_client import DagRun
from sandbox.demo.airflow_settings import AirflowSettings, clean_environment
from sandbox.demo.airflow_stack import AirflowStack
from sandbox.demo.metadata_database import MetadataDatabase
from sandbox.demo.process_table import ProcessTable
from sandbox.demo.progress_display import ProgressDisplay

READY_TIMEOUT_SECONDS = 90.0
POLL_SECONDS = 2.0


class SceneFailedError(RuntimeError):
    """A scene could not be played to its end; the message says what stood in the way."""


@dataclass
class Stage:
    """Everything a scene may use. ``moment`` is the demo's present, by which all its times are reckoned."""

    repository: Path
    folder: Path
    processes: ProcessTable
    display: ProgressDisplay
    database_name: str
    moment: datetime
    sandbox_url: str = ""
    aws: dict[str, str] = field(default_factory=dict)
    _airflow: AirflowStack | None = None
    _commands: int = 0

    @property
    def airflow(self) -> AirflowStack:
        """The scene's Airflow; SceneFailedError before ``prepare_airflow``."""
        if self._airflow is None:
            message = "Airflow has not been prepared"
            raise SceneFailedError(message)
        return self._airflow

    def start_sandbox(self) -> None:
        """Start the emulated AWS and wait until it answers."""
        ready_file = self.folder / "sandbox-ready.json"
        command = [str(self.sandbox_python), "-m", "sandbox", "serve", "--port", "0", "--ready-file", str(ready_file)]
        session = self.processes.start("sandbox", command, clean_environment(), stop_order=2)
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not ready_file.exists():
            session.require_running()
            if time.monotonic() > deadline:
                message = f"the sandbox was not ready after {READY_TIMEOUT_SECONDS:.0f} s; see {session.log_file}"
                raise SceneFailedError(message)
            time.sleep(0.1)
        self.sandbox_url = json.loads(ready_file.read_text())["url"]
        self.aws = {
            "AWS_ENDPOINT_URL": self.sandbox_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def sandbox_command(self, *arguments: str, timeout: float = 300.0) -> Any:
        """Run ``python -m sandbox ARGUMENTS`` and return the JSON document that it prints."""
        self._commands += 1
        name = f"sandbox-{arguments[0]}-{self._commands}"
        output = self.folder / "processes" / f"{name}.json"
        command = [str(self.sandbox_python), "-m", "sandbox", *arguments]
        self.processes.run(name, command, clean_environment(self.aws), timeout, output=output)
        return json.loads(output.read_text())

    def prepare_airflow(self, *, by_schedule: bool = False) -> None:
        """Begin to make Airflow's database; ``start_airflow`` waits for that. ``by_schedule``: see the settings."""
        home = self.folder / "airflow"
        home.mkdir(parents=True, exist_ok=True)
        folders = self.repository / "dags", self.repository / "plugins"
        settings = AirflowSettings.with_free_ports(home, *folders, by_schedule=by_schedule)
        if self.database_name == "postgres":
            database = MetadataDatabase.postgres(
                self.processes, self.repository / ".venv-postgres", clean_environment()
            )
        else:
            database = MetadataDatabase.sqlite(home)
        self._airflow = AirflowStack(self.processes, settings, database).prepare()

    def start_airflow(self, values: Mapping[str, str]) -> None:
        """Start Airflow, whose processes get ``values`` in their environment; it may not answer yet."""
        self.airflow.start({**self.aws, "AIRFLOW_CONN_AWS_DEFAULT": "aws://", **values})

    def finish_runs(self, title: str, runs: Sequence[DagRun]) -> list[DagRun]:
        """Wait until no run of these runs' DAG is unfinished, and return them as they ended."""
        (dag_id,) = {run.dag_id for run in runs}
        with self.display.step(title, total=len(runs)) as advance:
            while left := self.airflow.client.unfinished_count(dag_id):
                self.processes.require_running()
                advance(max(0, len(runs) - left), "")
                time.sleep(POLL_SECONDS)
            wanted = {run.run_id for run in runs}
            ended = [run for run in self.airflow.client.runs(dag_id) if run.run_id in wanted]
            failed = sum(run.state == "failed" for run in ended)
            advance(len(ended), f"{len(ended)} run{'s' * (len(ended) > 1)}" + (f", {failed} failed" if failed else ""))
        return ended

    @property
    def sandbox_python(self) -> Path:
        """The interpreter of the sandbox's own environment."""
        return self.repository / ".venv-sandbox" / "bin" / "python"
