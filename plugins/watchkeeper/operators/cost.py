"""``python -m watchkeeper.operators.cost``: what watching each endpoint will cost a month, before anything is applied.

Reads files only and asks nothing of AWS.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watchkeeper.errors import WatchkeeperError
from watchkeeper.registry.cost_control import cost_basis, under_ceilings
from watchkeeper.registry.cost_degradation import CostBasis, CostVerdict, judge_cost
from watchkeeper.registry.cost_drivers import predicted_drivers
from watchkeeper.registry.cost_estimate import CostEstimate, estimate, total_drivers
from watchkeeper.registry.deployment_settings import environment_name
from watchkeeper.registry.fleet_file import load_fleet
from watchkeeper.registry.include_folder import find_include
from watchkeeper.registry.registry_files import Registry, load_registry

_SHOWN = 6


def main(arguments: list[str] | None = None) -> int:
    """Print the prediction; return 1 where a ceiling is exceeded or a file is faulty, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m watchkeeper.operators.cost", description=__doc__)
    parser.add_argument("endpoints", nargs="*", help="only these, by their file's name, with every line")
    parser.add_argument("--folder", type=Path, help="the endpoint files; default: those of the deployment")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args(arguments)
    configured = os.environ.get(environment_name("endpoints"), "").strip()
    region = os.environ.get(environment_name("region_name"), "").strip() or None
    try:
        include = find_include()
        basis, fleet = cost_basis(include, region), load_fleet(include).cost
        folder = options.folder or (Path(configured) if configured else include / "endpoints")
        registry = load_registry(folder)
        chosen = [registry.require(name) for name in options.endpoints] or list(registry.endpoints.values())
    except WatchkeeperError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    control = under_ceilings(registry, lambda: basis)
    verdicts = {
        spec.registry_id: control.verdicts.get(spec.registry_id) or judge_cost(spec, basis)
        for spec in sorted(chosen, key=lambda spec: spec.registry_id)
    }
    together = fleet_estimate(verdicts.values(), basis)
    if options.json:
        _say(json.dumps(_document(verdicts, together), indent=2))
    else:
        _say(prediction_table(verdicts, together, every_line=bool(options.endpoints)))
        stale = basis.prices.staleness(datetime.now(UTC).date())
        if stale:
            _say(f"warning: {stale}")
    return _status(registry, verdicts, fleet.ceiling_usd_per_month, together, whole=not options.endpoints)


def fleet_estimate(verdicts: Iterable[CostVerdict], basis: CostBasis) -> CostEstimate:
    """Return what endpoints cost together: by tiers, and without what an account has free."""
    drivers = total_drivers(
        predicted_drivers(
            verdict.spec,
            basis.retention,
            infrastructure=basis.counts(verdict.spec),
            kept=basis.kept_of(verdict.spec),
        )
        for verdict in verdicts
    )
    return estimate(drivers, basis.prices, basis.region, free=True)


def prediction_table(verdicts: dict[str, CostVerdict], together: CostEstimate, *, every_line: bool = False) -> str:
    """Return the prediction as a table: each endpoint with its dearest lines, or with all, then all together."""
    width = max((len(name) for name in verdicts), default=8)
    rows = [f"{'endpoint':<{width}} {'USD a month':>12} {'ceiling':>10}  what it is made of"]
    for name, verdict in verdicts.items():
        rules = verdict.spec.cost
        ceiling = rules.ceiling_usd_per_month if rules is not None else None
        limit = "none" if ceiling is None else f"{ceiling:,.2f}"
        rows.append(f"{name:<{width}} {verdict.predicted.usd:>12,.2f} {limit:>10}  {_dearest(verdict.predicted)}")
        rows += [f"{'':<{width}}   {note}" for note in (*verdict.notes, *verdict.predicted.notes)]
        rows += [f"{'':<{width}}   {verdict.exceeds}"] if verdict.exceeds else []
        rows += [
            f"{'':<{width}} {line.usd:>12,.2f}             {line.item}: {line.quantity:,.2f} {line.unit}"
            for line in (verdict.predicted.lines if every_line else ())
        ]
    rows.append(f"{'together':<{width}} {together.usd:>12,.2f}             by tiers, without what an account has free")
    return "\n".join(rows)


def _dearest(found: CostEstimate) -> str:
    lines = sorted(found.lines, key=lambda line: -line.usd)[:_SHOWN]
    return ", ".join(f"{line.item} {line.usd:,.2f}" for line in lines if line.usd >= 0.005)


def _document(verdicts: dict[str, CostVerdict], together: CostEstimate) -> dict[str, Any]:
    return {
        "endpoints": {
            name: {
                "declared_usd": verdict.declared.usd,
                "predicted_usd": verdict.predicted.usd,
                "lines": [vars(line) for line in verdict.predicted.lines],
                "steps": list(verdict.steps),
                "notes": [*verdict.notes, *verdict.predicted.notes],
                "exceeds": verdict.exceeds,
                "refused": verdict.is_refused,
            }
            for name, verdict in verdicts.items()
        },
        "together_usd": together.usd,
    }


def _status(
    registry: Registry,
    verdicts: dict[str, CostVerdict],
    ceiling: float | None,
    together: CostEstimate,
    *,
    whole: bool,
) -> int:
    for problem in registry.problems:
        print(problem, file=sys.stderr)  # noqa: T201
    is_over = whole and ceiling is not None and together.usd > ceiling
    if is_over:
        _say(f"all together are over the fleet's ceiling of {ceiling:,.2f} USD a month")
    return int(is_over or bool(registry.problems) or any(verdict.exceeds for verdict in verdicts.values()))


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    sys.exit(main())
