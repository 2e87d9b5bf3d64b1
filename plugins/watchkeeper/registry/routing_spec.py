"""What the fleet file says about who is told, how, and what is silent until when."""

from watchkeeper.registry.spec_base import SpecModel


class RoutingSpec(SpecModel):
    """Routes of messages, silences, reminders and exports."""
