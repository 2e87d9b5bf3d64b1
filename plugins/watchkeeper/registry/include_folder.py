"""Where ``include/`` lies: the endpoint files and the runbooks."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from watchkeeper.errors import SettingsError

VARIABLE = "WATCHKEEPER_INCLUDE"
_CONTENTS = ("endpoints", "runbooks")


def find_include(environment: Mapping[str, str] | None = None, package_root: Path | None = None) -> Path:
    """Return the include folder: of ``WATCHKEEPER_INCLUDE``, else beside the DAG folder, else inside it.

    The DAG folder is Airflow's (``AIRFLOW__CORE__DAGS_FOLDER``, ``AIRFLOW_HOME``), else the one beside
    ``plugins/``, where this package lies. ``environment`` is the process's unless given. SettingsError
    names every place that was tried.
    """
    values = os.environ if environment is None else environment
    told = values.get(VARIABLE, "").strip()
    if told:
        folder = Path(told).expanduser()
        if _is_include(folder):
            return folder
        problem = f"{VARIABLE}: got {told!r}, which holds no endpoints/ or runbooks/; name the include folder itself"
        raise SettingsError("the include folder", (problem,))
    tried = list(dict.fromkeys(_places(values, package_root or Path(__file__).resolve().parents[3])))
    for folder in tried:
        if _is_include(folder):
            return folder
    problem = f"none of {', '.join(map(str, tried))} holds endpoints/ or runbooks/; set {VARIABLE}"
    raise SettingsError("the include folder", (problem,))


def _places(values: Mapping[str, str], package_root: Path) -> Iterator[Path]:
    dag_folders = []
    if values.get("AIRFLOW__CORE__DAGS_FOLDER"):
        dag_folders.append(Path(values["AIRFLOW__CORE__DAGS_FOLDER"]).expanduser())
    elif values.get("AIRFLOW_HOME"):
        dag_folders.append(Path(values["AIRFLOW_HOME"]).expanduser() / "dags")
    dag_folders.append(package_root / "dags")
    for dags in dag_folders:
        yield dags.parent / "include"
        yield dags / "include"


def _is_include(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _CONTENTS)
