"""What the fleet file says about what AWS shall hold for all endpoints together."""

from watchkeeper.registry.spec_base import SpecModel


class FleetInfrastructureSpec(SpecModel):
    """The fleet's dashboard, lifecycles, log retention and event rules."""
