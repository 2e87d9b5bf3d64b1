"""Finds which endpoints have labels to merge."""

from typing import TYPE_CHECKING, Any

from watchkeeper.errors import RegistryError
from watchkeeper.operators.due_endpoints import PACK_LIMIT
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec


class DueLabelsOperator(MonitorOperator):
    """Return the endpoints with labels as a list of mappings, each ``{"endpoints": [id, …]}``, one per task.

    The run's param ``endpoints`` chooses; without it these are all whose file has ``ground_truth``. Files with faults
    are logged and left out; the run's last task fails for them.

    :param pack_limit: how many tasks to map at most; more endpoints are packed, several to a task.
    """

    def __init__(self, *, pack_limit: int = PACK_LIMIT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pack_limit = pack_limit

    def execute(self, context: "Context") -> list[dict[str, list[str]]]:
        """Return the work, ready for ``expand_kwargs``."""
        with failing_at_once():
            deployment = self.open_deployment()
            names = [spec.registry_id for spec in labelled_specs(deployment, context.get("params") or {})]
        for problem in deployment.registry.problems:
            self.log.error("Left out for a fault in its file: %s", problem)
        packs = min(len(names), self.pack_limit)
        self.log.info("Endpoints with labels: %d, in tasks: %d", len(names), packs)
        return [{"endpoints": names[start::packs]} for start in range(packs)]


def labelled_specs(deployment: Deployment, params: "Mapping[str, Any]") -> tuple["EndpointSpec", ...]:
    """Return the sound endpoints with labels; of these only the param ``endpoints`` if it names any.

    RegistryError names an endpoint that was asked for and has no sound file, or no labels.
    """
    names = tuple(params.get("endpoints") or ())
    found = deployment.registry.labelled()
    without = [name for name in names if deployment.registry.require(name) not in found]
    if without:
        problems = tuple(f"{name}.yaml: ground_truth: missing; add where the labels lie" for name in without)
        raise RegistryError(str(deployment.registry.folder), problems)
    return tuple(spec for spec in found if not names or spec.registry_id in names)
