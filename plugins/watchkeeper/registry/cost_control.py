"""The endpoint files under their ceilings: what is in force, what was taken away, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from watchkeeper.errors import RegistryError, SettingsError
from watchkeeper.registry.cost_degradation import CostBasis, CostVerdict, judge_cost
from watchkeeper.registry.cost_drivers import KeptDays
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.fleet_file import load_fleet
from watchkeeper.registry.fleet_spec import FleetSpec
from watchkeeper.registry.price_table import load_prices
from watchkeeper.registry.registry_files import Registry


@dataclass(frozen=True)
class CostControl:
    """A registry as ceilings leave it, and the verdict on each endpoint that has a ceiling."""

    registry: Registry
    verdicts: dict[str, CostVerdict] = field(default_factory=dict)

    def refusal(self, registry_id: str) -> str | None:
        """Return why none of an endpoint's infrastructure may be applied; ``None`` where nothing is in the way."""
        verdict = self.verdicts.get(registry_id)
        return verdict.exceeds if verdict is not None and verdict.is_refused else None


def cost_basis(include: Path, region: str | None = None) -> CostBasis:
    """Return what predictions are made with: prices and the fleet's file; RegistryError tells their faults."""
    prices, fleet = load_prices(include), load_fleet(include)
    lifecycle = fleet.infrastructure.lifecycle
    declared = fleet.cost.retention
    # What S3's own lifecycle takes away sooner is gone sooner.
    retention = declared.model_copy(
        update={
            "reports": _sooner(declared.reports, lifecycle.report_days),
            "states": _sooner(declared.states, lifecycle.state_days),
            "merged": _sooner(declared.merged, lifecycle.merged_days),
        }
    )
    return CostBasis(prices, retention, kept_of=lambda spec: kept_days(spec, fleet), region=region)


def kept_days(spec: EndpointSpec, fleet: FleetSpec) -> KeptDays:
    """Return how long an endpoint's captures and logs are kept by what infrastructure declares."""
    own, shared = spec.infrastructure, fleet.infrastructure
    group = f"/aws/sagemaker/Endpoints/{spec.endpoint_name}"
    return KeptDays(
        captures=(own and own.capture_retention_days) or shared.lifecycle.capture_days,
        logs=(own and own.log_retention_days) or shared.log_retention_days.get(group),
    )


def _sooner(*days: int | None) -> int | None:
    return min((each for each in days if each is not None), default=None)


def under_ceilings(registry: Registry, basis_of: Callable[[], CostBasis]) -> CostControl:
    """Return a registry with every endpoint as its ceiling leaves it.

    Without any ceiling neither prices nor the fleet's file are read. Where these are faulty the endpoints stay as they
    are written, and the faults join the registry's: the run goes on, and ends failed.
    """
    limited = [
        spec for spec in registry.endpoints.values() if spec.cost is not None and spec.cost.ceiling_usd_per_month
    ]
    if not limited:
        return CostControl(registry)
    try:
        basis = basis_of()
    except (RegistryError, SettingsError) as error:
        told = tuple(f"{problem} (no ceiling of cost holds)" for problem in error.problems)
        return CostControl(replace(registry, problems=(*registry.problems, *told)))
    verdicts = {spec.registry_id: judge_cost(spec, basis) for spec in limited}
    endpoints = registry.endpoints | {name: verdict.spec for name, verdict in verdicts.items()}
    return CostControl(replace(registry, endpoints=endpoints), verdicts)
