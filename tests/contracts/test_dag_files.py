"""Every DAG file: parsed fast, with the network shut, and with everything that the UI shows."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests import airflow_home

FILES = sorted((airflow_home.REPOSITORY / "dags").glob("*.py"))
# Parses in a process of its own, in which any connection is an error, and says what it took.
PARSE = """
import json, socket, sys, time
import airflow.sdk, airflow.providers.amazon.aws.hooks.base_aws
from airflow.dag_processing.dagbag import DagBag

def refuse(*_arguments, **_named):
    raise AssertionError("parsing a DAG file opened a connection")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
started = time.process_time()
bag = DagBag(sys.argv[1], collect_dags=True)
seconds = time.process_time() - started
heavy = [name for name in ("numpy", "polars", "pandas", "msgspec") if name in sys.modules]
print(json.dumps({"errors": {k: str(v) for k, v in bag.import_errors.items()}, "dags": sorted(bag.dags),
                  "seconds": seconds, "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def parsed():
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(airflow_home.REPOSITORY / "dags")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(airflow_home.REPOSITORY / "plugins")},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def dags():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(airflow_home.REPOSITORY / "dags").dags


def test_all_dags_are_parsed_in_under_a_second_with_the_network_shut(parsed):
    assert parsed["errors"] == {}
    assert parsed["dags"] == [
        "baseline",
        "ground_truth",
        "housekeeping",
        "infrastructure",
        "model_quality",
        "monitor_daily",
        "monitor_hourly",
        "platform_events",
        "remediate",
        "retrain",
        "roll_back",
        "silence",
    ]
    assert parsed["seconds"] < 1.0


def test_parsing_does_not_import_what_only_an_analysis_needs(parsed):
    assert set(parsed["heavy"]) <= {"msgspec"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_dag_file_is_short_and_holds_the_words_that_the_parser_looks_for(path: Path):
    text = path.read_bytes().lower()
    assert b"airflow" in text
    assert b"dag" in text
    assert len(path.read_text().splitlines()) < 60


def test_every_dag_tells_people_what_it_is(dags):
    for dag in dags.values():
        assert str(dag.doc_md).startswith("###"), dag.dag_id
        assert {"watchkeeper", "monitoring"} <= dag.tags
        assert dag.catchup is False


def test_params_have_schemas_that_take_their_defaults_and_refuse_nonsense(dags):
    from airflow.sdk.exceptions import ParamValidationError

    for dag in dags.values():
        dag.params.validate()
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.description, (dag.dag_id, name)
            with pytest.raises(ParamValidationError):
                param.resolve({"non": "sense"})
    hourly = dags["monitor_hourly"].params
    for good in ("2026-11-20T05:00:00Z", None):
        hourly.get_param("window_start").resolve(good)


def test_every_task_is_retried_timed_and_mapped_ones_are_named(dags):
    for dag in dags.values():
        for task in dag.tasks:
            assert task.retries >= 2, task.task_id
            # A sensor waits for a week unless told otherwise: longer than the run may take.
            # A person is given days.
            limit = task.execution_timeout or getattr(task, "response_timeout", None) or timedelta(seconds=task.timeout)
            assert timedelta(0) < limit < dag.dagrun_timeout, task.task_id
            assert task.pool == "default_pool"
        mapped = [task for task in dag.tasks if task.is_mapped or task.get_closest_mapped_task_group() is not None]
        assert {task.map_index_template for task in mapped} == ({"{{ task.label }}"} if mapped else set())
    assert not [task for task in dags["roll_back"].tasks if task.is_mapped]
    without = {"housekeeping", "infrastructure", "remediate", "retrain", "roll_back", "silence"}
    for dag_id in dags.keys() - without:
        assert sum(task.is_mapped for task in dags[dag_id].tasks) == 1, dag_id


def test_a_monitoring_dag_is_few_fat_tasks_in_a_row(dags):
    for dag_id in ("monitor_hourly", "monitor_daily"):
        names = [task.task_id for task in dags[dag_id].topological_sort()]
        assert names == ["due_endpoints", "settle", "analyze", "report", "verify"]
        rules = {task.task_id: task.trigger_rule.value for task in dags[dag_id].tasks}
        assert rules["report"] == rules["verify"] == "all_done"
        assert rules["analyze"] == "all_success"


def test_a_pool_is_taken_from_the_environment(monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("WATCHKEEPER_POOL", "watchkeeper")
    dag = DagBag(airflow_home.REPOSITORY / "dags" / "monitor_hourly.py").dags["monitor_hourly"]
    assert {task.task_id: task.pool for task in dag.tasks} == {
        "due_endpoints": "default_pool",
        "settle": "default_pool",
        "analyze": "watchkeeper",
        "report": "default_pool",
        "verify": "default_pool",
    }


def test_parsing_twice_gives_the_same_dag(dags):
    """Anything that comes from the clock would make a new DAG version at every parse."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagBag(airflow_home.REPOSITORY / "dags").dags
    for dag_id, dag in dags.items():
        assert DagSerialization.serialize_dag(dag) == DagSerialization.serialize_dag(again[dag_id])
