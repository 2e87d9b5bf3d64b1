"""Laws of the package as a whole: names that collide with nothing, a core that needs little, errors that travel."""

import inspect
import pickle
import subprocess
import sys
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from watchkeeper import errors

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
HEAVY = ("airflow", "boto3", "botocore", "pydantic", "pandas")

MODULES = sorted(path for path in PLUGINS.rglob("*.py") if path.stem not in {"__init__", "__main__"})
ANALYSIS = sorted(path.stem for path in (PLUGINS / "watchkeeper" / "analysis").glob("*.py") if path.stem != "__init__")
ERRORS = sorted(
    (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__),
    key=lambda kind: kind.__name__,
)


def test_no_two_modules_share_a_stem() -> None:
    """Airflow's plugin loader puts every file under its bare stem into ``sys.modules``."""
    assert len(MODULES) > 20
    assert [stem for stem, count in Counter(path.stem for path in MODULES).items() if count > 1] == []


def test_no_stem_is_that_of_another_module() -> None:
    taken = set(sys.stdlib_module_names) | set(sys.builtin_module_names) | set(packages_distributions())
    own = {path.stem for path in PLUGINS.glob("*.py")} | {"watchkeeper"}
    assert sorted(path.stem for path in MODULES if path.stem in taken - own) == []


def test_the_package_uses_absolute_imports() -> None:
    relative = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(line.lstrip().startswith("from .") for line in path.read_text().splitlines())
    ]
    assert relative == []


CONTAINER = ["container", "container_clarify", "container_model"]


def test_the_core_and_the_container_import_nothing_heavy() -> None:
    program = (
        "import importlib, sys\n"
        f"for name in {[f'analysis.{stem}' for stem in ANALYSIS] + CONTAINER!r}:\n"
        "    importlib.import_module('watchkeeper.' + name)\n"
        f"print(' '.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(PLUGINS), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(ANALYSIS) > 15
    assert done.stdout.split() == []


def test_the_package_itself_imports_nothing() -> None:
    """The DAG processor imports the package again for every parse."""
    program = (
        "import sys; before = set(sys.modules)\n"
        "import watchkeeper, watchkeeper.analysis, watchkeeper.errors\n"
        "print(' '.join(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))\n"
    )
    environment = {"PYTHONPATH": str(PLUGINS), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) == {"watchkeeper"}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[errors.WatchkeeperError]) -> None:
    if issubclass(kind, errors.ProblemsError):
        error: errors.WatchkeeperError = kind("two files", ("a.yaml: no owner", "b.yaml: not YAML"))
    elif kind is errors.WatchkeeperError:
        error = kind("as it is")
    else:
        error = kind("capture", "found that", "do this")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert str(error)


def test_every_error_is_one_of_ours() -> None:
    assert len(ERRORS) >= 12
    assert [kind.__name__ for kind in ERRORS if not issubclass(kind, errors.WatchkeeperError)] == []
