"""A ceiling holds by steps taken in their order, the same every time, and never at the price of another verdict."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watchkeeper.registry.cost_degradation import CostBasis, cost_refusal, degraded, judge_cost
from watchkeeper.registry.cost_spec import CostSpec
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.monitor_spec import MONITOR_NAMES
from watchkeeper.registry.price_table import load_prices

PRICES = load_prices(Path(__file__).parents[2] / "include")
BASIS = CostBasis(PRICES)
STEPS = ("skip_empty_windows", "roll_up_metrics", "longer_cadence", "lower_sampling", "no_dashboard", "fewer_alarms")
FEATURES = [f"f{number}" for number in range(40)]


def endpoint(cost: dict[str, Any] | None = None, **changes: Any) -> EndpointSpec:
    """Return an endpoint with forty features, each with metrics of its own."""
    document: dict[str, Any] = {
        "endpoint_name": "churn",
        "owner": "me",
        "capture": {"s3_uri": "s3://bucket/x", "input_columns": FEATURES},
        "monitors": {"data_quality": {"publish_feature_metrics": True}},
        "cost": cost,
        "infrastructure": {"instance_type": "ml.m5.large"},
    }
    return EndpointSpec.model_validate(document | changes)


def test_under_the_ceiling_nothing_gives_way() -> None:
    spec = endpoint({"ceiling_usd_per_month": 1000, "on_exceed": "degrade", "degrade": ["roll_up_metrics"]})
    assert degraded(spec, BASIS) == (spec, ())
    assert degraded(endpoint(None), BASIS) == (endpoint(None), ())


def test_steps_are_taken_in_their_order_and_no_more_than_needed() -> None:
    rules = {
        "on_exceed": "degrade",
        "degrade": ["roll_up_metrics", "longer_cadence"],
        "assumptions": {"invocations_per_hour": 10},
    }
    found = judge_cost(endpoint({"ceiling_usd_per_month": 17, **rules}), BASIS)
    assert found.steps == ("roll_up_metrics",)
    assert found.exceeds is None
    assert found.predicted.usd <= 17 < found.declared.usd
    assert found.spec.cost is not None
    assert found.spec.cost.roll_up_metrics
    assert found.spec.monitors.data_quality.periods == ("hourly", "daily")
    both = judge_cost(endpoint({"ceiling_usd_per_month": 2, **rules}), BASIS)
    assert both.steps == ("roll_up_metrics", "longer_cadence")
    assert both.spec.monitors.data_quality.periods == ("daily",)


def test_sampling_falls_only_as_far_as_needed_and_not_below_the_floor() -> None:
    rules = {
        "on_exceed": "degrade",
        "degrade": ["lower_sampling"],
        "minimum_sampling_percentage": 20,
        "assumptions": {"invocations_per_hour": 500_000, "log_bytes_per_invocation": 0},
    }
    base = judge_cost(endpoint({"ceiling_usd_per_month": 1, **rules}), BASIS)
    assert base.spec.capture.sampling_percentage == 20
    assert base.exceeds is not None
    ceiling = (base.declared.usd + base.predicted.usd) / 2
    found = judge_cost(endpoint({"ceiling_usd_per_month": ceiling, **rules}), BASIS)
    percentage = found.spec.capture.sampling_percentage
    assert 20 < percentage < 100
    assert found.predicted.usd <= ceiling
    dearer = found.spec.capture.model_copy(update={"sampling_percentage": percentage + 1})
    assert BASIS.predict(found.spec.model_copy(update={"capture": dearer})).usd > ceiling


def test_warn_changes_nothing_and_says_that_it_is_exceeded() -> None:
    spec = endpoint({"ceiling_usd_per_month": 1})
    found = judge_cost(spec, BASIS)
    assert found.spec is spec
    assert found.exceeds is not None
    assert "over the ceiling of 1.00" in found.exceeds
    assert cost_refusal(spec, BASIS) is None


def test_refuse_tries_its_steps_first() -> None:
    rules = {"on_exceed": "refuse", "degrade": ["roll_up_metrics"], "assumptions": {"invocations_per_hour": 10}}
    assert cost_refusal(endpoint({"ceiling_usd_per_month": 17, **rules}), BASIS) is None
    told = cost_refusal(endpoint({"ceiling_usd_per_month": 1, **rules}), BASIS)
    assert told is not None
    assert "predicted" in told


def test_hours_that_retraining_counts_are_kept() -> None:
    retraining = {"pipeline_name": "p", "model_package_group": "g", "definition": None}
    rules = {"ceiling_usd_per_month": 1, "on_exceed": "degrade", "degrade": ["longer_cadence"]}
    spec = endpoint(rules, retraining=retraining)
    found = judge_cost(spec, BASIS)
    assert found.spec.monitors == spec.monitors
    assert "retraining counts its hours" in found.notes[1]


def test_what_gives_way_does_not_restate_a_verdict() -> None:
    rules = {
        "ceiling_usd_per_month": 1,
        "on_exceed": "degrade",
        "degrade": ["skip_empty_windows", "roll_up_metrics", "longer_cadence", "no_dashboard", "fewer_alarms"],
    }
    spec = endpoint(rules)
    found, _ = degraded(spec, BASIS)
    assert found != spec
    assert all(found.digest(monitor) == spec.digest(monitor) for monitor in MONITOR_NAMES)


@given(
    st.permutations(STEPS).flatmap(lambda steps: st.integers(1, len(steps)).map(lambda n: steps[:n])),
    st.floats(0.5, 60),
    st.sampled_from(["degrade", "refuse"]),
)
def test_degrading_never_raises_the_cost_and_is_done_once(steps: list[str], ceiling: float, on_exceed: str) -> None:
    spec = endpoint({"ceiling_usd_per_month": ceiling, "on_exceed": on_exceed, "degrade": steps})
    found = judge_cost(spec, BASIS)
    assert found.predicted.usd <= found.declared.usd + 1e-9
    assert judge_cost(spec, BASIS) == found
    assert (found.exceeds is None) == (found.predicted.usd <= ceiling)
    # What is in force already has nothing left to give.
    again = judge_cost(found.spec, BASIS)
    assert again.predicted.usd == pytest.approx(found.predicted.usd)
    assert EndpointSpec.model_validate(found.spec.model_dump()) == found.spec


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"on_exceed": "degrade", "degrade": ["roll_up_metrics"]}, "give ceiling_usd_per_month"),
        ({"ceiling_usd_per_month": 5, "on_exceed": "degrade"}, "lists no steps"),
        ({"ceiling_usd_per_month": 5, "degrade": ["roll_up_metrics"]}, "never takes"),
        ({"ceiling_usd_per_month": 0}, "greater than 0"),
        ({"ceiling_usd_per_month": 5, "on_exceed": "refuse", "degrade": ["a", "a"]}, "Input should be"),
    ],
)
def test_rules_that_cannot_hold_are_refused(rules: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CostSpec.model_validate(rules)
