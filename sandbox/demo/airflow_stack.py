"""A real Airflow: database, scheduler, DAG processor, triggerer and two API servers, each its own process."""

import sys
import time
from collections.abc import Mapping
from typing import Self

import httpx

from sandbox.demo.airflow_client import AirflowClient
from sandbox.demo.airflow_settings import AirflowSettings
from sandbox.demo.loopback_port import LOOPBACK
from sandbox.demo.metadata_database import MetadataDatabase
from sandbox.demo.process_session import ProcessSession
from sandbox.demo.process_table import ProcessTable

COMPONENTS = ("scheduler", "triggerer", "dag_processor")
START_TIMEOUT_SECONDS = 180.0
MIGRATION_TIMEOUT_SECONDS = 120.0
# Running as a module, not as the `airflow` script: a script's first line cannot name a path with spaces.
AIRFLOW = (sys.executable, "-m", "airflow")
# The API server reads the logs of this machine's tasks from their files: nobody needs the log servers, which would
# listen on every address.
NO_LOG_SERVER = "--skip-serve-logs"


class AirflowStack:
    """The Airflow processes of one demo; ``client`` speaks to their REST API."""

    def __init__(self, processes: ProcessTable, settings: AirflowSettings, database: MetadataDatabase) -> None:
        self.settings = settings
        self.client = AirflowClient(settings.url)
        self._processes = processes
        self._database = database
        self._migration: ProcessSession | None = None
        processes.on_stop(self.client.close)

    def prepare(self) -> Self:
        """Begin to make the database's tables, beside whatever else there is to do before ``start``."""
        environment = self.settings.environment(self._database, {})
        self._migration = self._processes.start("airflow-db", [*AIRFLOW, "db", "migrate"], environment)
        return self

    def start(self, values: Mapping[str, str]) -> Self:
        """Start every process with ``values`` in its environment; return at once, before they answer."""
        if self._migration is None:
            self.prepare()
        if self._migration is not None:
            self._migration.wait(MIGRATION_TIMEOUT_SECONDS)
            self._processes.stop(self._migration)
        environment = self.settings.environment(self._database, values)
        ui, execution = str(self.settings.ui_port), str(self.settings.execution_port)
        api_servers = {
            "airflow-api-execution": ["--apps", "execution", "--host", LOOPBACK, "--port", execution],
            "airflow-api-core": ["--apps", "core", "--host", LOOPBACK, "--port", ui],
        }
        others = {
            "airflow-dag-processor": [*AIRFLOW, "dag-processor"],
            "airflow-triggerer": [*AIRFLOW, "triggerer", NO_LOG_SERVER],
            "airflow-scheduler": [sys.executable, "-m", "sandbox.demo.warm_scheduler", NO_LOG_SERVER],
        }
        for name, options in api_servers.items():
            # A stopping scheduler waits for its tasks, and those need an API server to report to.
            self._processes.start(name, [*AIRFLOW, "api-server", *options], environment, stop_order=1)
        for name, command in others.items():
            self._processes.start(name, command, environment)
        return self

    def wait_until_healthy(self) -> None:
        """Return once every component is up; ProcessEndedError or TimeoutError, naming it, when one is not."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        waiting: tuple[str, ...] = ("the API servers",)
        while waiting:
            self._processes.require_running()
            if time.monotonic() > deadline:
                message = f"Airflow was not up after {START_TIMEOUT_SECONDS:.0f} s; waited for {', '.join(waiting)}"
                raise TimeoutError(message)
            time.sleep(0.3)
            waiting = self._unhealthy()

    def _unhealthy(self) -> tuple[str, ...]:
        try:
            health = self.client.health()
            httpx.get(f"http://{LOOPBACK}:{self.settings.execution_port}/execution/health", trust_env=False)
        except httpx.HTTPError:
            return ("the API servers",)
        return tuple(name for name in COMPONENTS if (health.get(name) or {}).get("status") != "healthy")
