"""Renders pipelines with the interpreter that has the SageMaker SDK, which cannot be installed beside Airflow."""

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import task

from watchkeeper.operators.choose_definitions import ChooseDefinitionsOperator


def sagemaker_python() -> str | None:
    """Return ``WATCHKEEPER_SAGEMAKER_PYTHON``, which decides whether the retraining DAG renders.

    Only the environment is asked: a Variable would cost a database query at every parse.
    """
    return os.environ.get("WATCHKEEPER_SAGEMAKER_PYTHON", "").strip() or None


def render_task(interpreter: str, attempts: Any) -> Any:
    """Return the task whose result are the definitions of this run's attempts by file name.

    Its function is run by ``interpreter`` without Airflow, so it names nothing outside itself.
    """

    @task.external_python(
        task_id="render_pipelines",
        python=interpreter,
        expect_airflow=False,
        execution_timeout=timedelta(minutes=10),
    )
    def render_pipelines(chosen: dict[str, Any]) -> dict[str, str]:
        import importlib.util
        import logging
        import warnings

        if not chosen["names"]:
            return {}
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        spec = importlib.util.spec_from_file_location("pipelines_main", chosen["folder"] + "/__main__.py")
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return {name: text for name, text in module.definitions().items() if name in chosen["names"]}

    choose = ChooseDefinitionsOperator(
        task_id="choose_definitions",
        attempts=attempts,
        interpreter=interpreter,
        execution_timeout=timedelta(minutes=5),
    )
    chosen: Any = choose.output
    return render_pipelines(chosen)
