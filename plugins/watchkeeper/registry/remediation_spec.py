"""What an endpoint file says must follow from which alarms, and within which guards."""

from watchkeeper.registry.spec_base import SpecModel


class RemediationSpec(SpecModel):
    """The remediation policy of one endpoint."""
