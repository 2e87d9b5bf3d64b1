"""Alarms as files declare them: standard ones without a word, thresholds in their own units, faults told at once."""

import pytest
from pydantic import ValidationError

from watchkeeper.registry.alarm_condition import ALARM_CONDITIONS, GPU_CONDITIONS
from watchkeeper.registry.fleet_infrastructure_spec import STANDARD_SILENCES, FleetInfrastructureSpec
from watchkeeper.registry.infrastructure_spec import InfrastructureSpec
from watchkeeper.registry.instance_type import cpu_count, gpu_count


def rules(**alarms):
    spec = InfrastructureSpec.model_validate({"alarms": alarms})
    return {rule.condition: rule for rule in spec.alarm_rules()}


def faults(**section):
    with pytest.raises(ValidationError) as refused:
        InfrastructureSpec.model_validate(section)
    return str(refused.value)


def test_an_empty_section_has_every_standard_alarm_and_no_other():
    assert set(rules()) == {name for name, condition in ALARM_CONDITIONS.items() if condition.standard}
    assert {name for name, rule in rules().items() if rule.needs_gpu} == set(GPU_CONDITIONS)
    assert {name for name, rule in rules().items() if rule.page == "nobody"} == {"violations", "drift", "quality"}


def test_a_file_changes_what_it_names_and_nothing_else():
    (before, after) = rules()["model_latency_p95"], rules(model_latency_p95={"threshold_milliseconds": 800.0})
    changed = after["model_latency_p95"]
    assert (before.threshold, changed.threshold) == (5000, 800)
    assert [before.period_seconds, before.page, before.severity] == [
        changed.period_seconds,
        changed.page,
        changed.severity,
    ]
    assert after.keys() == rules().keys()


def test_an_alarm_goes_and_one_that_is_not_standard_comes_when_a_file_says_so():
    assert "drift" not in rules(drift={"enabled": False})
    assert rules(concurrency={"threshold_count": 50.0})["concurrency"].threshold == 50
    assert not rules(gpu_utilization={"enabled": True})["gpu_utilization"].needs_gpu


def test_fewer_periods_mean_all_of_them_unless_points_are_given():
    assert rules(server_errors={"evaluation_periods": 2})["server_errors"].datapoints_to_alarm == 2
    given = {"evaluation_periods": 4, "datapoints_to_alarm": 1}
    assert rules(server_errors=given)["server_errors"].datapoints_to_alarm == 1


def test_anomaly_detection_stands_in_for_the_thresholds_of_latencies_only():
    spec = InfrastructureSpec(anomaly_detection=True)
    banded = {rule.condition for rule in spec.alarm_rules() if rule.anomaly_band is not None}
    assert banded == {"model_latency_p95", "model_latency_p99", "overhead_latency_p95"}
    assert all((rule.threshold is None) == (rule.anomaly_band is not None) for rule in spec.alarm_rules())
    own = {"model_latency_p95": {"threshold_milliseconds": 800.0}}
    kept = InfrastructureSpec.model_validate({"anomaly_detection": True, "alarms": own})
    assert {rule.condition: rule.threshold for rule in kept.alarm_rules()}["model_latency_p95"] == 800


