"""What an endpoint does without to stay under its ceiling: its file as it is in force. Pure and deterministic.

The same files and prices give the same steps, so every task of a run sees the same endpoint. Measured traffic has no
say in it: a ceiling that gave way by yesterday's invocations would make two tasks disagree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.registry.cost_drivers import KeptDays, predicted_drivers
from watchkeeper.registry.cost_estimate import CostEstimate, estimate
from watchkeeper.registry.cost_spec import CostSpec, CostStep
from watchkeeper.registry.infrastructure_count import critical_only, infrastructure_counts
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.fleet_cost_spec import RetentionSpec
    from watchkeeper.registry.price_table import PriceTable

InfrastructureCounts = Callable[["EndpointSpec"], Mapping[str, float]]
"""What AWS shall hold for an endpoint, by the names of ``CostDrivers``."""


@dataclass(frozen=True)
class CostBasis:
    """What predictions are made with, beside an endpoint's file."""

    prices: "PriceTable"
    retention: "RetentionSpec | None" = None
    counts: InfrastructureCounts = infrastructure_counts
    kept_of: Callable[["EndpointSpec"], KeptDays] = lambda _spec: KeptDays()
    region: str | None = None

    def predict(self, spec: "EndpointSpec") -> CostEstimate:
        """Return what watching an endpoint costs a month, by itself: without what an account has free."""
        drivers = predicted_drivers(spec, self.retention, infrastructure=self.counts(spec), kept=self.kept_of(spec))
        return estimate(drivers, self.prices, spec.region_name or self.region)


@dataclass(frozen=True)
class CostVerdict:
    """An endpoint's file as it is in force, what it costs, and what was said on the way.

    ``exceeds`` says that the ceiling is exceeded even so, with both numbers; ``is_refused`` that no infrastructure of
    the endpoint is applied for it. ``declared`` is the prediction for the file as it was written.
    """

    spec: "EndpointSpec"
    declared: CostEstimate
    predicted: CostEstimate
    steps: tuple[CostStep, ...] = ()
    notes: tuple[str, ...] = ()
    exceeds: str | None = None
    is_refused: bool = False


def judge_cost(spec: "EndpointSpec", basis: CostBasis) -> CostVerdict:
    """Return an endpoint as its ceiling leaves it: steps are taken in their order until the prediction fits."""
    declared = basis.predict(spec)
    rules = spec.cost
    ceiling = rules.ceiling_usd_per_month if rules is not None else None
    if rules is None or ceiling is None or declared.usd <= ceiling:
        return CostVerdict(spec, declared, declared)
    effective, predicted = spec, declared
    steps: list[CostStep] = []
    notes = [f"predicted {declared.usd:,.2f} USD a month, the ceiling is {ceiling:,.2f}"]
    for step in rules.degrade:
        changed, what = _STEPS[step](effective, ceiling, basis)
        if changed is effective:
            notes.append(f"{step}: {what}")
            continue
        cheaper = basis.predict(changed)
        saved = predicted.usd - cheaper.usd
        notes.append(f"{step}: {what}; saves {saved:,.2f} USD a month")
        effective, predicted = changed, cheaper
        steps.append(step)
        if predicted.usd <= ceiling:
            break
    if predicted.usd <= ceiling:
        return CostVerdict(effective, declared, predicted, tuple(steps), tuple(notes))
    exceeds = f"predicted {predicted.usd:,.2f} USD a month, over the ceiling of {ceiling:,.2f}"
    is_refused = rules.on_exceed == "refuse"
    if is_refused:
        notes.append("refused: none of this endpoint's infrastructure is applied; raise the ceiling or ask for less")
    return CostVerdict(effective, declared, predicted, tuple(steps), tuple(notes), exceeds, is_refused)


def degraded(spec: "EndpointSpec", basis: CostBasis) -> "tuple[EndpointSpec, tuple[str, ...]]":
    """Return the endpoint's file as it is in force, and a sentence for each thing that was decided."""
    verdict = judge_cost(spec, basis)
    return verdict.spec, verdict.notes


