"""Build what Amazon MWAA takes: ``python -m tools.mwaa.bundle [--settings FILE] [--target dist]``.

``dags/`` (the DAG files, ``include/`` and the constraints), ``plugins.zip``, ``requirements.txt``, ``startup.sh`` and
``SHA256SUMS``. The same sources and settings give the same bytes, wherever and whenever they are built.
"""

import argparse
import hashlib
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tools.mwaa.pin_list import ADDED, BASE_IMAGE, pin_text, read_pin_file
from tools.reproducible_zip import write_zip
from watchkeeper.errors import SettingsError
from watchkeeper.registry.deployment_settings import DeploymentSettings

ROOT = Path(__file__).resolve().parents[2]
#: Airflow's home on MWAA: the DAG folder of the bucket is its ``dags/``.
MWAA_HOME = PurePosixPath("/usr/local/airflow")
#: Below dist/ and below MWAA's Airflow home. The name holds what is in it: a worker that starts while a new release
#: is put in force installs the old requirements under the old constraints, which are still there.
CONSTRAINTS = "dags/include/constraints-{digest}.txt"
CHECKSUMS = "SHA256SUMS"
INTERPRETER_VARIABLE = "WATCHKEEPER_SAGEMAKER_PYTHON"
INTERPRETER = str(MWAA_HOME / "sagemaker" / "bin" / "python")
#: MWAA gives the startup script 5 minutes, less 5 seconds; what is killed has 5 more to die.
STARTUP_SECONDS = 235

_MADE = ("dags", "plugins.zip", "requirements.txt", "startup.sh", CHECKSUMS)
#: Of include/, what is for whoever sets up the account or builds the image, not for Airflow.
_NOT_SHIPPED = frozenset({"cloudformation", "container", "iam"})


def build(target: Path, settings: Mapping[str, str] | None = None, root: Path = ROOT) -> None:
    """Build into ``target``, replacing what an earlier build made there; other files are left alone.

    ``settings`` are variables that the startup script exports (see ``read_settings``).
    """
    for name in _MADE:
        path = target / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    for source in shipped(root / "dags"):
        _copy(source, target / "dags" / source.relative_to(root / "dags"))
    for source in shipped(root / "include"):
        below = source.relative_to(root / "include")
        if below.parts[0] not in _NOT_SHIPPED:
            _copy(source, target / "dags" / "include" / below)
    pins = read_pin_file(ADDED) | read_pin_file(BASE_IMAGE)
    text = pin_text(pins, ("What MWAA's image for Airflow 3.3.1 holds, and what requirements.txt brings to it.",))
    constraints = CONSTRAINTS.format(digest=hashlib.sha256(text.encode()).hexdigest()[:12])
    _write(target / constraints, text)
    requirements = (root / "requirements.txt").read_text(encoding="utf-8")
    _write(target / "requirements.txt", requirements_text(requirements, MWAA_HOME / constraints))
    sdk_pins = (root / "constraints-sagemaker.txt").read_text(encoding="utf-8")
    _write(target / "startup.sh", startup_text(settings or {}, sdk_pins))
    plugins = root / "plugins"
    modules = ((path.relative_to(plugins).as_posix(), path.read_bytes()) for path in shipped(plugins))
    write_zip(target / "plugins.zip", modules)
    _write(target / CHECKSUMS, checksum_text(target))


def requirements_text(requirements: str, constraints: PurePosixPath) -> str:
    """Return the requirements with the constraints that MWAA asks for, at the path that they have in its containers.

    Comments are left out: MWAA looks for the option in every line, commented out or not.
    """
    named = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return "".join(f"{line}\n" for line in (f'--constraint "{constraints}"', *named))


def startup_text(settings: Mapping[str, str], sdk_pins: str, seconds: int = STARTUP_SECONDS) -> str:
    """Return the startup script that exports ``settings`` and, on workers, makes the SDK's interpreter of its pins.

    An empty interpreter in the settings makes none; without one in them it is made at ``INTERPRETER``.
    """
    exports = {INTERPRETER_VARIABLE: INTERPRETER, **settings}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(exports.items())]
    pins = [line for line in sdk_pins.splitlines() if line and not line.startswith("#")]
    template = (Path(__file__).parent / "startup.sh").read_text(encoding="utf-8")
    for mark, text in (("@EXPORTS@", "\n".join(lines)), ("@PINS@", "\n".join(pins)), ("@SECONDS@", str(seconds))):
        template = template.replace(mark, text)
    return template


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings of a deployment, from lines ``WATCHKEEPER_NAME=value`` and comments.

    SettingsError tells every line that is no setting, and every setting that Watchkeeper would refuse.
    """
    settings: dict[str, str] = {}
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        if not equals or not name.startswith("WATCHKEEPER_"):
            problems.append(f"line {number}: got {line.strip()!r}; expected WATCHKEEPER_NAME=value, without export")
        elif name in settings:
            problems.append(f"line {number}: {name} is there twice; keep one")
        else:
            settings[name] = value
    interpreter = settings.get(INTERPRETER_VARIABLE)
    if interpreter and not interpreter.endswith("/bin/python"):
        problems.append(f"{INTERPRETER_VARIABLE}: got {interpreter!r}; expected a path that ends with /bin/python")
    try:
        DeploymentSettings.from_mapping(settings)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(str(path), tuple(problems))
    return settings


def checksum_text(target: Path) -> str:
    """Return a line for each file below ``target`` that a build makes, as ``sha256sum --check`` reads them."""
    files = [path for name in _MADE if name != CHECKSUMS for path in _files(target / name)]
    names = sorted((path.relative_to(target).as_posix(), path) for path in files)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n" for name, path in names)


def shipped(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names, without caches, hidden files and editors' copies."""
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") and part != ".airflowignore" for part in parts)
        if not hidden and "__pycache__" not in parts and path.suffix != ".pyc" and not path.name.endswith("~"):
            yield path


def _files(path: Path) -> Iterator[Path]:
    yield from (item for item in path.rglob("*") if item.is_file()) if path.is_dir() else (path,)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def main(arguments: list[str] | None = None) -> int:
    """Build from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.mwaa.bundle", description=__doc__)
    parser.add_argument("--settings", type=Path, help="a file of WATCHKEEPER_* lines for the startup script to export")
    parser.add_argument("--target", type=Path, default=ROOT / "dist", help="where to build (default: dist)")
    options = parser.parse_args(arguments)
    try:
        build(options.target, read_settings(options.settings) if options.settings else None)
    except (SettingsError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    size = sum(path.stat().st_size for name in _MADE for path in _files(options.target / name))
    print(f"built {options.target}: {size / 1e6:.1f} MB; {len(_lines(options.target / CHECKSUMS))} files")
    return 0


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    sys.exit(main())
