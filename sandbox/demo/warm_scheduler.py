"""``airflow scheduler``, with what its tasks will import imported beforehand.

LocalExecutor forks a process per task, and a module that the scheduler holds need not be imported again in each:
on two cores that is a third of the demo's time. Otherwise it is Airflow's own scheduler.
"""

import importlib
import inspect
import os
import pkgutil
import sys

# A fork copies only the thread that forks, so nothing imported here may keep threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
LIBRARIES = (
    "boto3",
    "numpy",
    "polars",
    "airflow.providers.amazon.aws.hooks.base_aws",
)


def main() -> None:
    """Import, then become ``airflow scheduler`` with the arguments given."""
    from airflow.__main__ import main as airflow_main
    from airflow.providers_manager import ProvidersManager

    sys.path.insert(0, os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"])
    import watchkeeper

    names = [module.name for module in pkgutil.walk_packages(watchkeeper.__path__, "watchkeeper.")]
    for name in [*LIBRARIES, *names]:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    ProvidersManager().hooks.get("aws")  # type: ignore[no-untyped-call]
    # The amazon provider looks at the stack to tell AWS its caller; the first look resolves every module's path.
    inspect.stack()
    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    airflow_main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
