"""The alarms of an endpoint as CloudWatch takes them: real names and units, and every request valid by its model."""

import botocore.session
import pytest
from botocore.validate import ParamValidator

from watchkeeper.aws.alarm_requests import AlarmContext, endpoint_alarms, heartbeat_alarms
from watchkeeper.aws.endpoint_shape import VariantShape
from watchkeeper.aws.owner_mark import OwnerMark
from watchkeeper.aws.resource_place import PlaceIdentity, ResourcePlace
from watchkeeper.registry.alarm_condition import ALARM_CONDITIONS
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.infrastructure_count import infrastructure_counts
from watchkeeper.registry.runbook_pages import ALARM_RUNBOOKS, alarm_page

HOME, AWAY = ResourcePlace(), ResourcePlace("other", "eu-west-1")
IDENTITIES = {HOME: PlaceIdentity("123456789012", "us-east-1"), AWAY: PlaceIdentity("210987654321", "eu-west-1")}
CONTEXT = AlarmContext("watchkeeper", "bucket/wk", "Watchkeeper", "https://wiki.example.com/runbooks")
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
XLARGE = {"AllTraffic": VariantShape("ml.m5.xlarge")}
LABELS = {"ground_truth": {"s3_uri": "s3://labels/x"}}
QUALITY = {"problem_type": "BinaryClassification", "inference_attribute": "late"}


def endpoint(infrastructure=None, **fields):
    document = {
        "registry_id": "flights",
        "endpoint_name": "flights-delay",
        "owner": "flight-ops",
        "capture": {"s3_uri": "s3://capture/flights"},
        "infrastructure": infrastructure or {},
    }
    return EndpointSpec.model_validate(document | fields)


def alarms(spec, shapes=XLARGE, place=HOME, topic=TOPIC):
    identities = {where: IDENTITIES[where] for where in dict.fromkeys((HOME, place))}
    return endpoint_alarms(spec, shapes, CONTEXT, place, HOME, identities, topic)


def bodies(*arguments, **named):
    return {
        resource.name.removeprefix("watchkeeper/"): dict(resource.body) for resource in named_set(*arguments, **named)
    }


def named_set(*arguments, **named):
    return alarms(*arguments, **named).resources


def faults_of(resource):
    operation = "PutCompositeAlarm" if resource.kind == "composite_alarm" else "PutMetricAlarm"
    model = botocore.session.get_session().get_service_model("cloudwatch").operation_model(operation).input_shape
    request = {**resource.body, "Tags": OwnerMark("bucket/wk", resource.scope).tags}
    found = [ParamValidator().validate(request, model).generate_report()]
    for name, shape in model.members.items():
        value, limits = request.get(name), shape.metadata
        if isinstance(value, str | list) and "max" in limits and len(value) > limits["max"]:
            found.append(f"{name} is longer than {limits['max']}")
        if isinstance(value, str) and "enum" in limits and value not in limits["enum"]:
            found.append(f"{name}: {value}")
    return [fault for fault in found if fault]


EVERYTHING = {
    "anomaly_detection": True,
    "alarms": {
        "gpu_utilization": {"enabled": True},
        "concurrency": {"threshold_count": 20.0},
        "own": {"metric": "ModelLatency", "statistic": "p99.9", "anomaly_band": 2.5, "comparison": "below"},
        "queue": {
            "metric": "Depth",
            "namespace": "Team/Queue",
            "statistic": "Maximum",
            "threshold_value": 5.0,
            "dimensions": {"Queue": "x"},
            "period_seconds": 10,
            "page": "itself",
        },
    },
}


@pytest.mark.parametrize("section", [{}, EVERYTHING], ids=["standard", "everything"])
def test_every_request_is_valid_by_botocores_model(section):
    monitors = {"data_quality": {}, "model_quality": QUALITY, "explainability": {}}
    found = named_set(endpoint(section, monitors=monitors, **LABELS))
    assert len(found) > 12
    assert {resource.name: faults for resource in found if (faults := faults_of(resource))} == {}


