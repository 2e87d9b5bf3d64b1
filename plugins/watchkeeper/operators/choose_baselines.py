"""Finds which endpoints a run of the baseline DAG is about."""

from typing import TYPE_CHECKING, Any

from watchkeeper.errors import RegistryError, SettingsError
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from airflow.sdk import Context


class ChooseBaselinesOperator(MonitorOperator):
    """Return the endpoints to make baselines for, as keyword arguments of ``BuildBaselineOperator``.

    The run's params decide: ``endpoints`` (none: all whose file says what their baseline is made from), and for a
    single endpoint ``dataset``, ``format``, ``import_statistics`` with ``import_constraints``, or ``use_version``.
    """

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Return one mapping per endpoint; AirflowFailException names every fault."""
        with failing_at_once():
            return self._choose(dict(context.get("params") or {}))

    def _choose(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        registry = self.open_deployment().registry
        names = list(params.get("endpoints") or ())
        source = {
            name: params.get(key) or None
            for name, key in (
                ("dataset", "dataset"),
                ("dataset_format", "format"),
                ("import_statistics", "import_statistics"),
                ("import_constraints", "import_constraints"),
                ("use_version", "use_version"),
            )
        }
        if any(source.values()) and len(names) != 1:
            raise SettingsError(
                "the params of this run",
                ("dataset, format, import_… and use_version are one endpoint's: name exactly one in endpoints",),
            )
        if names:
            chosen = [registry.require(name).registry_id for name in names]
        else:
            chosen = [name for name, spec in sorted(registry.endpoints.items()) if spec.baseline is not None]
            if registry.problems:
                # By name a sound endpoint may go on; "all" means all.
                raise RegistryError(str(registry.folder), registry.problems)
        if not chosen:
            raise SettingsError(
                "the endpoint files",
                ("none says what its baseline is made from; add baseline.dataset, or give the param dataset",),
            )
        self.log.info("Baselines to make: %s", ", ".join(chosen))
        return [{"endpoint": name, **source} for name in chosen]
