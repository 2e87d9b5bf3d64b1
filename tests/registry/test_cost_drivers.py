"""What an endpoint's file predicts: counts that can be checked by hand, and laws about more of anything."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.cost_drivers import (
    SUMMARY_METRICS,
    KeptDays,
    ObservedTraffic,
    own_metric_count,
    predicted_drivers,
)
from watchkeeper.registry.cost_estimate import COUNTED, CostDrivers
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.fleet_cost_spec import RetentionSpec

LABELS = {"s3_uri": "s3://labels/x", "horizon_days": 14}
QUALITY = {
    "problem_type": "Regression",
    "inference_attribute": "0",
    "ground_truth_attribute": "label",
    "publish_model_metrics": True,
    "periods": ["daily"],
}


def endpoint(**changes: Any) -> EndpointSpec:
    document: dict[str, Any] = {
        "endpoint_name": "churn",
        "owner": "me",
        "capture": {"s3_uri": "s3://bucket/x", "input_columns": ["a", "b", "c"], "output_columns": ["y"]},
    }
    return EndpointSpec.model_validate(document | changes)


def all_of(drivers: CostDrivers) -> list[float]:
    return [*(getattr(drivers, name) for name in COUNTED), *drivers.instance_hours.values()]


def test_summaries_count_by_variant_and_schedule_and_a_daily_point_is_one_hour_in_24() -> None:
    drivers = predicted_drivers(endpoint(variants=["blue", "green"]))
    five = SUMMARY_METRICS["data_quality"]
    assert drivers.custom_metrics == pytest.approx(2 * five + 2 * five / 24)


def test_metrics_of_features_are_three_each_whatever_the_variants() -> None:
    monitors = {"data_quality": {"publish_feature_metrics": True, "periods": ["hourly"]}}
    many = predicted_drivers(endpoint(monitors=monitors, variants=["blue", "green"]))
    none = predicted_drivers(endpoint(monitors={"data_quality": {"periods": ["hourly"]}}, variants=["blue", "green"]))
    assert many.custom_metrics - none.custom_metrics == pytest.approx(3 * 4)
    rolled = predicted_drivers(endpoint(monitors=monitors, variants=["blue", "green"], cost={"roll_up_metrics": True}))
    assert rolled.custom_metrics - none.custom_metrics == pytest.approx(3)


def test_own_metrics_of_the_other_monitors() -> None:
    spec = endpoint(
        ground_truth=LABELS,
        monitors={
            "model_quality": QUALITY,
            "bias": {
                "facets": [{"name": "a", "values_or_threshold": [1, 2]}, {"name": "b", "values_or_threshold": [3]}],
                "label_values_or_threshold": [1],
                "publish_bias_metrics": True,
            },
            "explainability": {"publish_attribution_metrics": True},
        },
    )
    counts = {name: own_metric_count(spec, name) for name in SUMMARY_METRICS}
    # Four metrics of a regression beside the constant predictor's, and violations; 21 of each of three groups.
    assert counts == {"data_quality": 0, "model_quality": 9, "bias": 63, "explainability": 5}


def test_what_captures_take() -> None:
    spec = endpoint(
        capture={"s3_uri": "s3://bucket/x", "sampling_percentage": 50},
        monitors={"data_quality": {"enabled": False}},
        cost={"assumptions": {"invocations_per_hour": 2**20, "bytes_per_record": 1024}},
    )
    drivers = predicted_drivers(spec, kept=KeptDays(captures=730 / 24, logs=730 / 24))
    assert drivers.s3_stored_gb == pytest.approx(730 / 2)
    assert drivers.s3_puts == pytest.approx(60 * 730)
    assert drivers.log_ingested_gb == pytest.approx(2**20 * 730 * 200 / 2**30)
    assert drivers.log_stored_gb == pytest.approx(drivers.log_ingested_gb)
    assert drivers.custom_metrics == 0


def test_a_few_invocations_write_no_more_files_than_there_are() -> None:
    spec = endpoint(cost={"assumptions": {"invocations_per_hour": 2}}, monitors={"data_quality": {"enabled": False}})
    assert predicted_drivers(spec).s3_puts == pytest.approx(2 * 730)


def test_what_was_observed_stands_in_for_what_is_not_assumed() -> None:
    seen = ObservedTraffic(invocations_per_hour=50, bytes_per_record=100)
    assumed = {"assumptions": {"invocations_per_hour": 50.0, "bytes_per_record": 100.0}}
    assert predicted_drivers(endpoint(), observed=seen) == predicted_drivers(endpoint(cost=assumed))
    written = endpoint(cost={"assumptions": {"invocations_per_hour": 7.0, "bytes_per_record": 9.0}})
    assert predicted_drivers(written, observed=seen) == predicted_drivers(written)


def test_shadow_endpoints_and_trainings_are_hours() -> None:
    spec = endpoint(
        monitors={
            "data_quality": {"enabled": False},
            "explainability": {"periods": ["daily"], "model": {"shadow": {"instance_type": "ml.c5.large"}}},
        },
        retraining={
            "pipeline_name": "p",
            "model_package_group": "g",
            "definition": None,
            "mode": "automatic",
            "maximum_per_month": 3,
            "parameters": {"InstanceType": "ml.m5.4xlarge"},
        },
        cost={"assumptions": {"shadow_minutes_per_window": 30, "training_hours_per_attempt": 2}},
    )
    assert predicted_drivers(spec).instance_hours == pytest.approx(
        {"hosting/ml.c5.large": 730 / 24 / 2, "training/ml.m5.4xlarge": 6}
    )
    dry = spec.model_copy(update={"retraining": spec.retraining.model_copy(update={"mode": "dry_run"})})  # type: ignore[union-attr]
    assert "training/ml.m5.4xlarge" not in predicted_drivers(dry).instance_hours


def test_skipped_windows_are_not_metered() -> None:
    quiet = {"assumptions": {"traffic_hours_share": 0.25}}
    monitors = {"data_quality": {"periods": ["hourly"]}}
    whole = predicted_drivers(endpoint(cost=quiet, monitors=monitors))
    skipped = predicted_drivers(endpoint(cost=quiet | {"skip_empty_windows": True}, monitors=monitors))
    assert skipped.custom_metrics == pytest.approx(whole.custom_metrics / 4)


def test_infrastructure_is_added_as_it_is_counted() -> None:
    counts = {"standard_alarms": 9.0, "dashboards": 1.0, "composite_alarms": 1.0}
    drivers = predicted_drivers(endpoint(), infrastructure=counts)
    assert {name: getattr(drivers, name) for name in counts} == counts


@given(
    st.floats(0, 1e6), st.floats(1, 1e5), st.integers(1, 100), st.integers(1, 500), st.floats(0, 1), st.integers(1, 900)
)
def test_more_traffic_features_or_retention_is_never_less(
    invocations: float, length: float, sampling: int, features: int, share: float, days: int
) -> None:
    def drivers(**more: float) -> list[float]:
        assumptions = {
            "invocations_per_hour": invocations + more.get("invocations", 0),
            "bytes_per_record": length + more.get("length", 0),
            "features": features + int(more.get("features", 0)),
            "traffic_hours_share": share,
        }
        spec = endpoint(
            capture={"s3_uri": "s3://bucket/x", "sampling_percentage": sampling},
            monitors={"data_quality": {"publish_feature_metrics": True}},
            cost={"assumptions": assumptions},
        )
        kept = days + int(more.get("days", 0))
        return all_of(predicted_drivers(spec, RetentionSpec(reports=kept, states=kept), kept=KeptDays(kept, kept)))

    base = drivers()
    for more in ("invocations", "length", "features", "days"):
        assert all(after >= before for before, after in zip(base, drivers(**{more: 10}), strict=True))