def test_a_latency_in_milliseconds_is_compared_in_microseconds():
    section = {"alarms": {"model_latency_p95": {"threshold_milliseconds": 800.0}}}
    assert bodies(endpoint(section))["flights/AllTraffic/model_latency_p95"] == {
        "AlarmName": "watchkeeper/flights/AllTraffic/model_latency_p95",
        "AlarmDescription": "flights, AllTraffic: p95 of the model's latency at least 800 ms, in 5 of 5 periods of "
        "60 s. Severity: warning. Owner: flight-ops. Runbook: https://wiki.example.com/runbooks/model_latency.md "
        "[watchkeeper:deployment=bucket/wk endpoint=flights]",
        "Namespace": "AWS/SageMaker",
        "MetricName": "ModelLatency",
        "Dimensions": [
            {"Name": "EndpointName", "Value": "flights-delay"},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        "ExtendedStatistic": "p95",
        "Period": 60,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 5,
        "Threshold": 800_000.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "ActionsEnabled": False,
        "AlarmActions": [],
        "OKActions": [],
        "InsufficientDataActions": [],
    }


def test_an_error_share_is_metric_math_with_a_minimum_of_traffic():
    body = bodies(endpoint())["flights/AllTraffic/server_errors"]
    errors, invocations, share = body["Metrics"]
    assert share == {
        "Id": "watched",
        "Expression": "IF(invocations >= 20, 100 * FILL(errors, 0) / invocations, 0)",
        "Label": "server_errors",
        "ReturnData": True,
    }
    assert [one["MetricStat"]["Metric"]["MetricName"] for one in (errors, invocations)] == [
        "Invocation5XXErrors",
        "Invocations",
    ]
    assert (errors["Id"], errors["ReturnData"], errors["MetricStat"]["Stat"]) == ("errors", False, "Sum")
    assert (body["Threshold"], body["DatapointsToAlarm"], body["EvaluationPeriods"]) == (5.0, 3, 5)
    assert "MetricName" not in body


@pytest.mark.parametrize(
    ("instance_type", "cpu", "gpu"),
    [("ml.m5.xlarge", 360.0, None), ("ml.g5.12xlarge", 90.0 * 48, 95.0 * 4), ("ml.g4dn.xlarge", 360.0, 95.0)],
)
def test_utilization_is_summed_over_cores_and_gpus(instance_type, cpu, gpu):
    found = bodies(endpoint(), {"AllTraffic": VariantShape(instance_type)})
    assert found["flights/AllTraffic/cpu_utilization"]["Threshold"] == cpu
    assert found["flights/AllTraffic/memory_utilization"]["Threshold"] == 90.0
    assert found["flights/AllTraffic/cpu_utilization"]["Namespace"] == "/aws/sagemaker/Endpoints"
    assert found.get("flights/AllTraffic/gpu_utilization", {}).get("Threshold") == gpu
    assert ("flights/AllTraffic/gpu_memory_utilization" in found) == (gpu is not None)


def test_the_files_instance_type_wins_over_the_live_one():
    found = bodies(endpoint({"instance_type": "ml.m5.4xlarge"}))
    assert found["flights/AllTraffic/cpu_utilization"]["Threshold"] == 90.0 * 16


def test_a_serverless_variant_has_no_alarms_of_instances():
    found = bodies(endpoint(), {"AllTraffic": VariantShape(is_serverless=True)})
    assert not [name for name in found if name.endswith("_utilization")]
    assert "flights/AllTraffic/server_errors" in found


def test_what_depends_on_an_unknown_instance_is_left_as_it_is_and_told():
    found = alarms(endpoint(), None)
    names = {f"watchkeeper/flights/AllTraffic/{name}" for name in ("cpu_utilization", "gpu_utilization")}
    assert names <= found.held
    assert not names & {resource.name for resource in found.resources}
    assert any("cpu_utilization is left as it is" in note for note in found.notes)
    assert "watchkeeper/flights/AllTraffic/memory_utilization" in {resource.name for resource in found.resources}


def test_an_instance_type_that_nobody_knows_holds_what_needs_its_cores():
    found = alarms(endpoint(), {"AllTraffic": VariantShape("ml.strange")})
    assert "watchkeeper/flights/AllTraffic/cpu_utilization" in found.held


def test_one_page_comes_for_an_incident():
    found = bodies(endpoint())
    acting = {name: body["AlarmActions"] for name, body in found.items() if body["ActionsEnabled"]}
    assert acting == {"flights/_all/incident": [TOPIC]}
    rule = found["flights/_all/incident"]["AlarmRule"]
    children = [name for name in found if not name.endswith(("incident", "violations", "drift", "quality"))]
    assert rule == " OR ".join(f'ALARM("watchkeeper/{name}")' for name in sorted(children))
    assert found["flights/_all/incident"]["OKActions"] == [TOPIC]


def test_an_alarm_may_page_by_itself_or_nobody():
    section = {"alarms": {"server_errors": {"page": "itself"}, "client_errors": {"page": "nobody"}}}
    found = bodies(endpoint(section))
    assert found["flights/AllTraffic/server_errors"]["AlarmActions"] == [TOPIC]
    assert found["flights/AllTraffic/client_errors"]["ActionsEnabled"] is False
    assert "_errors" not in found["flights/_all/incident"]["AlarmRule"].replace("model_errors", "")


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        (None, "no topic is set"),
        (f"{TOPIC}.fifo", "which is a FIFO topic"),
        (TOPIC.replace("us-east-1", "eu-west-1"), "of another region"),
    ],
)
def test_a_topic_that_cloudwatch_cannot_tell_is_noted_and_left_out(topic, told):
    found = alarms(endpoint(), topic=topic)
    assert [note for note in found.notes if told in note]
    assert not [resource.name for resource in found.resources if resource.body["ActionsEnabled"]]


