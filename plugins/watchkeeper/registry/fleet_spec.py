"""What ``include/fleet.yaml`` says about all endpoints together."""

from pydantic import Field

from watchkeeper.registry.event_rules_spec import EventRulesSpec
from watchkeeper.registry.fleet_cost_spec import FleetCostSpec
from watchkeeper.registry.fleet_infrastructure_spec import FleetInfrastructureSpec
from watchkeeper.registry.fleet_remediation_spec import FleetRemediationSpec
from watchkeeper.registry.routing_spec import RoutingSpec
from watchkeeper.registry.spec_base import SpecModel


class FleetSpec(SpecModel):
    """What holds for the fleet rather than for one endpoint. Every section may be left out."""

    infrastructure: FleetInfrastructureSpec = Field(
        default_factory=FleetInfrastructureSpec,
        description="What AWS shall hold for all endpoints together.",
    )
    remediation: FleetRemediationSpec = Field(
        default_factory=FleetRemediationSpec,
        description="Guards over the actions on all endpoints.",
    )
    routing: RoutingSpec = Field(
        default_factory=RoutingSpec,
        description="Who is told, through which channel, and what is silent until when.",
    )
    events: EventRulesSpec = Field(
        default_factory=EventRulesSpec,
        description="What follows from platform events, and deadlines of pipelines.",
    )
    cost: FleetCostSpec = Field(
        default_factory=FleetCostSpec,
        description="Ceilings and assumptions of cost, and how long data are kept.",
    )
