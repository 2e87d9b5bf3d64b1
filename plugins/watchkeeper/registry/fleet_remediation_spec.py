"""What the fleet file says about actions on all endpoints together: blast radius, maintenance windows."""

import math
from typing import Annotated

from pydantic import Field

from watchkeeper.registry.infrastructure_spec import MuteWindows
from watchkeeper.registry.spec_base import Share, SpecModel


class FleetRemediationSpec(SpecModel):
    """The guards of the whole fleet: what may be wrong with our own judgement must not reach everywhere at once."""

    enabled: bool = Field(
        default=True,
        description="false: every endpoint's mode is dry_run, whatever its file says.",
        examples=[False],
    )
    maximum_endpoints_at_once: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=2,
        description="At most so many endpoints are acted on at the same time.",
        examples=[2],
    )
    maximum_endpoints_per_hour: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5,
        description="At most so many endpoints are acted on within any hour.",
        examples=[5],
    )
    maximum_fleet_share: Share = Field(
        default=0.25,
        description="At most this share of all endpoints is acted on within any hour; one always may be.",
        examples=[0.1],
    )
    maintenance_windows: MuteWindows = Field(
        default_factory=dict,
        description="When nothing is done to any endpoint.",
    )

    def at_once(self, fleet_size: int) -> int:
        """Return how many endpoints may be acted on at the same time in a fleet of this size."""
        return min(self.maximum_endpoints_at_once, self._share_of(fleet_size))

    def per_hour(self, fleet_size: int) -> int:
        """Return how many endpoints may be acted on within an hour in a fleet of this size."""
        return min(self.maximum_endpoints_per_hour, self._share_of(fleet_size))

    def _share_of(self, fleet_size: int) -> int:
        return max(1, math.floor(self.maximum_fleet_share * fleet_size))