def test_without_an_incident_there_is_none_and_no_note_of_topics():
    found = alarms(endpoint({"incident": {"enabled": False}}), topic=None)
    assert "composite_alarm" not in {resource.kind for resource in found.resources}
    assert found.notes == ()


def test_more_children_than_cloudwatch_takes_are_told():
    many = {f"own_{number}": {"metric": "X", "statistic": "Sum", "threshold_value": 1.0} for number in range(101)}
    found = alarms(endpoint({"alarms": many}))
    assert "composite_alarm" not in {resource.kind for resource in found.resources}
    assert [note for note in found.notes if "cannot follow" in note]


def test_monitors_that_judge_hours_and_days_have_an_alarm_each():
    daily = {"periods": ["daily"]}
    monitors = {"data_quality": {}, "explainability": daily, "model_quality": QUALITY | daily}
    found = bodies(endpoint(monitors=monitors, **LABELS))
    hourly = found["flights/AllTraffic/violations"]
    daily = found["flights/AllTraffic/violations_daily"]
    assert hourly["Namespace"] == "Watchkeeper/DataQuality"
    assert {"Name": "MonitoringSchedule", "Value": "flights-data_quality-hourly"} in hourly["Dimensions"]
    assert (hourly["Period"], daily["EvaluationPeriods"]) == (3600, 3)
    assert {one["MetricStat"]["Period"] for one in daily["Metrics"] if "MetricStat" in one} == {86_400}
    assert daily["Metrics"][-1]["Expression"] == "SUM([m1, m2])"
    assert found["flights/AllTraffic/quality"]["Period"] == 86_400
    assert found["flights/AllTraffic/drift"]["MetricName"] == "WorstDistance"


def test_an_endpoint_elsewhere_has_its_verdicts_at_home_and_an_incident_where_it_is():
    found = named_set(endpoint(), place=AWAY, topic=TOPIC.replace("us-east-1", "eu-west-1"))
    where = {resource.name.rpartition("/")[2]: resource.place for resource in found}
    assert (where["violations"], where["server_errors"], where["incident"]) == (HOME, AWAY, AWAY)
    assert sum(resource.kind == "composite_alarm" for resource in found) == 1


