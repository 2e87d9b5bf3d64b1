"""What an endpoint file says about its alarms, its dashboard and its logs."""

from watchkeeper.registry.spec_base import SpecModel


class InfrastructureSpec(SpecModel):
    """What AWS shall hold for one endpoint: alarms, a dashboard, how long logs are kept."""
