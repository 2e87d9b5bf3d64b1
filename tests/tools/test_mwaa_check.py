"""The check of what `make mwaa` builds finds what is wrong. That a sound one passes is CI's lane `mwaa`."""

from pathlib import Path

import pytest

from tests.sandbox_process import ROOT
from tools.mwaa.bundle import build
from tools.mwaa.check import CheckError, Installation, differences, environment_of, lay_out

IMAGE = {"apache-airflow": "3.3.1", "boto3": "1.43.56"}
ADDED = {"polars": "1.43.2"}


@pytest.fixture
def dist(tmp_path):
    build(tmp_path / "dist")
    return tmp_path / "dist"


@pytest.fixture
def root(dist, tmp_path):
    lay_out(dist, tmp_path / "home")
    return tmp_path / "home"


def test_an_installation_that_brings_what_is_listed_has_no_faults():
    assert differences(IMAGE, IMAGE | ADDED, ADDED) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (IMAGE | ADDED | {"boto3": "1.44.8"}, "boto3: 1.43.56 of MWAA's image became 1.44.8"),
        ({"boto3": "1.43.56"} | ADDED, "apache-airflow: 3.3.1 of MWAA's image was removed"),
        (IMAGE | ADDED | {"tqdm": "4.70.0"}, "tqdm: expected no such package to be brought, got 4.70.0"),
        (IMAGE | {"polars": "1.44.0"}, "polars: expected 1.43.2 to be brought, got 1.44.0"),
        (IMAGE, "polars: expected 1.43.2 to be brought, got none"),
    ],
)
def test_every_difference_is_a_fault(after, told):
    (fault,) = differences(IMAGE, after, ADDED)
    assert fault.startswith(told)


def test_paths_of_mwaa_are_resolved_below_the_root(root):
    constraint, *_ = (root / "requirements.txt").read_text().splitlines()
    path = Path(constraint.removeprefix("--constraint ").strip('"'))
    assert path.parent == root / "dags" / "include"
    assert "polars==" in path.read_text()
    assert f"export WATCHKEEPER_SAGEMAKER_PYTHON={root}/sagemaker/bin/python" in (root / "startup.sh").read_text()
    assert (root / "plugins" / ".airflowignore").is_file()


def test_what_was_changed_since_it_was_built_is_not_checked(dist, tmp_path):
    (dist / "dags" / "retrain.py").write_text("changed")
    with pytest.raises(CheckError, match="is not what its SHA256SUMS says; run make mwaa"):
        lay_out(dist, tmp_path / "other")
    with pytest.raises(CheckError, match="run make mwaa"):
        lay_out(tmp_path / "nothing", tmp_path / "other")


def test_a_worker_gets_nothing_of_this_process_but_what_pip_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_CERT", "/some/file")
    monkeypatch.setenv("WATCHKEEPER_BUCKET", "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    variables = environment_of(tmp_path / "bin" / "python", tmp_path)
    assert variables["PIP_CERT"] == "/some/file"
    assert "mine" not in variables.values()
    assert {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}.isdisjoint(variables)
    assert variables["AIRFLOW_HOME"] == str(tmp_path)


def test_the_probe_loads_parses_imports_and_analyses(root):
    installation = Installation(ROOT / ".venv", root)
    assert installation.probe() == []
    assert installation.report["loaded"].startswith("1 plugin, ")


def test_the_probe_tells_every_fault(root):
    hidden = ("analysis", "operators", "registry", "container*", "api.py")
    (root / "plugins" / ".airflowignore").write_text("".join(f"watchkeeper/{name}\n" for name in hidden))
    (root / "dags" / ".airflowignore").unlink()
    (root / "dags" / "broken.py").write_text("from airflow.sdk import DAG\nimport nowhere\n")
    (root / "plugins" / "watchkeeper" / "aws" / "broken_hook.py").write_text("import nowhere_either\n")
    (root / "dags" / "include" / "endpoints" / "odd.yaml").write_text("owner: 1\n")
    told = "\n".join(Installation(ROOT / ".venv", root).probe())
    for part in ("broken.py: ", "No module named 'nowhere'", "import watchkeeper.aws.broken_hook: ModuleNotFoundError",
                 "odd.yaml", "was imported under its bare stem"):  # fmt: skip
        assert part in told


def test_a_plugin_folder_that_stops_airflow_is_told_too(root):
    (root / "plugins" / ".airflowignore").unlink()
    (fault,) = Installation(ROOT / ".venv", root).probe()
    assert fault.startswith("the environment cannot be tried: ")


def test_a_step_that_fails_is_told_with_what_it_said(root):
    (root / "startup.sh").write_text("echo 'watchkeeper: ERROR: as the script says it'\n")
    with pytest.raises(CheckError, match=r"startup\.sh: failed\nwatchkeeper: ERROR: as the script says it"):
        Installation(ROOT / ".venv", root).start_up()
