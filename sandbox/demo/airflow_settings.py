"""The environment that the demo's Airflow processes get."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.demo.loopback_port import LOOPBACK, free_port
from sandbox.demo.metadata_database import MetadataDatabase

# What the caller's shell may hold of these would make one demo differ from another.
DROPPED_PREFIXES = ("AIRFLOW", "AWS_", "WATCHKEEPER_")
DROPPED = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME"}
PREFERRED_UI_PORT = 8080


def clean_environment(values: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the caller's environment without what concerns Python, Airflow, AWS or us, and with no proxy for loopback.

    PYTHONDONTWRITEBYTECODE goes too: without compiled files each Airflow process costs three seconds more.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in DROPPED and not name.startswith(DROPPED_PREFIXES)
    }
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [environment.get(name), LOOPBACK, "localhost"]))
    return environment | dict(values or {})


@dataclass(frozen=True)
class AirflowSettings:
    """Where an Airflow lives and what it runs."""

    home: Path
    dags_folder: Path
    plugins_folder: Path
    ui_port: int
    execution_port: int
    parallelism: int = 4
    by_schedule: bool = False
    """Whether DAGs run by their schedules, the clock's and the assets'; else only as the scene has them run."""

    @classmethod
    def with_free_ports(
        cls, home: Path, dags_folder: Path, plugins_folder: Path, *, by_schedule: bool = False
    ) -> "AirflowSettings":
        """Return settings with the UI on port 8080, where that is free, and everything else on any free port."""
        ports = free_port(PREFERRED_UI_PORT), free_port()
        return cls(home, dags_folder, plugins_folder, *ports, by_schedule=by_schedule)

    @property
    def url(self) -> str:
        """The address of the Airflow UI."""
        return f"http://{LOOPBACK}:{self.ui_port}"

    def environment(self, database: MetadataDatabase, values: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of every Airflow process; ``values`` are added to it."""
        sections: dict[str, dict[str, object]] = {
            "CORE": {
                "DAGS_FOLDER": self.dags_folder,
                "PLUGINS_FOLDER": self.plugins_folder,
                "LOAD_EXAMPLES": False,
                "EXECUTOR": "LocalExecutor",
                "PARALLELISM": self.parallelism,
                "MAX_ACTIVE_TASKS_PER_DAG": self.parallelism,
                # Everyone who reaches the loopback address is an admin: there is nothing to log in for.
                "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
                # On SQLite one API server for both apps locks up: an audited request blocks its event loop while a
                # task's request, on the same loop, holds the write lock. Hence two processes.
                "EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{self.execution_port}/execution/",
            },
            "DATABASE": {"SQL_ALCHEMY_CONN": database.url, "SQL_ALCHEMY_CONN_ASYNC": database.async_url},
            "API": {"HOST": LOOPBACK, "PORT": self.ui_port, "BASE_URL": self.url, "SECRET_KEY": secrets.token_hex(32)},
            "API_AUTH": {"JWT_SECRET": secrets.token_hex(64)},
            "SCHEDULER": {
                "SCHEDULER_IDLE_SLEEP_TIME": 0.2,
                "ENABLE_HEALTH_CHECK": False,
                # A scene that decides which windows are run has no use for the clock's runs beside them.
                "USE_JOB_SCHEDULE": self.by_schedule,
            },
            # A supervisor that misses its task's exit by a moment waits one heartbeat (5 s by default) to notice.
            "WORKERS": {"EXECUTION_API_TIMEOUT": 60, "MIN_HEARTBEAT_INTERVAL": 1},
            "DAG_PROCESSOR": {"PARSING_PROCESSES": 1, "MIN_FILE_PROCESS_INTERVAL": 120, "REFRESH_INTERVAL": 120},
            "LOGGING": {"BASE_LOG_FOLDER": self.home / "logs"},
            "USAGE_DATA_COLLECTION": {"ENABLED": False},
        }
        environment = clean_environment(values)
        environment["AIRFLOW_HOME"] = str(self.home)
        for section, options in sections.items():
            for option, value in options.items():
                environment[f"AIRFLOW__{section}__{option}"] = str(value)
        return environment
