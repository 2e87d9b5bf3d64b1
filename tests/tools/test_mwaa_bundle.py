"""What `make mwaa` builds: the same bytes twice, what MWAA needs, and a startup script that stops no container."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.sandbox_process import ROOT
from tools.mwaa.bundle import build, main, read_settings, requirements_text, shipped, startup_text
from watchkeeper.errors import SettingsError

# What MWAA's image does with a startup script: sourced, with `exit` an alias, and the variables read afterwards.
AS_MWAA = """
finish() { "$PYTHON" -c 'import json, os; print("VARIABLES " + json.dumps(dict(os.environ)))'; unalias exit; exit; }
shopt -s expand_aliases
alias exit=finish
source "$SCRIPT"
finish
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    target = tmp_path_factory.mktemp("mwaa") / "dist"
    build(target)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_builds_give_the_same_bytes_wherever_the_sources_lie_and_whenever_they_were_written(dist, tmp_path):
    copy = tmp_path / "a clone"
    for name in ("dags", "include", "plugins"):
        shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copyfile)
    for name in ("requirements.txt", "constraints-sagemaker.txt"):
        shutil.copyfile(ROOT / name, copy / name)
    for path in copy.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700)
    build(tmp_path / "again", root=copy)
    assert contents(tmp_path / "again") == contents(dist)


def test_a_build_replaces_the_one_before_and_leaves_other_files_alone(dist, tmp_path):
    target = tmp_path / "dist"
    build(target)
    (target / "dags" / "gone.py").write_text("")
    (target / "container.whl").write_text("another's")
    build(target)
    assert contents(target) == {**contents(dist), "container.whl": b"another's"}


