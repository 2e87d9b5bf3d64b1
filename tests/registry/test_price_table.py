"""The shipped price table is whole and dated; tiers, free parts and faults of a table."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watchkeeper.errors import RegistryError
from watchkeeper.registry.cost_estimate import COUNTED
from watchkeeper.registry.price_table import OLD_AFTER_DAYS, PriceLine, load_prices

INCLUDE = Path(__file__).parents[2] / "include"
PRICES = load_prices(INCLUDE)
LINE = {
    "unit": "metrics",
    "free": 10,
    "tiers": [{"up_to": 100, "usd": 0.3}, {"up_to": 1000, "usd": 0.1}, {"usd": 0.02}],
    "source": "https://example.com/prices",
}


def test_the_shipped_table_prices_everything_that_is_counted() -> None:
    assert set(PRICES.lines) == set(COUNTED)
    assert PRICES.base_region in PRICES.regions
    known = set(PRICES.regions)
    for line in PRICES.lines.values():
        assert set(line.region_factors) <= known
        assert line.source.startswith("https://aws.amazon.com/")


def test_tiers_are_paid_one_after_another() -> None:
    line = PriceLine.model_validate(LINE)
    assert line.usd(50, "us-east-1") == pytest.approx(15)
    assert line.usd(1500, "us-east-1") == pytest.approx(100 * 0.3 + 900 * 0.1 + 500 * 0.02)
    assert line.usd(5, "us-east-1", free=True) == 0
    assert line.usd(60, "us-east-1", free=True) == pytest.approx(15)


def test_aws_own_example_of_custom_metrics() -> None:
    # 10,000 at 0.30, the rest at 0.10.
    assert PRICES.lines["custom_metrics"].usd(12_000, "us-east-1") == pytest.approx(3_200)


@given(st.floats(0, 1e7), st.floats(0, 1e5), st.booleans())
def test_more_never_costs_less_and_no_tier_jumps(quantity: float, more: float, free: bool) -> None:
    line = PRICES.lines["custom_metrics"]
    before, after = (line.usd(count, "us-east-1", free=free) for count in (quantity, quantity + more))
    dearest = max(tier.usd for tier in line.tiers)
    assert -1e-6 <= after - before <= more * dearest + 1e-6


def test_a_region_multiplies_the_price() -> None:
    line = PRICES.lines["log_ingested_gb"]
    assert line.usd(10, "eu-west-1") == pytest.approx(line.usd(10, "us-east-1") * line.region_factors["eu-west-1"])


@pytest.mark.parametrize(
    "tiers",
    [
        [{"up_to": 10, "usd": 1}],
        [{"usd": 1}, {"usd": 2}],
        [{"up_to": 10, "usd": 1}, {"up_to": 5, "usd": 1}, {"usd": 1}],
        [{"usd": -1}],
        [],
    ],
    ids=["ends", "two-last", "falls", "negative", "none"],
)
def test_tiers_that_leave_a_gap_are_refused(tiers: list[dict[str, float]]) -> None:
    with pytest.raises(ValidationError):
        PriceLine.model_validate(LINE | {"tiers": tiers})


def test_prices_grow_old_and_say_so() -> None:
    last = PRICES.date + timedelta(days=OLD_AFTER_DAYS)
    assert PRICES.staleness(last) is None
    told = PRICES.staleness(last + timedelta(days=1))
    assert told is not None
    assert str(PRICES.date) in told


def test_the_date_is_not_in_the_future() -> None:
    assert PRICES.date <= date.today()  # noqa: DTZ011


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = (INCLUDE / "prices.yaml").read_text(encoding="utf-8")
    text = text.replace("currency: USD", "currency: EUR").replace("dashboards:\n    unit: dashboards", "dashboards:")
    (tmp_path / "prices.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError) as caught:
        load_prices(tmp_path)
    assert len(caught.value.problems) == 2
    assert "currency" in str(caught.value)
    assert "unit: missing" in str(caught.value)


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"prices\.yaml: could not be read"):
        load_prices(tmp_path)
