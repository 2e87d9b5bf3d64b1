"""Build ``dist/container``: ``python -m tools.container_bundle [--check]``.

The wheel of Watchkeeper, those of all that it needs (by the hashes of include/container/requirements.txt), and what
makes an image of them or runs them in AWS's own. ``--check`` installs them where nothing else is, and analyses.
"""

import argparse
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from tools.mwaa.bundle import ROOT, shipped
from tools.mwaa.pin_list import normalised
from tools.reproducible_zip import write_zip

TARGET = ROOT / "dist" / "container"
#: x86-64 with glibc 2.28 or newer: Debian 10, Amazon Linux 2023, Ubuntu 20.04.
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux2014", "manylinux_2_17", "manylinux2010")
_SHIPPED = ("Dockerfile", "run.sh")


def build_wheel(target: Path, root: Path = ROOT) -> Path:
    """Build the wheel into ``target`` and return its path; the same sources give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper-wheel-") as name:
        copy = Path(name) / "source"
        for path in shipped(root / "plugins" / "watchkeeper"):
            place = copy / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(root / file, copy / file)
        # Not isolated: setuptools is pinned here, and says its version in the wheel.
        _run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", name, copy])
        (built,) = Path(name).glob("*.whl")
        return _normal(built, target)


def _normal(wheel: Path, target: Path) -> Path:
    """Write a wheel anew with its files in the order of their names, and that order in its record."""
    with zipfile.ZipFile(wheel) as archive:
        entries = {name: archive.read(name) for name in sorted(archive.namelist()) if not name.endswith("/")}
    (record,) = [name for name in entries if name.endswith(".dist-info/RECORD")]
    rows = sorted(csv.reader(io.StringIO(entries[record].decode())))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    entries[record] = text.getvalue().encode()
    target.mkdir(parents=True, exist_ok=True)
    write_zip(target / wheel.name, entries.items())
    return target / wheel.name


def build(target: Path = TARGET) -> None:
    """Build everything into ``target``, anew."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    source = ROOT / "include" / "container"
    platforms = [option for name in _PLATFORMS for option in ("--platform", f"{name}_x86_64")]
    abis = [option for name in ("cp312", "abi3", "none") for option in ("--abi", name)]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    python = ["--python-version", "3.12", "--implementation", "cp", *platforms, *abis]
    listed = source / "requirements.txt"
    _run([*pip, *python, "--no-deps", "--require-hashes", "--requirement", listed, "--dest", target])
    wheel = build_wheel(target)
    name, version, *_ = wheel.name.split("-")
    own = f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    (target / "requirements.txt").write_text(listed.read_text(encoding="utf-8") + own, encoding="utf-8")
    for file in _SHIPPED:
        shutil.copyfile(source / file, target / file)


def check(target: Path, place: Path) -> list[str]:
    """Install ``target`` twice where nothing else is, analyse in both; return the report's lines.

    In an environment of its own, as the image does, and by run.sh, as AWS's image does. RuntimeError for whatever is
    not as it should be.
    """
    shutil.rmtree(place, ignore_errors=True)
    if build_wheel(place).read_bytes() != next(target.glob("watchkeeper-*.whl")).read_bytes():
        message = "two builds of the wheel differ"
        raise RuntimeError(message)
    python = place / "venv" / "bin" / "python"
    _run([_any_python(), "-m", "venv", place / "venv"])
    begun = time.monotonic()
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--require-hashes",
    ]
    _run([*install, "--find-links", target, "--requirement", target / "requirements.txt"])
    seconds = time.monotonic() - begun
    listed = _run([python, "-m", "pip", "list", "--format=freeze", "--exclude", "pip"])
    installed = {normalised(line.partition("==")[0]) for line in listed.splitlines()}
    named = {normalised(path.name.split("-")[0]) for path in target.glob("*.whl")}
    if installed != named:
        message = f"expected {sorted(named)} to be installed, got {sorted(installed)}"
        raise RuntimeError(message)
    size = sum(path.stat().st_size for path in target.iterdir()) / 1e6
    analyse([python.parent / "watchkeeper-analyze"], place / "own", {})
    begun = time.monotonic()
    _run([_any_python(), "-m", "venv", place / "image"])
    variables = {
        "PATH": f"{place / 'image' / 'bin'}:{os.environ['PATH']}",
        "WATCHKEEPER_PACKAGES": str(place / "packages"),
    }
    analyse(["sh", target / "run.sh"], place / "beside", variables)
    return [
        f"{len(named)} wheels, {size:.0f} MB; installed in {seconds:.0f} s",
        f"run.sh: installed and analysed twice in {time.monotonic() - begun:.0f} s",
    ]


def analyse(command: list[Any], root: Path, variables: dict[str, str]) -> None:
    """Make a baseline and judge what drifted, by the container's contract; RuntimeError unless both are as expected."""
    folder = root / "processing" / "input"
    folder.mkdir(parents=True)
    contract = {"dataset_source": "/opt/ml/processing/input", "dataset_format": '{"csv":{"header":true}}', **variables}
    rows = [f"{number % 50},{'red' if number % 3 else 'blue'}" for number in range(600)]
    (folder / "data.csv").write_text("delay,colour\n" + "\n".join(rows) + "\n", encoding="utf-8")
    _run([*command, "--root", root], contract)
    for name in ("statistics.json", "constraints.json"):
        (root / "processing" / "output" / name).replace(root / name)
    broken = [f"late,{'red' if number % 3 else 'green'}" for number in range(600)]
    (folder / "data.csv").write_text("delay,colour\n" + "\n".join(broken) + "\n", encoding="utf-8")
    baseline = {"baseline_constraints": "/opt/ml/constraints.json", "baseline_statistics": "/opt/ml/statistics.json"}
    _run([*command, "--root", root], contract | baseline)
    told = (root / "output" / "message").read_text(encoding="utf-8")
    if not told.startswith("CompletedWithViolations"):
        message = f"expected violations, got {told!r}"
        raise RuntimeError(message)


def _any_python() -> str:
    return _run([ROOT / "tools" / "find-python"]).strip()


def _run(command: list[Any], variables: dict[str, str] | None = None) -> str:
    """Run a command without anything of this process's Python and return what it printed; RuntimeError if it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = kept | (variables or {})
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment, timeout=600)
    if done.returncode:
        message = f"{' '.join(arguments)}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
        raise RuntimeError(message)
    return done.stdout


def main(arguments: list[str] | None = None) -> int:
    """Build, and check if asked to; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.container_bundle", description=__doc__)
    parser.add_argument("--check", action="store_true", help="install it where nothing else is, and analyse")
    options = parser.parse_args(arguments)
    try:
        build()
        lines = check(TARGET, ROOT / ".cache" / "container") if options.check else []
    except (RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print("\n".join([f"built {TARGET.relative_to(ROOT)}", *lines]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
