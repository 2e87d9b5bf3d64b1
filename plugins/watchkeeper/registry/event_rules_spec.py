"""What the fleet file says about platform events: which are told, what they start, and deadlines."""

from watchkeeper.registry.spec_base import SpecModel


class EventRulesSpec(SpecModel):
    """The rules of platform events."""
