"""Install ``dist/`` as Amazon MWAA does and try it: ``python -m tools.mwaa.check [--dist dist] [--root FOLDER]``.

In a fresh environment with what MWAA's image holds, as one of its workers: the startup script, then requirements.txt
under MWAA's constraints, then Airflow's plugin loader, every DAG, every module, one analysis. Exit status 1 and all
faults at once where anything differs from what the lists in this folder say, or takes longer than MWAA allows.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.mwaa.bundle import CHECKSUMS, INTERPRETER_VARIABLE, MWAA_HOME, ROOT, checksum_text
from tools.mwaa.pin_list import ADDED, BASE_IMAGE, ESSENTIAL, about, pin_text, read_pin_file, read_pins

ENVIRONMENT = ROOT / ".venv-mwaa"
#: MWAA stops an installation that takes longer.
INSTALL_SECONDS = 9 * 60
#: In the image it is compiled against its libpq; psycopg2-binary is there too, and is the same module.
_COMPILED_THERE = frozenset({"psycopg2"})
#: The tools that install, which are no part of what is installed.
_INSTALLERS = frozenset({"pip", "uv"})
_COMPONENT = {
    "MWAA_AIRFLOW_COMPONENT": "worker",
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class CheckError(Exception):
    """A step failed, so that nothing after it can be tried."""


def lay_out(dist: Path, root: Path) -> None:
    """Lay ``dist`` out below ``root`` as it lies below MWAA's Airflow home, paths in it resolved there.

    CheckError where ``dist`` is not what was built.
    """
    try:
        whole = (dist / CHECKSUMS).read_text(encoding="utf-8") == checksum_text(dist)
    except FileNotFoundError:
        whole = False
    if not whole:
        message = f"{dist} is not what its {CHECKSUMS} says; run make mwaa"
        raise CheckError(message)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(dist / "dags", root / "dags")
    with zipfile.ZipFile(dist / "plugins.zip") as archive:
        archive.extractall(root / "plugins")
    for name in ("requirements.txt", "startup.sh"):
        text = (dist / name).read_text(encoding="utf-8")
        (root / name).write_text(text.replace(str(MWAA_HOME), str(root)), encoding="utf-8")


def environment_of(python: Path, root: Path) -> dict[str, str]:
    """Return the variables of a worker's process, without anything of this process's Airflow and Python."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "AWS_", "MWAA", "PYTHON", "WATCHKEEPER", "VIRTUAL_ENV"))
    }
    return {
        **kept,
        **_COMPONENT,
        "PATH": f"{python.parent}:{kept['PATH']}",
        "AIRFLOW_HOME": str(root),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def differences(before: Mapping[str, str], after: Mapping[str, str], added: Mapping[str, str]) -> list[str]:
    """Return what an installation did to the packages that were there ``before``, and brought besides ``added``."""
    faults = []
    for name, version in sorted(before.items()):
        if name not in after:
            faults.append(f"{name}: {version} of MWAA's image was removed")
        elif after[name] != version:
            faults.append(f"{name}: {version} of MWAA's image became {after[name]}; require what goes with it")
    brought = {name: version for name, version in after.items() if name not in before}
    for name in sorted(brought.keys() | added.keys()):
        expected, got = added.get(name), brought.get(name)
        if expected != got:
            faults.append(
                f"{name}: expected {expected or 'no such package'} to be brought, got {got or 'none'}; --renew"
            )
    return faults


class Installation:
    """An environment like MWAA's, and what was measured in it."""

    def __init__(self, environment: Path, root: Path) -> None:
        self.environment = environment
        self.python = environment / "bin" / "python"
        self.root = root
        self.report: dict[str, str] = {}

    def make_image(self) -> dict[str, str]:
        """Install what MWAA's image holds; return it, as it is installed."""
        shutil.rmtree(self.environment, ignore_errors=True)
        pins = {name: version for name, version in read_pin_file(BASE_IMAGE).items() if name not in _COMPILED_THERE}
        listed = self.root.with_name(f"{self.root.name}-image.txt")
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(pin_text(pins, ("the image",)), encoding="utf-8")
        self._run([ROOT / "tools" / "make-environment", self.environment, listed, listed], "MWAA's image")
        listed.unlink()
        self._run([self.python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], "pip")
        installed = self.packages()
        if faults := differences(pins, installed, {}):
            raise CheckError("\n".join(faults))
        return installed

    def start_up(self) -> None:
        """Run the startup script, as a worker; it has to make the SDK's interpreter, unless it is told to make none."""
        asked = 'source "$0" && printf "%s" "$WATCHKEEPER_SAGEMAKER_PYTHON" >"$0.made"'
        script = self.root / "startup.sh"
        seconds = self._run(["bash", "-c", asked, script], "startup.sh")
        interpreter = script.with_name("startup.sh.made").read_text(encoding="utf-8")
        if not interpreter:
            self.report["startup.sh"] = f"{seconds:.0f} s, no interpreter of the SageMaker SDK"
            return
        self._run([interpreter, self.root / "dags" / "include" / "pipelines", "--check"], INTERPRETER_VARIABLE)
        size = megabytes(Path(interpreter).parents[1])
        self.report["startup.sh"] = f"{seconds:.0f} s of 240; the SageMaker SDK's interpreter, {size} MB"

    def install(self) -> None:
        """Install requirements.txt as MWAA does."""
        before = megabytes(self.environment)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--constraint", ESSENTIAL]
        seconds = self._run([*pip, "-r", self.root / "requirements.txt"], "pip install", INSTALL_SECONDS)
        after = megabytes(self.environment)
        self.report["pip install"] = f"{seconds:.0f} s of {INSTALL_SECONDS}; {before} MB became {after} MB"
        self._run([self.python, "-m", "pip", "check"], "pip check")

    def packages(self) -> dict[str, str]:
        """Return the installed packages."""
        command = [str(self.python), "-m", "pip", "list", "--format=freeze"]
        text = subprocess.run(command, capture_output=True, text=True, check=True, env=self._variables()).stdout
        return {name: version for name, version in read_pins(text.splitlines()).items() if name not in _INSTALLERS}

    def probe(self) -> list[str]:
        """Load, parse, import and analyse; return all faults."""
        probe = Path(__file__).with_name("probe.py")
        done = subprocess.run(
            [str(self.python), "-P", str(probe)], capture_output=True, text=True, check=False, env=self._variables()
        )
        if done.returncode:
            return [f"the environment cannot be tried: {done.stderr[-2000:]}"]
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        counts = ", ".join(f"{count} {name}" for name, count in answer["counts"].items())
        self.report["loaded"] = f"1 plugin, {len(answer['dags'])} DAGs, {counts}"
        self.report["seconds"] = ", ".join(f"{name} {seconds:.1f}" for name, seconds in answer["seconds"].items())
        return list(answer["faults"])

    def _variables(self) -> dict[str, str]:
        return environment_of(self.python, self.root)

    def _run(self, command: list[Any], what: str, seconds: float = 900) -> float:
        begun = time.monotonic()
        try:
            done = subprocess.run(
                [str(part) for part in command],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
                env=self._variables(),
            )
        except subprocess.TimeoutExpired:
            message = f"{what}: not done after {seconds:.0f} s"
            raise CheckError(message) from None
        if done.returncode or "watchkeeper: ERROR" in done.stdout:
            message = f"{what}: failed\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            raise CheckError(message)
        return time.monotonic() - begun


def megabytes(path: Path) -> int:
    """Return how many MB the files below a folder take."""
    return round(sum(item.lstat().st_size for item in path.rglob("*") if not item.is_dir()) / 1e6)


def renew(installation: Installation, image: Mapping[str, str]) -> None:
    """Write anew what requirements.txt brings to the image, in the versions that are tested here."""
    tested = read_pin_file(ROOT / "constraints.txt")
    pins = {name: version for name, version in tested.items() if name not in image}
    (constraint,) = (installation.root / "dags" / "include").glob("constraints-*.txt")
    constraint.write_text(pin_text({**pins, **image}, ("renewing",)), encoding="utf-8")
    installation.install()
    brought = {name: version for name, version in installation.packages().items() if name not in image}
    ADDED.write_text(pin_text(brought, about(ADDED)), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Check from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.mwaa.check", description=__doc__)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="what make mwaa built (default: dist)")
    parser.add_argument(
        "--root", type=Path, default=ROOT / ".cache" / "mwaa", help=f"the folder that stands for {MWAA_HOME}"
    )
    parser.add_argument(
        "--renew", action="store_true", help=f"write {ADDED.name} anew; build and check again afterwards"
    )
    options = parser.parse_args(arguments)
    installation = Installation(ENVIRONMENT, options.root.resolve())
    faults: list[str] = []
    try:
        image = installation.make_image()
        lay_out(options.dist, installation.root)
        if options.renew:
            renew(installation, image)
            print(f"wrote {ADDED.relative_to(ROOT)}; run make mwaa-check")
            return 0
        installation.start_up()
        installation.install()
        faults += differences(image, installation.packages(), read_pin_file(ADDED))
        faults += installation.probe()
    except CheckError as error:
        faults.append(str(error))
    for name, text in installation.report.items():
        print(f"{name:12} {text}")
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    print(f"{len(faults)} faults" if faults else "MWAA would run this")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
