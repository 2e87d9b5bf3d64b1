"""What the fleet file says about cost: ceilings of all endpoints together, assumptions, retention."""

from watchkeeper.registry.spec_base import SpecModel


class FleetCostSpec(SpecModel):
    """The cost rules of the whole fleet."""
