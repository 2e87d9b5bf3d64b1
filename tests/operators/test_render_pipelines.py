"""Rendering pipelines in an environment that has the SageMaker SDK: what is chosen, and what the DAG is then."""

import sys
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from tests import airflow_home
from tests.operators.conftest import context
from tests.sandbox_process import ROOT
from watchkeeper.operators.choose_definitions import ChooseDefinitionsOperator
from watchkeeper.registry.deployment_settings import DeploymentSettings

SDK_PYTHON = ROOT / ".venv-sagemaker" / "bin" / "python"
RETRAINING = {
    "pipeline_name": "p",
    "model_package_group": "g",
    "role_arn": "arn:aws:iam::123456789012:role/training",
}
ATTEMPTS = [{"endpoint": "flights", "attempt_id": "a"}]


def choose(attempts, interpreter=SDK_PYTHON):
    operator = ChooseDefinitionsOperator(task_id="choose", attempts=attempts, interpreter=str(interpreter))
    return operator.execute(context())


def retrain_dag():
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(airflow_home.REPOSITORY / "dags" / "retrain.py")
    assert bag.import_errors == {}
    return bag.dags["retrain"]


@pytest.mark.skipif(not SDK_PYTHON.exists(), reason=f"{SDK_PYTHON} is missing: run `make setup`")
def test_definitions_with_a_module_are_chosen_and_others_are_shipped_as_they_are(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(ROOT / "include"))
    place.endpoint(retraining=RETRAINING)
    assert choose(ATTEMPTS) == {"folder": str(ROOT / "include" / "pipelines"), "names": ["retraining.json"]}
    for definition in ("by-hand.json", None):
        place.endpoint(retraining=RETRAINING | {"definition": definition})
        assert choose(ATTEMPTS)["names"] == []
    with pytest.raises(AirflowSkipException, match="Nothing is retrained"):
        choose([])


def test_what_is_shipped_serves_where_the_interpreter_has_no_sdk(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(ROOT / "include"))
    place.endpoint(retraining=RETRAINING)
    assert choose(ATTEMPTS, sys.executable)["names"] == []
    with pytest.raises(FileNotFoundError, match="/nowhere/bin/python"):
        choose(ATTEMPTS, "/nowhere/bin/python")


def test_without_an_interpreter_nothing_is_rendered(monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_SAGEMAKER_PYTHON", raising=False)
    assert not [task for task in retrain_dag().tasks if "render" in task.task_id]


def test_with_an_interpreter_the_training_waits_for_what_it_renders(monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_SAGEMAKER_PYTHON", "/opt/sagemaker/bin/python")
    dag = retrain_dag()
    render = dag.get_task("render_pipelines")
    assert (render.python, render.retries) == ("/opt/sagemaker/bin/python", 2)
    assert render.upstream_task_ids == {"choose_definitions"}
    assert "render_pipelines" in dag.get_task("attempt.train").upstream_task_ids
    assert {"choose_definitions", "render_pipelines"} <= set(dag.get_task("verify").task_ids)


def test_the_interpreter_is_a_path_and_no_airflow_variable():
    assert "sagemaker_python" not in DeploymentSettings.variables()
    with pytest.raises(Exception, match="use an absolute path"):
        DeploymentSettings.from_mapping({"WATCHKEEPER_BUCKET": "bucket", "WATCHKEEPER_SAGEMAKER_PYTHON": "python3"})


@pytest.mark.skipif(not SDK_PYTHON.exists(), reason=f"{SDK_PYTHON} is missing: run `make setup`")
def test_the_sdks_interpreter_renders_what_is_shipped(monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_SAGEMAKER_PYTHON", str(SDK_PYTHON))
    task = retrain_dag().get_task("render_pipelines")
    folder = ROOT / "include" / "pipelines"
    given = {"folder": str(folder), "names": ["retraining.json"]}
    task.op_args, task.op_kwargs = (given,), {}
    ran = context(ti=SimpleNamespace(), templates_dict=None)
    assert task.execute(ran) == {"retraining.json": (folder / "retraining.json").read_text()}
    task.op_args = ({"folder": "/nowhere", "names": []},)
    assert task.execute(ran) == {}