def test_an_anomaly_alarm_names_its_band():
    body = bodies(endpoint(EVERYTHING))["flights/AllTraffic/own"]
    assert (body["ThresholdMetricId"], body["ComparisonOperator"]) == ("band", "LessThanLowerThreshold")
    assert body["Metrics"][1]["Expression"] == "ANOMALY_DETECTION_BAND(observed, 2.5)"
    assert "Threshold" not in body


def test_an_alarm_with_dimensions_of_its_own_is_made_once_for_all_variants():
    found = bodies(endpoint(EVERYTHING, variants=["a", "b"]), {"a": VariantShape("ml.m5.large")})
    assert found["flights/_all/queue"]["Dimensions"] == [{"Name": "Queue", "Value": "x"}]
    assert "flights/a/queue" not in found
    assert {"flights/a/server_errors", "flights/b/server_errors"} <= found.keys()


def test_a_silent_dag_is_bad():
    (hourly, short) = heartbeat_alarms(
        {"monitor_hourly": 180, "quick": 5}, CONTEXT, "ml-platform", IDENTITIES[HOME], TOPIC
    ).resources
    assert hourly.name == "watchkeeper/_fleet/monitor_hourly/heartbeat"
    assert hourly.body["TreatMissingData"] == "breaching"
    assert (hourly.body["Period"], hourly.body["EvaluationPeriods"], hourly.body["AlarmActions"]) == (3600, 3, [TOPIC])
    assert (short.body["Period"], short.body["EvaluationPeriods"]) == (60, 5)
    assert faults_of(hourly) == faults_of(short) == []
    assert (
        "Owner: ml-platform. Runbook: https://wiki.example.com/runbooks/heartbeat.md" in hourly.body["AlarmDescription"]
    )


def test_every_alarm_names_owner_threshold_and_a_page_that_there_is():
    monitors = {"data_quality": {}, "model_quality": QUALITY, "explainability": {}}
    for resource in named_set(endpoint(EVERYTHING, monitors=monitors, **LABELS)):
        text, condition = resource.body["AlarmDescription"], resource.name.rpartition("/")[2]
        assert "Owner: flight-ops." in text
        assert f"Runbook: https://wiki.example.com/runbooks/{alarm_page(condition)} [" in text
        assert OwnerMark.read(text) == OwnerMark("bucket/wk", "flights")
        threshold = resource.body.get("Threshold")
        assert threshold is None or " at least " in text or " below " in text


def test_every_condition_has_a_page():
    for condition in [*ALARM_CONDITIONS, "violations_daily", "incident", "heartbeat", "one_of_mine"]:
        assert alarm_page(condition).removesuffix(".md") in ALARM_RUNBOOKS
    assert alarm_page("one_of_mine") == "own_alarm.md"


@pytest.mark.parametrize("section", [{}, EVERYTHING], ids=["standard", "everything"])
def test_cost_counts_what_is_made(section):
    """An alarm counts by its metrics: the prediction, made from the file alone, agrees with the requests."""
    monitors = {"data_quality": {}, "model_quality": QUALITY, "bias": None, "explainability": None}
    spec = endpoint({**section, "instance_type": "ml.m5.xlarge"}, monitors=monitors, **LABELS)
    counts = dict.fromkeys(("standard_alarms", "high_resolution_alarms", "anomaly_alarms", "composite_alarms"), 0.0)
    for resource in named_set(spec):
        stats = [one for one in resource.body.get("Metrics", ()) if "MetricStat" in one]
        if resource.kind == "composite_alarm":
            counts["composite_alarms"] += 1
        elif "ThresholdMetricId" in resource.body:
            counts["anomaly_alarms"] += 1
        elif resource.body.get("Period", 60) < 60:
            counts["high_resolution_alarms"] += 1
        else:
            counts["standard_alarms"] += len(stats) or 1
    predicted = infrastructure_counts(spec)
    assert counts == {name: predicted[name] for name in counts}
