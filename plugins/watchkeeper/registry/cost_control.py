"""The endpoint files under their ceilings: what is in force, what was taken away, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from watchkeeper.errors import RegistryError, SettingsError
from watchkeeper.registry.cost_degradation import CostBasis, CostVerdict, judge_cost
from watchkeeper.registry.fleet_file import load_fleet
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
    return CostBasis(prices, fleet.cost.retention, region=region)


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
