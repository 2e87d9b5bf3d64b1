"""What a month costs: counts of what is made and done, priced line by line. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from watchkeeper.registry.price_table import InstanceUse, PriceTable

HOURS_PER_MONTH = 730.0
"""AWS's own month."""
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
BYTES_PER_GB = float(2**30)


@dataclass(frozen=True)
class CostDrivers:
    """How much of everything that costs money there is in a month. Each field is a line of the price table.

    Alarms count by metric: one by metric math over two metrics is two standard alarms. ``instance_hours`` is by use and
    type, such as ``hosting/ml.m5.large``.
    """

    custom_metrics: float = 0.0
    standard_alarms: float = 0.0
    high_resolution_alarms: float = 0.0
    anomaly_alarms: float = 0.0
    composite_alarms: float = 0.0
    dashboards: float = 0.0
    metric_requests: float = 0.0
    metric_data_requests: float = 0.0
    log_ingested_gb: float = 0.0
    log_stored_gb: float = 0.0
    log_scanned_gb: float = 0.0
    s3_stored_gb: float = 0.0
    s3_puts: float = 0.0
    s3_gets: float = 0.0
    sns_messages: float = 0.0
    sqs_requests: float = 0.0
    custom_events: float = 0.0
    instance_hours: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: "CostDrivers") -> "CostDrivers":
        hours = dict(self.instance_hours)
        for name, value in other.instance_hours.items():
            hours[name] = hours.get(name, 0.0) + value
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTED}
        return replace(counted_drivers(counts), instance_hours=hours)


COUNTED = tuple(each.name for each in fields(CostDrivers) if each.name != "instance_hours")
"""The drivers that are plain counts."""


@dataclass(frozen=True)
class CostLine:
    """One kind of thing, how much of it, and what it costs a month. ``unit_usd`` is the mean price of one unit."""

    item: str
    quantity: float
    unit: str
    unit_usd: float
    usd: float


@dataclass(frozen=True)
class CostEstimate:
    """What a month costs in USD: lines that cost something or are counted, and what could not be priced."""

    lines: tuple[CostLine, ...]
    notes: tuple[str, ...] = ()

    @property
    def usd(self) -> float:
        """The sum of all lines."""
        return sum(line.usd for line in self.lines)


def counted_drivers(counts: Mapping[str, float]) -> CostDrivers:
    """Return drivers of plain counts by their names; TypeError for a name that is none."""
    given: dict[str, Any] = dict(counts)
    return CostDrivers(**given)


def total_drivers(drivers: Iterable[CostDrivers]) -> CostDrivers:
    """Return all drivers together."""
    return sum(drivers, CostDrivers())


def estimate(
    drivers: CostDrivers, prices: "PriceTable", region: str | None = None, *, free: bool = False
) -> CostEstimate:
    """Return what the drivers cost a month in a region, by default the table's base region.

    ``free`` takes off what an account pays nothing for: of a whole account, not of one endpoint among others. An
    instance type or region without a price is told in the notes; the region's lines are those of the base region.
    """
    region = region or prices.base_region
    notes = []
    if region not in prices.regions:
        notes.append(f"no prices of {region} are known: those of {prices.base_region} are taken")
    lines = []
    for item in COUNTED:
        quantity = float(getattr(drivers, item))
        if quantity == 0:
            continue
        line = prices.lines.get(item)
        if line is None:
            notes.append(f"{item} ({quantity:g}) is not in the price table")
            continue
        usd = line.usd(quantity, region, free=free)
        lines.append(CostLine(item, quantity, line.unit, usd / quantity, usd))
    for name, hours in sorted(drivers.instance_hours.items()):
        use, _, instance_type = name.partition("/")
        price = prices.hour_usd(cast("InstanceUse", use), instance_type, region)
        if price is None:
            notes.append(f"no price of {instance_type} for {use} is known: {hours:,.1f} hours a month are left out")
        elif hours:
            lines.append(CostLine(name, hours, "instance hours", price, hours * price))
    return CostEstimate(tuple(lines), tuple(notes))
