"""The wheel, the image's recipe and the entry in AWS's image, as far as they can be tried without Docker and an index.

That the pinned wheels install where nothing else is and analyse there, is CI's lane `container`.
"""

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.sandbox_process import ROOT
from tools.container_bundle import analyse, build_wheel
from tools.mwaa.pin_list import normalised, read_pin_file

CONTAINER = ROOT / "include" / "container"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def archive(wheel):
    with zipfile.ZipFile(wheel) as opened:
        yield {name: opened.read(name) for name in opened.namelist()}


def test_two_builds_of_the_wheel_give_the_same_bytes(wheel, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "plugins", copy / "plugins", copy_function=shutil.copyfile)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    for path in copy.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1e9, 1e9))
    assert build_wheel(tmp_path / "again", copy).read_bytes() == wheel.read_bytes()
    assert not (ROOT / "build").exists()


def test_the_wheel_holds_every_module_and_its_record_is_true(archive):
    modules = {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins/watchkeeper").rglob("*.py")}
    assert modules | {"watchkeeper/py.typed", "watchkeeper/aws/waiters/sagemaker.json"} <= archive.keys()
    (record,) = [name for name in archive if name.endswith("RECORD")]
    rows = list(csv.reader(io.StringIO(archive[record].decode())))
    assert {row[0] for row in rows} == archive.keys()
    for name, told, size in rows:
        if name != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive[name]).digest()).rstrip(b"=").decode()
            assert (told, int(size)) == (f"sha256={digest}", len(archive[name]))


def test_the_wheel_names_its_command_and_only_what_the_analysis_needs(archive):
    (about,) = [archive[name].decode() for name in archive if name.endswith("METADATA")]
    required = Parser().parsestr(about).get_all("Requires-Dist", [])
    core = {re.match(r"[\w-]+", line).group() for line in required if "extra ==" not in line}
    assert core == {"msgspec", "numpy", "polars", "polars-hash", "scipy"}
    (entries,) = [archive[name].decode() for name in archive if name.endswith("entry_points.txt")]
    assert "watchkeeper-analyze = watchkeeper.container:main" in entries


def test_what_was_unpacked_keeps_the_containers_contract(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "packages")
    where = {"PYTHONPATH": str(tmp_path / "packages")}
    analyse([sys.executable, "-m", "watchkeeper.container"], tmp_path / "root", where)


def test_a_contract_that_is_not_kept_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"statistics\.json"):
        analyse(["true"], tmp_path / "silent", {})
    with pytest.raises(RuntimeError, match="as the job says it"):
        analyse(["sh", "-c", "echo as the job says it >&2; exit 1"], tmp_path / "failing", {})


# --- the pins of the image ---


def pins() -> dict[str, list[str]]:
    """Return each pin and its hashes."""
    text = (CONTAINER / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {line[0]: [part for part in line[1:] if part.startswith("--hash=sha256:")] for line in lines if line}


def test_the_image_has_what_the_package_asks_for_in_the_versions_that_are_tested():
    found = dict(pin.split("==") for pin in pins())
    tested = read_pin_file(ROOT / "constraints.txt")
    assert found == {name: tested[name] for name in found}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    assert {normalised(re.match(r"[\w-]+", line).group()) for line in asked} <= found.keys()
    assert all(pins().values())


# --- the image and the entry ---


def stages() -> list[list[str]]:
    text = (CONTAINER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM")]
    return [lines[: starts[0]], *(lines[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True))]


def test_the_images_base_is_pinned_and_its_installation_asks_nobody():
    arguments, install, image = stages()
    assert re.fullmatch(r"ARG BASE=python:3\.12\.\d+-slim-\w+", arguments[0])
    assert install[0].startswith("FROM ${BASE}")
    assert image[0] == "FROM ${BASE}"
    runs = " ".join(line for line in install if line.startswith("RUN"))
    assert {"--no-index", "--no-deps", "--require-hashes"} <= set(runs.split())
    assert "apt-get" not in runs


def test_the_image_runs_the_analysis_and_not_as_root():
    _, _, image = stages()
    assert "ARG RUN_AS=1000" in image
    assert [line for line in image if line.startswith("USER")] == ["USER ${RUN_AS}"]
    assert image[-1] == 'ENTRYPOINT ["/opt/watchkeeper/bin/watchkeeper-analyze"]'


@pytest.fixture
def code(wheel, tmp_path):
    """The job's input `code`, with our wheel alone: the others are this environment's."""
    folder = tmp_path / "a job" / "code"
    folder.mkdir(parents=True)
    shutil.copyfile(CONTAINER / "run.sh", folder / "run.sh")
    shutil.copyfile(wheel, folder / wheel.name)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"watchkeeper==0.1.0 --hash=sha256:{digest}\n")
    return folder


@pytest.fixture
def variables(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "WATCHKEEPER_PACKAGES": str(tmp_path / "packages of a job")}


def test_the_entry_installs_what_lies_beside_it_and_keeps_the_contract_twice(code, variables, tmp_path):
    analyse(["sh", code / "run.sh"], tmp_path / "root", variables)
    analyse(["sh", code / "run.sh"], tmp_path / "again", variables)


def test_a_wheel_that_is_not_the_one_that_was_built_is_not_run(code, variables, tmp_path):
    with next(code.glob("*.whl")).open("ab") as file:
        file.write(b"more")
    done = subprocess.run(
        ["sh", code / "run.sh", "--root", tmp_path], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
