"""What ``tools.mwaa.check`` runs inside the environment that it installed; the last line printed is a JSON object.

Nothing here names anything of this repository but what was installed: plugins and DAGs are found as Airflow finds them.
"""

import importlib
import inspect
import json
import pkgutil
import socket
import sys
import time
from pathlib import Path
from typing import Any


def refuse(*_arguments: object, **_named: object) -> None:
    """Stand for a connection: loading and parsing open none."""
    message = "a connection was opened"
    raise AssertionError(message)


def load_plugins() -> list[str]:
    """Return the faults of Airflow's own plugin loader."""
    from airflow import plugins_manager, settings

    own = set(Path(str(settings.PLUGINS_FOLDER)).joinpath("watchkeeper").rglob("*.py"))
    found: Any = plugins_manager._get_plugins()
    plugins, errors = found if isinstance(found, tuple) else (found, {})
    names = [str(plugin.name) for plugin in plugins if "watchkeeper" in str(plugin.name)]
    faults = [f"plugin {path}: {error}" for path, error in errors.items()]
    if names != ["watchkeeper"]:
        faults.append(f"expected one plugin called watchkeeper, got {names}; see plugins/.airflowignore")
    stray = sorted(
        {path.stem for path in own} & set(sys.modules) - {"__init__", "__main__"} - set(sys.stdlib_module_names)
    )
    faults += [
        f"plugin loader: module {name} was imported under its bare stem; see plugins/.airflowignore" for name in stray
    ]
    return faults


def parse_dags(folder: Path) -> tuple[list[str], list[str]]:
    """Return the ids of all DAGs and the faults of parsing their files."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(folder)
    faults = [f"DAG file {path}: {error}" for path, error in bag.import_errors.items()]
    files = {path.stem for path in folder.glob("*.py")}
    if set(bag.dags) != files:
        faults.append(f"expected a DAG for each of {sorted(files)}, got {sorted(bag.dags)}; see dags/.airflowignore")
    return sorted(bag.dags), faults


def import_package() -> tuple[dict[str, int], list[str]]:
    """Import every module; return how many modules, operators and triggers there are, and what failed."""
    from airflow.sdk import BaseOperator
    from airflow.triggers.base import BaseTrigger

    import watchkeeper

    faults, kinds = [], set()
    names = [found.name for found in pkgutil.walk_packages(watchkeeper.__path__, "watchkeeper.")]
    for name in names:
        if name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - told with all the others
            faults.append(f"import {name}: {type(error).__name__}: {error}")
            continue
        kinds |= {item for _, item in inspect.getmembers(module, inspect.isclass) if item.__module__ == name}
    counts = {
        "modules": len(names),
        "operators": sum(issubclass(kind, BaseOperator) for kind in kinds),
        "triggers": sum(issubclass(kind, BaseTrigger) for kind in kinds),
    }
    return counts, [*faults, *(f"no {kind} were found" for kind, count in counts.items() if not count)]


def analyse() -> list[str]:
    """Judge a frame like its baseline and one that drifted; return what was judged wrong."""
    import numpy as np
    import pandas as pd

    from watchkeeper.api import baseline, check

    def frame(seed: int, shift: float = 0.0) -> pd.DataFrame:
        chance = np.random.default_rng(seed)
        return pd.DataFrame({"delay": chance.normal(10 + shift, 5, 2000), "carrier": chance.choice(["AA", "UA"], 2000)})

    expected = baseline(frame(1))
    verdicts = [check(frame(2), expected).attrs["verdict"], check(frame(2, shift=20), expected).attrs["verdict"]]
    return [] if verdicts == ["ok", "violated"] else [f"analysis: expected ok and violated, got {verdicts}"]


def read_include() -> list[str]:
    """Return the faults of finding include/ and reading its endpoint files."""
    from watchkeeper.operators.check_endpoints import endpoint_faults
    from watchkeeper.registry.include_folder import find_include

    count, faults = endpoint_faults(find_include() / "endpoints")
    return [*faults, *(() if count else ("include/endpoints holds no endpoint file",))]


def main() -> int:
    """Print what was found as JSON."""
    from airflow import settings

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse  # type: ignore[assignment]
    seconds: dict[str, float] = {}
    answer: dict[str, Any] = {"seconds": seconds}
    faults: list[str] = []

    def timed(name: str, step: Any) -> Any:
        begun = time.monotonic()
        result = step()
        seconds[name] = time.monotonic() - begun
        return result

    faults += timed("plugins", load_plugins)
    answer["dags"], found = timed("dags", lambda: parse_dags(Path(settings.DAGS_FOLDER)))
    faults += found
    answer["counts"], found = timed("imports", import_package)
    faults += found
    faults += timed("include", read_include)
    faults += timed("analysis", analyse)
    print(json.dumps({**answer, "faults": faults}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