def test_the_archive_holds_the_plugin_and_its_ignore_file_and_no_caches(tmp_path):
    folder = tmp_path / "plugins"
    for name in (".airflowignore", "own.py", "own/a.py", "own/__pycache__/a.pyc", ".DS_Store", "own/a.py~", ".git/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    assert [path.relative_to(folder).as_posix() for path in shipped(folder)] == [".airflowignore", "own.py", "own/a.py"]


def test_every_module_is_shipped(dist):
    with zipfile.ZipFile(dist / "plugins.zip") as archive:
        shipped = set(archive.namelist())
    modules = {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").rglob("*.py")}
    assert modules | {".airflowignore", "watchkeeper/aws/waiters/sagemaker.json"} <= shipped


def test_include_and_constraints_lie_in_the_dag_folder_hidden_from_the_parser(dist):
    from airflow.dag_processing.dagbag import DagBag

    assert (dist / "dags" / "include" / "endpoints" / "_defaults.yaml").is_file()
    assert (dist / "dags" / "include" / "pipelines" / "retraining.py").is_file()
    bag = DagBag(dist / "dags")
    assert bag.import_errors == {}
    assert {Path(stats.file).name for stats in bag.dagbag_stats} == {path.name for path in (ROOT / "dags").glob("*.py")}


def test_what_is_for_the_account_and_the_image_is_not_shipped_to_airflow(dist):
    assert not {"cloudformation", "container", "iam"} & {path.name for path in (dist / "dags" / "include").iterdir()}


def test_requirements_name_the_constraints_where_they_lie_on_mwaa(dist):
    lines = (dist / "requirements.txt").read_text().splitlines()
    (constraints,) = (dist / "dags" / "include").glob("constraints-*.txt")
    assert lines[0] == f'--constraint "/usr/local/airflow/dags/include/{constraints.name}"'
    assert constraints.stem.removeprefix("constraints-") == hashlib.sha256(constraints.read_bytes()).hexdigest()[:12]
    pins = dict(line.split("==") for line in constraints.read_text().splitlines()[1:])
    for line in lines[1:]:
        name, version = line.split("==")
        assert pins[name.split("[")[0]] == version
    assert requirements_text("# -c old.txt\n\na==1\n", PurePosixPath("/c.txt")) == '--constraint "/c.txt"\na==1\n'


def test_checksums_are_those_of_every_file(dist):
    told = dict(reversed(line.split("  ")) for line in (dist / "SHA256SUMS").read_text().splitlines())
    found = {name: hashlib.sha256(body).hexdigest() for name, body in contents(dist).items()}
    del found["SHA256SUMS"]
    assert told == found


# --- the startup script ---


def run_startup(tmp_path: Path, text: str, component: str = "worker") -> tuple[dict[str, str], str]:
    """Return the variables that Airflow would get, and what was logged."""
    script = tmp_path / "startup.sh"
    script.write_text(text)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHON": sys.executable,
        "SCRIPT": str(script),
        "MWAA_AIRFLOW_COMPONENT": component,
        "PIP_USER": "1",
        "PIP_NO_INDEX": "1",
    }
    done = subprocess.run(
        ["bash", "-c", AS_MWAA], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    log, _, variables = done.stdout.rpartition("VARIABLES ")
    return json.loads(variables), log + done.stderr


@pytest.fixture
def wheel(tmp_path):
    """A package of this test's own: nothing is asked of an index."""
    path = tmp_path / "sagemaker-9.0-py3-none-any.whl"
    about = "sagemaker-9.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sagemaker.py", "NAME = 'stands for the SDK'\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: sagemaker\nVersion: 9.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def interpreter(tmp_path):
    return tmp_path / "a folder" / "bin" / "python"


def settings_of(interpreter: Path) -> dict[str, str]:
    return {"WATCHKEEPER_SAGEMAKER_PYTHON": str(interpreter), "WATCHKEEPER_BUCKET": "it's $HOME"}


@pytest.mark.parametrize("component", ["worker", "hybrid"])
def test_a_worker_makes_the_interpreter(tmp_path, wheel, interpreter, component):
    text = startup_text(settings_of(interpreter), f"# pins\nsagemaker @ {wheel.as_uri()}\n")
    variables, log = run_startup(tmp_path, text, component)
    assert variables["WATCHKEEPER_BUCKET"] == "it's $HOME"
    assert "interpreter was made in" in log, log
    told = subprocess.run(
        [interpreter, "-c", "import sagemaker; print(sagemaker.NAME)"], capture_output=True, text=True, check=True
    )
    assert told.stdout == "stands for the SDK\n"


@pytest.mark.parametrize("component", ["scheduler", "webserver", ""])
def test_other_components_only_get_the_variables(tmp_path, wheel, interpreter, component):
    variables, log = run_startup(tmp_path, startup_text(settings_of(interpreter), wheel.as_uri()), component)
    assert variables["WATCHKEEPER_SAGEMAKER_PYTHON"] == str(interpreter)
    assert (log, interpreter.exists()) == ("", False)


@pytest.mark.parametrize(("pins", "seconds"), [("nowhere-to-be-found==1.0", 235), ("sagemaker==9.0", 0.01)])
def test_a_failure_is_told_and_stops_nothing(tmp_path, interpreter, pins, seconds):
    variables, log = run_startup(tmp_path, startup_text(settings_of(interpreter), pins, seconds))
    assert variables["WATCHKEEPER_BUCKET"] == "it's $HOME"
    assert "watchkeeper: ERROR: the SageMaker SDK's interpreter was not made" in log
    assert ("nowhere-to-be-found" in log) == (seconds == 235)
    subprocess.run([interpreter, "-c", "import sys"], check=True)


def test_without_an_interpreter_none_is_made(tmp_path, wheel):
    text = startup_text({"WATCHKEEPER_SAGEMAKER_PYTHON": ""}, wheel.as_uri())
    variables, log = run_startup(tmp_path, text)
    assert (variables["WATCHKEEPER_SAGEMAKER_PYTHON"], log) == ("", "")


def test_the_startup_script_takes_less_than_four_of_its_five_minutes_and_never_leaves_the_shell(dist):
    text = (dist / "startup.sh").read_text()
    assert "timeout --kill-after=5 235 " in text
    assert "exit" not in text
    assert "@" not in text.replace("@INSTALL", "")
    sdk = [line for line in (ROOT / "constraints-sagemaker.txt").read_text().splitlines() if line[0] != "#"]
    assert "\n".join(sdk) in text
    subprocess.run(["bash", "-n", dist / "startup.sh"], check=True)


# --- settings ---


def test_settings_are_read_and_all_faults_told_at_once(tmp_path):
    path = tmp_path / "production.env"
    path.write_text("# production\nWATCHKEEPER_BUCKET=my-bucket\n\nWATCHKEEPER_POOL = fat pool \n")
    assert read_settings(path) == {"WATCHKEEPER_BUCKET": "my-bucket", "WATCHKEEPER_POOL": "fat pool"}
    path.write_text(
        "export WATCHKEEPER_BUCKET=b\nWATCHKEEPER_BUKET=bucket\nWATCHKEEPER_POOL=a\nWATCHKEEPER_POOL=b\n"
        "WATCHKEEPER_SAGEMAKER_PYTHON=/opt/python3\n"
    )
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    told = str(caught.value)
    for part in ("line 1: got 'export", "line 4: WATCHKEEPER_POOL is there twice", "did you mean 'WATCHKEEPER_BUCKET'",
                 "ends with /bin/python", "WATCHKEEPER_BUCKET (or the Airflow Variable"):  # fmt: skip
        assert part in told


def test_the_command_builds_with_settings_and_says_what_is_wrong(tmp_path, capsys):
    path = tmp_path / "production.env"
    path.write_text("WATCHKEEPER_BUCKET=my-bucket\n")
    assert main(["--settings", str(path), "--target", str(tmp_path / "dist")]) == 0
    assert "export WATCHKEEPER_BUCKET=my-bucket\n" in (tmp_path / "dist" / "startup.sh").read_text()
    assert capsys.readouterr().out.startswith("built ")
    path.write_text("nonsense\n")
    assert main(["--settings", str(path), "--target", str(tmp_path / "dist")]) == 1
    assert "line 1: got 'nonsense'" in capsys.readouterr().err
