"""What an endpoint file says about its cost: the ceiling, and what gives way at it."""

from watchkeeper.registry.spec_base import SpecModel


class CostSpec(SpecModel):
    """The cost ceiling of one endpoint."""
