"""Alarms are counted as CloudWatch bills them, and only critical ones are left where few must do."""

from typing import Any

import pytest

from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.infrastructure_count import critical_only, infrastructure_counts


def endpoint(infrastructure: dict[str, Any] | None, **changes: Any) -> EndpointSpec:
    document = {"endpoint_name": "churn", "owner": "me", "capture": {"s3_uri": "s3://bucket/x"}}
    return EndpointSpec.model_validate(document | {"infrastructure": infrastructure} | changes)


def test_without_the_section_there_is_nothing() -> None:
    assert infrastructure_counts(endpoint(None)) == {}


def test_the_standard_alarms_count_by_metric() -> None:
    counts = infrastructure_counts(endpoint({}))
    # Three utilizations, missing invocations, three shares of two metrics, three latencies, violations and drift of
    # the one monitor; quality looks at a monitor that is not there.
    assert counts["standard_alarms"] == 3 + 1 + 6 + 3 + 2
    assert counts["composite_alarms"] == counts["dashboards"] == 1
    assert counts["anomaly_alarms"] == counts["high_resolution_alarms"] == 0


def test_each_variant_has_its_own_alarms() -> None:
    one, two = (infrastructure_counts(endpoint({}, variants=names)) for names in (["blue"], ["blue", "green"]))
    assert two["standard_alarms"] == 2 * one["standard_alarms"]
    assert two["dashboards"] == one["dashboards"]


def test_an_alarm_with_its_own_dimensions_is_one_for_all_variants() -> None:
    own = {"metric": "Depth", "namespace": "Shop", "statistic": "Sum", "threshold_value": 1, "dimensions": {"Q": "a"}}
    plain, more = (
        infrastructure_counts(endpoint({"alarms": alarms}, variants=["blue", "green"])) for alarms in ({}, {"own": own})
    )
    assert more["standard_alarms"] == plain["standard_alarms"] + 1


def test_drift_is_data_qualitys_alone_as_its_alarm_is() -> None:
    plain = infrastructure_counts(endpoint({}))["standard_alarms"]
    explained = endpoint({}, monitors={"explainability": {}})
    assert explained.periods_of("explainability")
    # Only the alarm over the violations of all monitors looks at one more.
    assert infrastructure_counts(explained)["standard_alarms"] == plain + 1


def test_kinds_that_cost_more_are_told_apart() -> None:
    plain = infrastructure_counts(endpoint({}))
    learnt = infrastructure_counts(endpoint({"anomaly_detection": True}))
    assert learnt["anomaly_alarms"] == 3
    assert learnt["standard_alarms"] == plain["standard_alarms"] - 3
    fast = infrastructure_counts(endpoint({"alarms": {"cpu_utilization": {"period_seconds": 10}}}))
    assert fast["high_resolution_alarms"] == 1


@pytest.mark.parametrize(("instance", "more"), [("ml.m5.large", 0), ("ml.g4dn.xlarge", 2)])
def test_gpus_have_alarms_where_there_are_some(instance: str, more: int) -> None:
    plain = infrastructure_counts(endpoint({}))["standard_alarms"]
    assert infrastructure_counts(endpoint({"instance_type": instance}))["standard_alarms"] == plain + more


def test_only_critical_alarms_are_left() -> None:
    spec = endpoint({"alarms": {"model_latency_p95": {"severity": "critical"}}})
    assert spec.infrastructure is not None
    left = critical_only(spec.infrastructure)
    assert {rule.condition for rule in left.alarm_rules()} == {"server_errors", "model_errors", "model_latency_p95"}
    assert critical_only(left) is left
    assert left.incident == spec.infrastructure.incident
