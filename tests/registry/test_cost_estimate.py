"""Laws of an estimate: lines sum to the total, no driver lowers it, together is not dearer than apart."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.cost_estimate import COUNTED, CostDrivers, estimate, total_drivers
from watchkeeper.registry.price_table import load_prices

PRICES = load_prices(Path(__file__).parents[2] / "include")
COUNTS = st.floats(0, 1e6, allow_subnormal=False)
HOURS = st.dictionaries(
    st.sampled_from(["hosting/ml.m5.large", "training/ml.p3.2xlarge", "processing/ml.t3.medium"]), st.floats(0, 1e4)
)
DRIVERS = st.builds(CostDrivers, **dict.fromkeys(COUNTED, COUNTS), instance_hours=HOURS)
REGIONS = st.sampled_from(PRICES.regions)


@given(DRIVERS, REGIONS, st.booleans())
def test_the_total_is_the_sum_of_lines_that_are_quantity_times_price(
    drivers: CostDrivers, region: str, free: bool
) -> None:
    found = estimate(drivers, PRICES, region, free=free)
    assert found.usd == pytest.approx(sum(line.usd for line in found.lines))
    for line in found.lines:
        assert line.usd == pytest.approx(line.quantity * line.unit_usd)
        assert line.usd >= 0
    assert found.notes == ()


@given(DRIVERS, st.sampled_from(COUNTED), COUNTS, REGIONS, st.booleans())
def test_no_driver_lowers_the_cost(drivers: CostDrivers, name: str, more: float, region: str, free: bool) -> None:
    raised = replace(drivers, **{name: getattr(drivers, name) + more})
    before, after = (estimate(each, PRICES, region, free=free).usd for each in (drivers, raised))
    assert after >= before - 1e-6 * max(1.0, before)


@given(st.lists(DRIVERS, max_size=4), REGIONS)
def test_together_costs_at_most_what_each_costs_alone(drivers: list[CostDrivers], region: str) -> None:
    apart = sum(estimate(each, PRICES, region).usd for each in drivers)
    together = estimate(total_drivers(drivers), PRICES, region)
    assert together.usd <= apart * (1 + 1e-9) + 1e-6
    assert estimate(total_drivers(drivers), PRICES, region, free=True).usd <= together.usd + 1e-6


def test_the_lines_of_the_price_list() -> None:
    drivers = CostDrivers(
        custom_metrics=20,
        standard_alarms=4,
        composite_alarms=1,
        anomaly_alarms=1,
        dashboards=1,
        log_ingested_gb=2,
        instance_hours={"hosting/ml.m5.large": 10},
    )
    found = {line.item: round(line.usd, 2) for line in estimate(drivers, PRICES).lines}
    assert found == {
        "custom_metrics": 6.0,
        "standard_alarms": 0.4,
        "anomaly_alarms": 0.3,
        "composite_alarms": 0.5,
        "dashboards": 3.0,
        "log_ingested_gb": 1.0,
        "hosting/ml.m5.large": 1.15,
    }


def test_what_has_no_price_is_told_and_left_out() -> None:
    found = estimate(CostDrivers(dashboards=1, instance_hours={"hosting/ml.z9": 5}), PRICES, "sa-east-1")
    assert found.usd == 3.0
    assert found.notes == (
        "no prices of sa-east-1 are known: those of us-east-1 are taken",
        "no price of ml.z9 for hosting is known: 5.0 hours a month are left out",
    )
