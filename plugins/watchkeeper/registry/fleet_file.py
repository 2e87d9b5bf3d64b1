"""The fleet's file: read whole, with every fault named."""

from pathlib import Path

from pydantic import ValidationError

from watchkeeper.errors import RegistryError
from watchkeeper.registry.fleet_spec import FleetSpec
from watchkeeper.registry.spec_problems import told
from watchkeeper.registry.yaml_mapping import EMPTY_FILE, read_mapping

FLEET_FILE = "fleet.yaml"


def load_fleet(include: Path) -> FleetSpec:
    """Return what ``fleet.yaml`` of the include folder says; all defaults if there is no such file.

    RegistryError tells every fault at once.
    """
    path = Path(include) / FLEET_FILE
    if not path.is_file():
        return FleetSpec()
    values, faults = read_mapping(path)
    problems = [f"{FLEET_FILE}: {fault}" for fault in faults if fault != EMPTY_FILE]
    try:
        fleet = FleetSpec.model_validate(values)
    except ValidationError as error:
        problems += [f"{FLEET_FILE}: {fault}" for fault in told(error.errors(include_url=False), FleetSpec)]
    if problems:
        raise RegistryError(str(include), tuple(problems))
    return fleet