@pytest.mark.parametrize(
    ("alarms", "told"),
    [
        ({"cpu_utilisation": {}}, "did you mean 'cpu_utilization'?"),
        ({"cpu_utilization": {"threshold_count": 3.0}}, "use threshold_percent"),
        ({"server_errors": {"statistic": "Sum"}}, "statistic is always Sum here"),
        ({"violations": {"anomaly_band": 2.0}}, "use a threshold"),
        ({"drift": {"minimum_invocations": 3}}, "for shares of invocations only"),
        ({"drift": {"metric": "X"}}, "give the alarm a name of your own"),
        ({"mine": {"metric": "X"}}, "needs statistic"),
        ({"mine": {"metric": "X", "statistic": "Sum"}}, "needs threshold_value or anomaly_band"),
        (
            {"mine": {"metric": "ModelLatency", "statistic": "p99", "threshold_value": 1.0}},
            "use threshold_milliseconds",
        ),
        ({"incident": {}}, "use another name"),
        ({"Mine": {"metric": "X", "statistic": "Sum", "threshold_value": 1.0}}, "use another name"),
        ({"drift": {"period_seconds": 60, "evaluation_periods": 1441}}, "more than the 24 hours"),
        ({"drift": {"evaluation_periods": 169}}, "more than the 168 hours"),
        ({"drift": {"datapoints_to_alarm": 4}}, "never happens in 3 periods"),
        ({"drift": {"period_seconds": 45}}, "10, 20, 30 or a multiple of 60"),
        ({"drift": {"threshold_distance": 0.1, "anomaly_band": 1.0}}, "give one of them"),
    ],
)
def test_what_cannot_be_made_is_told_with_its_remedy(alarms, told):
    assert told in faults(alarms=alarms)


def test_all_faults_are_told_at_once():
    told = faults(alarms={"cpu": {}, "drift": {"threshold_count": 1.0}, "incident": {}})
    assert all(f"alarms.{name}:" in told for name in ("cpu", "drift", "incident"))


@pytest.mark.parametrize(
    "section",
    [
        {"log_retention_days": 8},
        {"mute_windows": {"Not so": {"start": "02:00", "duration_minutes": 5}}},
        {"mute_windows": {"x": {"start": "2:00", "duration_minutes": 5}}},
        {"mute_windows": {"x": {"start": "02:00", "duration_minutes": 5, "timezone": "Mars/Base"}}},
        {"mute_windows": {"x": {"start": "02:00", "duration_minutes": 5, "on_date": "2026-13-01"}}},
        {"instance_type": "m5.large"},
    ],
)
def test_what_aws_would_refuse_is_refused_here(section):
    assert "1 validation error" in faults(**section)


@pytest.mark.parametrize(
    ("instance_type", "cores", "gpus"),
    [
        ("ml.m5.large", 2, 0),
        ("ml.m5.xlarge", 4, 0),
        ("ml.c5.9xlarge", 36, 0),
        ("ml.c4.8xlarge", 36, 0),
        ("ml.t2.medium", 2, 0),
        ("ml.g4dn.xlarge", 4, 1),
        ("ml.g5.12xlarge", 48, 4),
        ("ml.g6e.48xlarge", 192, 8),
        ("ml.p3.8xlarge", 32, 4),
        ("ml.p4d.24xlarge", 96, 8),
        ("ml.p5.4xlarge", 16, 1),
        ("ml.inf2.xlarge", 4, 0),
        ("ml.trn1.32xlarge", 128, 0),
        ("something", None, 0),
    ],
)
def test_cores_and_gpus_of_instance_types(instance_type, cores, gpus):
    assert (cpu_count(instance_type), gpu_count(instance_type)) == (cores, gpus)


def test_every_standard_dag_is_missed_unless_the_fleet_says_otherwise():
    assert FleetInfrastructureSpec().silences() == STANDARD_SILENCES
    given = {
        "monitor_daily": {"enabled": True},
        "model_quality": {"enabled": False},
        "ours": {},
        "monitor_hourly": {"silence_minutes": 30},
    }
    found = FleetInfrastructureSpec.model_validate({"heartbeats": given}).silences()
    assert found["monitor_daily"] == STANDARD_SILENCES["monitor_daily"]
    assert "model_quality" not in found
    assert (found["ours"], found["monitor_hourly"]) == (180, 30)


def test_a_silence_is_whole_hours_or_less_than_one():
    with pytest.raises(ValidationError, match="whole hours"):
        FleetInfrastructureSpec.model_validate({"heartbeats": {"x": {"silence_minutes": 90}}})
