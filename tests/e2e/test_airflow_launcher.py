"""The demo's launcher around a real Airflow with a DAG of its own: start, backfill, stop, nothing left running."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from sandbox.demo.airflow_client import FINISHED
from sandbox.demo.airflow_settings import AirflowSettings
from sandbox.demo.airflow_stack import AirflowStack
from sandbox.demo.metadata_database import MetadataDatabase
from sandbox.demo.process_table import ProcessTable

REPOSITORY = Path(__file__).parents[2]

HOURLY_DAG = """
from datetime import datetime, timezone

from airflow.sdk import dag, get_current_context, task
from airflow.timetables.interval import CronDataIntervalTimetable


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=4,
)
def every_hour():
    @task
    def names():
        return ["a", "b"]

    @task
    def window(name):
        context = get_current_context()
        return f"{name} {context['data_interval_start']} {context['params'].get('act')}"

    window.expand(name=names())


every_hour()
"""


def marked_processes(marker: str) -> list[int]:
    """Return the processes that have ``marker`` in their command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if marker in " ".join(process.cmdline()) or marker in "".join(process.environ().values()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.mark.airflow
def test_a_backfill_runs_in_a_real_airflow_and_nothing_is_left_running(tmp_path: Path) -> None:
    home = tmp_path / "a home" / "airflow"
    dags = tmp_path / "a home" / "dags"
    dags.mkdir(parents=True)
    (dags / "every_hour.py").write_text(HOURLY_DAG)
    settings = AirflowSettings.with_free_ports(home, dags, REPOSITORY / "plugins")
    with ProcessTable(REPOSITORY, home / "processes") as processes:
        stack = AirflowStack(processes, settings, MetadataDatabase.sqlite(home)).start({})
        stack.wait_until_healthy()
        stack.client.wait_for_dag("every_hour", 60, processes.require_running)
        first, last = datetime(2026, 1, 5, 3, tzinfo=UTC), datetime(2026, 1, 5, 6, tzinfo=UTC)
        runs = stack.client.backfill("every_hour", first, last, max_active_runs=4, conf={"act": True})
        wanted = {run.run_id for run in runs}
        deadline = time.monotonic() + 90
        while not all(run.state in FINISHED for run in runs) and time.monotonic() < deadline:
            processes.require_running()
            time.sleep(0.5)
            runs = [run for run in stack.client.runs("every_hour") if run.run_id in wanted]
        assert [run.state for run in runs] == ["success"] * 4
        assert [run.logical_date for run in runs] == [f"2026-01-05T0{hour}:00:00Z" for hour in (3, 4, 5, 6)]
        assert stack.client.failed_tasks(runs[0]) == []
        assert marked_processes(str(home))
    assert marked_processes(str(home)) == []
