"""``python -m watchkeeper.operators.check_endpoints``: every fault of every endpoint file and of the fleet's file.

The registry knows what a file may say; whether paths, templates and Clarify's configurations can be read is known to
the analysis alone, and whether a channel's provider is there to Airflow. Nothing that looks like a secret may stand in
any of them.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.errors import RegistryError, WatchkeeperError
from watchkeeper.operators.attribution_rules import attribution_rules, request_format
from watchkeeper.operators.bias_rules import bias_attributes
from watchkeeper.operators.notice_channels import provider_missing
from watchkeeper.operators.quality_rules import quality_attributes
from watchkeeper.registry.deployment_settings import environment_name
from watchkeeper.registry.fleet_file import FLEET_FILE, load_fleet
from watchkeeper.registry.include_folder import find_include
from watchkeeper.registry.notice_routing import Channel, expired_silences
from watchkeeper.registry.price_table import load_prices
from watchkeeper.registry.registry_files import load_registry
from watchkeeper.registry.remedied_alarms import misspelt_alarms
from watchkeeper.registry.secret_scan import secret_findings

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_TEXTS = frozenset({".yaml", ".yml", ".json"})
_READINGS: dict[str, tuple[Callable[["EndpointSpec"], object], ...]] = {
    "model_quality": (quality_attributes,),
    "bias": (bias_attributes,),
    "explainability": (attribution_rules, request_format),
}


def endpoint_faults(folder: Path) -> tuple[int, tuple[str, ...]]:
    """Return how many endpoint files a folder has that can be used, and every fault of all files."""
    registry = load_registry(folder)
    found = {name: tuple(_rule_faults(spec)) for name, spec in sorted(registry.endpoints.items())}
    faults = (
        *registry.problems,
        *(fault for told in found.values() for fault in told),
        *secret_faults(sorted(path for path in folder.glob("*") if path.suffix in _TEXTS)),
    )
    return sum(not told for told in found.values()), faults


def fleet_faults(include: Path, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return every fault of the fleet's file, and what is no fault but misleads: silences that are over."""
    secrets = tuple(secret_faults([include / FLEET_FILE]))
    try:
        routing = load_fleet(include).routing
    except RegistryError as error:
        return (*error.problems, *secrets), ()
    channels = (Channel(name, spec) for name, spec in routing.channels.items())
    missing = tuple(f"{FLEET_FILE}: routing.channels: {why}" for one in channels if (why := provider_missing(one)))
    return (*missing, *secrets), tuple(f"{FLEET_FILE}: {told}" for told in expired_silences(routing, now))


def secret_faults(paths: Iterable[Path]) -> Iterator[str]:
    """Yield where files hold what looks like a secret: file, line and sort, never the value."""
    for path in paths:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from (f"{path.name}: {finding}" for finding in secret_findings(text))


def _rule_faults(spec: "EndpointSpec") -> Iterator[str]:
    told = set()
    for monitor, readings in _READINGS.items():
        for read in readings if getattr(spec.monitors, monitor) is not None else ():
            try:
                read(spec)
            except (WatchkeeperError, ValueError) as error:
                text = " ".join(str(error).removeprefix(f"{spec.registry_id}: ").split())
                told.add(text if text.startswith("monitors.") else f"monitors.{monitor}: {text}")
    told.update(misspelt_alarms(spec))
    yield from (f"{spec.registry_id}.yaml: {text}" for text in sorted(told))


def price_warning(include: Path, today: date) -> str | None:
    """Return why the price table is to be looked at: its age, or that it cannot be read. It refuses nothing."""
    try:
        return load_prices(include).staleness(today)
    except RegistryError as error:
        return f"{error}\nWithout it no cost is told, and no ceiling holds."


def main(arguments: list[str] | None = None) -> int:
    """Print every fault and return 1, or say that all is sound and return 0."""
    import os

    parser = argparse.ArgumentParser(prog="python -m watchkeeper.operators.check_endpoints", description=__doc__)
    parser.add_argument("--folder", type=Path, help="the endpoint files; default: those of the deployment")
    given = parser.parse_args(arguments).folder
    configured = os.environ.get(environment_name("endpoints"), "").strip()
    folder = given or (Path(configured) if configured else find_include() / "endpoints")
    count, faults = endpoint_faults(folder)
    # Of this deployment, not of any folder that is looked at.
    if not given:
        now = datetime.now(UTC)
        fleet, warnings = fleet_faults(find_include(), now)
        faults = (*faults, *fleet)
        for warning in (price_warning(find_include(), now.date()), *warnings):
            if warning:
                print(f"warning: {warning}", file=sys.stderr)  # noqa: T201
    if faults:
        print(RegistryError(str(folder), faults), file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    print(f"{count} endpoint file{' is' if count == 1 else 's are'} sound{'' if given else ', and the fleet'}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
