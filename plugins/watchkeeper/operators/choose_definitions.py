"""Chooses the pipelines that a run renders anew."""

import subprocess
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.operators.run_pipeline import PIPELINES_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class ChooseDefinitionsOperator(MonitorOperator):
    """Return the folder of the pipelines' modules, and the definitions that the attempts of this run need.

    A definition without a module of its name beside it is shipped as it is; all are where the interpreter has no
    SageMaker SDK (MWAA's startup script may have failed to install it), with a warning. Skips where nothing is
    attempted.

    :param attempts: The attempts of the run, as ``decide`` returns them. (templated)
    :param interpreter: The Python interpreter that will render them. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "attempts", "interpreter")

    def __init__(self, *, attempts: list[dict[str, str]], interpreter: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attempts = attempts
        self.interpreter = interpreter

    def execute(self, context: "Context") -> dict[str, Any]:  # noqa: ARG002
        """Return ``folder`` and ``names``."""
        if not self.attempts:
            message = "Nothing is retrained in this run"
            raise AirflowSkipException(message)
        with failing_at_once():
            deployment = self.open_deployment()
            folder = deployment.settings.include_folder().resolve() / PIPELINES_FOLDER
            specs = [deployment.registry.require(attempt["endpoint"]) for attempt in self.attempts]
        named = {spec.retraining.definition for spec in specs if spec.retraining is not None}
        names = sorted(name for name in named if name and (folder / name).with_suffix(".py").is_file())
        if names and not _has_sdk(self.interpreter):
            told = (
                "%s cannot import the SageMaker SDK, so the shipped %s serve as they are; why is in the log of startup"
            )
            self.log.warning(told, self.interpreter, ", ".join(names))
            names = []
        self.log.info("To render: %s", ", ".join(names) or "nothing")
        return {"folder": str(folder), "names": names}


def _has_sdk(interpreter: str) -> bool:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('sagemaker') is None)"
    # Isolated: Airflow's own packages, which PYTHONPATH may name, are not those of the interpreter.
    done = subprocess.run([interpreter, "-I", "-c", look], capture_output=True, check=False, timeout=60)  # noqa: S603
    return done.returncode == 0
