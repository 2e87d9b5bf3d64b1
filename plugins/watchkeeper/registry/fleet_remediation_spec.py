"""What the fleet file says about actions on all endpoints together: blast radius, maintenance windows."""

from watchkeeper.registry.spec_base import SpecModel


class FleetRemediationSpec(SpecModel):
    """The guards of the whole fleet."""
