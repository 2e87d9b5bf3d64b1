"""Finds which endpoints a run of the baseline DAG is about."""

from typing import TYPE_CHECKING, Any

from watchkeeper.errors import RegistryError, SettingsError
from watchkeeper.operators.build_baseline import source_in_file
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.monitor_spec import MonitorName


class ChooseBaselinesOperator(MonitorOperator):
    """Return the endpoints and monitors to make baselines for, as keyword arguments of ``BuildBaselineOperator``.

    The run's params decide: ``endpoints`` and ``monitors`` (none: all whose file says what their baseline is made
    from), and for a single endpoint and monitor ``dataset``, ``format``, ``import_statistics`` with
    ``import_constraints``, or ``use_version``.
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
                ("import_analysis", "import_analysis"),
                ("use_version", "use_version"),
            )
        }
        if any(source.values()) and len(names) != 1:
            raise SettingsError(
                "the params of this run",
                ("dataset, format, import_… and use_version are one endpoint's: name exactly one in endpoints",),
            )
        monitors: list[MonitorName] = list(params.get("monitors") or ())
        if any(source.values()):
            monitors = monitors or ["data_quality"]
            if len(monitors) != 1:
                raise SettingsError(
                    "the params of this run", ("a source is one monitor's: name exactly one in monitors",)
                )
        elif not names and registry.problems:
            # By name a sound endpoint may go on; "all" means all.
            raise RegistryError(str(registry.folder), registry.problems)
        specs = [registry.require(name) for name in names] or [spec for _, spec in sorted(registry.endpoints.items())]
        chosen = [
            (spec.registry_id, monitor)
            for spec in specs
            for monitor in (monitors or MONITOR_NAMES)
            if _is_wanted(spec, monitor, by_name=bool(names), by_monitor=bool(monitors))
        ]
        if not chosen:
            raise SettingsError(
                "the endpoint files",
                ("none says what its baseline is made from; add baseline.dataset, or give the param dataset",),
            )
        self.log.info("Baselines to make: %s", ", ".join(f"{name} {monitor}" for name, monitor in chosen))
        return [{"endpoint": name, "monitor": monitor, **source} for name, monitor in chosen]


def _is_wanted(spec: "EndpointSpec", monitor: "MonitorName", *, by_name: bool, by_monitor: bool) -> bool:
    """Say whether a monitor's baseline is made: where its source is known, or where it was asked for outright."""
    if not spec.periods_of(monitor):
        return False
    source, _ = source_in_file(spec, monitor)
    known = source is not None and (source.dataset is not None or source.is_import)
    return known or (by_name and (by_monitor or monitor == "data_quality"))
