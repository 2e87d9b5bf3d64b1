"""docs/cloudwatch.md tells of every operator and hook method there is, and its DAG is one."""

import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.event_rule_hook import EventRuleHook
from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.operators.awaited_run import AwaitedRunOperator
from watchkeeper.operators.service_base import ServiceOperator

PAGE = (Path(__file__).parents[2] / "docs" / "cloudwatch.md").read_text(encoding="utf-8")


def service_operators():
    import watchkeeper.operators

    for module in pkgutil.iter_modules(watchkeeper.operators.__path__, "watchkeeper.operators."):
        for name, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            own = item.__module__ == module.name and item not in {ServiceOperator, AwaitedRunOperator}
            if own and issubclass(item, ServiceOperator):
                yield name, module.name.rpartition(".")[2]


def test_the_table_names_every_operator_and_its_module() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
    others = {("CloudWatchAlarmStateSensor", "wait_for_alarm"), ("ScanEndpointLogsOperator", "scan_endpoint_logs")}
    assert rows == set(service_operators()) | others
    for name, module in others:
        assert hasattr(importlib.import_module(f"watchkeeper.operators.{module}"), name)


@pytest.mark.parametrize("hook", [CloudWatchHook, EventRuleHook, LogsHook])
def test_the_hooks_methods_that_the_page_names_exist(hook: type) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{hook.__name__}` |"))
    named = set(re.findall(r"`([a-z_]+)`", row))
    assert named
    assert {name for name in named if not hasattr(hook, name)} == set()


def test_the_pages_dag_is_parsed_by_airflow(tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    end = PAGE.index("`airflow backfill create --dag-id endpoint_logs")
    block = PAGE[PAGE.index("    # dags/endpoint_logs.py") : end]
    (tmp_path / "endpoint_logs.py").write_text(textwrap.dedent(block), encoding="utf-8")
    bag = DagBag(tmp_path)
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert [type(task).__name__ for task in dag.tasks] == ["ScanEndpointLogsOperator"]