def cost_refusal(spec: "EndpointSpec", basis: CostBasis) -> str | None:
    """Return why none of an endpoint's infrastructure may be applied; ``None`` where nothing is in the way."""
    verdict = judge_cost(spec, basis)
    return verdict.exceeds if verdict.is_refused else None


_Step = Callable[["EndpointSpec", float, CostBasis], "tuple[EndpointSpec, str]"]


def _skip_empty_windows(spec: "EndpointSpec", _ceiling: float, _basis: CostBasis) -> "tuple[EndpointSpec, str]":
    return _with_cost(spec, skip_empty_windows=True), "windows without traffic get neither report nor metrics"


def _roll_up_metrics(spec: "EndpointSpec", _ceiling: float, _basis: CostBasis) -> "tuple[EndpointSpec, str]":
    return _with_cost(spec, roll_up_metrics=True), "a few metrics over all features in place of some for each"


def _longer_cadence(spec: "EndpointSpec", _ceiling: float, _basis: CostBasis) -> "tuple[EndpointSpec, str]":
    counted = spec.retraining.triggers if spec.retraining is not None else None
    sections: dict[str, Any] = {}
    kept = []
    for monitor in MONITOR_NAMES:
        if "hourly" not in spec.periods_of(monitor):
            continue
        if counted is not None and counted.period == "hourly" and monitor in counted.monitors:
            kept.append(monitor)
            continue
        sections[monitor] = getattr(spec.monitors, monitor).model_copy(update={"periods": ("daily",)})
    hint = f" ({', '.join(kept)} stays hourly: retraining counts its hours)" if kept else ""
    if not sections:
        return spec, f"nothing to take{hint}"
    monitors = spec.monitors.model_copy(update=sections)
    return spec.model_copy(update={"monitors": monitors}), f"{', '.join(sections)} judges days only{hint}"


def _lower_sampling(spec: "EndpointSpec", ceiling: float, basis: CostBasis) -> "tuple[EndpointSpec, str]":
    """Take the highest percentage that fits, or the floor."""
    highest = spec.capture.sampling_percentage
    lowest = spec.cost.minimum_sampling_percentage if spec.cost is not None else highest
    if lowest >= highest:
        return spec, f"nothing to take: {highest} % is not above the minimum of {lowest} %"

    def sampled(percentage: int) -> "EndpointSpec":
        capture = spec.capture.model_copy(update={"sampling_percentage": percentage})
        return spec.model_copy(update={"capture": capture})

    low, high = lowest, highest - 1
    while low < high:  # the cost rises with the percentage
        middle = (low + high + 1) // 2
        if basis.predict(sampled(middle)).usd <= ceiling:
            low = middle
        else:
            high = middle - 1
    return sampled(low), f"capture keeps {low} % of invocations in place of {highest} %"


def _no_dashboard(spec: "EndpointSpec", _ceiling: float, _basis: CostBasis) -> "tuple[EndpointSpec, str]":
    section = spec.wanted_infrastructure
    if section is None or not section.dashboard:
        return spec, "nothing to take: the file asks for no dashboard"
    changed = section.model_copy(update={"dashboard": False})
    return spec.model_copy(update={"infrastructure": changed}), "no dashboard of its own; the fleet's shows it"


def _fewer_alarms(spec: "EndpointSpec", _ceiling: float, _basis: CostBasis) -> "tuple[EndpointSpec, str]":
    section = spec.wanted_infrastructure
    changed = critical_only(section) if section is not None else None
    if changed is section:
        return spec, "nothing to take: the file asks for no alarms but critical ones"
    return spec.model_copy(update={"infrastructure": changed}), "critical alarms and the incident only"


_STEPS: dict[CostStep, _Step] = {
    "skip_empty_windows": _skip_empty_windows,
    "roll_up_metrics": _roll_up_metrics,
    "longer_cadence": _longer_cadence,
    "lower_sampling": _lower_sampling,
    "no_dashboard": _no_dashboard,
    "fewer_alarms": _fewer_alarms,
}


def _with_cost(spec: "EndpointSpec", **changes: Any) -> "EndpointSpec":
    cost = spec.cost or CostSpec()
    return spec.model_copy(update={"cost": cost.model_copy(update=changes)})
