"""What AWS asks for what we make and do: ``include/prices.yaml``, dated, with tiers and regions."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from watchkeeper.errors import RegistryError
from watchkeeper.registry.spec_base import FromList, HttpUrl, RegionName, SpecModel, Text
from watchkeeper.registry.spec_problems import told
from watchkeeper.registry.yaml_mapping import read_mapping

PRICES_FILE = "prices.yaml"
#: Past this age the prices are to be looked at again.
OLD_AFTER_DAYS = 180
Amount = Annotated[float, Field(ge=0)]
Day = date
Factors = dict[RegionName, Annotated[float, Field(gt=0)]]
InstanceUse = Literal["hosting", "processing", "training"]


class PriceTier(SpecModel):
    """The price of each unit up to a quantity; the last tier has no end."""

    up_to: Annotated[float, Field(gt=0)] | None = None
    usd: Amount


class PriceLine(SpecModel):
    """The price of one kind of thing: tiers by the quantity a month, in the base region."""

    unit: Text
    per: Annotated[int, Field(ge=1)] = 1
    free: Amount = 0.0
    tiers: Annotated[tuple[PriceTier, ...], FromList, Field(min_length=1)]
    region_factors: Factors = Field(default_factory=dict)
    source: HttpUrl

    @model_validator(mode="after")
    def _tiers_in_order(self) -> "PriceLine":
        ends = [tier.up_to for tier in self.tiers if tier.up_to is not None]
        if self.tiers[-1].up_to is not None or len(ends) != len(self.tiers) - 1 or ends != sorted(set(ends)):
            message = "tiers must rise, each with up_to but the last, which has none"
            raise ValueError(message)
        return self

    def usd(self, quantity: float, region: str, *, free: bool = False) -> float:
        """Return what a quantity costs a month, in USD; its free part is left out only if ``free``.

        The free part is taken off the first, dearest units, as AWS does.
        """
        start = min(self.free, quantity) if free else 0.0
        total, below = 0.0, 0.0
        for tier in self.tiers:
            end = quantity if tier.up_to is None else min(quantity, tier.up_to)
            total += max(0.0, end - max(below, start)) * tier.usd
            if tier.up_to is None or quantity <= tier.up_to:
                break
            below = tier.up_to
        return total / self.per * self.region_factors.get(region, 1.0)


class InstancePrices(SpecModel):
    """The prices of SageMaker's instances by the hour, by what they are used for."""

    region_factors: Factors = Field(default_factory=dict)
    source: HttpUrl
    hosting: dict[Text, Amount]
    processing: dict[Text, Amount]
    training: dict[Text, Amount]


class PriceTable(SpecModel):
    """All prices of one day."""

    date: Day
    currency: Literal["USD"]
    base_region: RegionName
    regions: Annotated[tuple[RegionName, ...], FromList, Field(min_length=1)]
    lines: dict[Text, PriceLine]
    instance_hours: InstancePrices

    def age_days(self, today: Day) -> int:
        """Return how old the prices are on a day."""
        return (today - self.date).days

    def staleness(self, today: Day) -> str | None:
        """Return a sentence that says that the prices are old, with the remedy; ``None`` while they are not."""
        age = self.age_days(today)
        if age <= OLD_AFTER_DAYS:
            return None
        return (
            f"{PRICES_FILE}: the prices are of {self.date}, {age} days ago; look at each line's source, correct what "
            "has changed and set date"
        )

    def hour_usd(self, use: InstanceUse, instance_type: str, region: str) -> float | None:
        """Return the price of an instance's hour in USD; ``None`` for a type that the table does not hold."""
        prices: dict[str, float] = getattr(self.instance_hours, use)
        price = prices.get(instance_type)
        return None if price is None else price * self.instance_hours.region_factors.get(region, 1.0)


def load_prices(include: Path) -> PriceTable:
    """Return the price table of the include folder; RegistryError tells every fault at once, or that it is missing."""
    path = Path(include) / PRICES_FILE
    values, faults = read_mapping(path)
    problems = [f"{PRICES_FILE}: {fault}" for fault in faults]
    try:
        table = PriceTable.model_validate(values)
    except ValidationError as error:
        if values:
            problems += [f"{PRICES_FILE}: {fault}" for fault in told(error.errors(include_url=False), PriceTable)]
        raise RegistryError(str(include), tuple(problems)) from None
    if problems:
        raise RegistryError(str(include), tuple(problems))
    return table
