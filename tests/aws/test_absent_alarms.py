"""Alarms on absence where CloudWatch does not say what there has been: nobody is paged for that."""

import boto3
from botocore.exceptions import EndpointConnectionError

from tests.aws.conftest import REGION
from watchkeeper.aws.absent_alarms import absent_alarms
from watchkeeper.aws.resource_place import ResourcePlace
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.fleet_spec import FleetSpec

HEARTBEAT, SILENCE = "wk/_fleet/remediate/heartbeat", "wk/churn/AllTraffic/invocations_missing"


class Deaf:
    """A way to AWS on which metrics cannot be listed, as when calls are throttled."""

    def __init__(self, access):
        self.access = access

    def open(self, hook_class, **arguments):
        hook = self.access.open(hook_class, **arguments)
        hook.conn.meta.events.register("before-send.cloudwatch.ListMetrics", _refuse)
        return hook


def _refuse(**_request):
    raise EndpointConnectionError(endpoint_url="https://nowhere")


def test_where_nothing_is_told_what_is_there_stays_and_nothing_is_made(access):
    boto3.client("cloudwatch", region_name=REGION).put_metric_alarm(
        AlarmName=HEARTBEAT,
        Namespace="Watchkeeper/Runs",
        MetricName="Heartbeat",
        Statistic="SampleCount",
        Period=3600,
        EvaluationPeriods=2,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
    )
    document = {"endpoint_name": "churn", "owner": "me", "capture": {"s3_uri": "s3://bucket/x"}, "infrastructure": {}}
    told = []
    specs = [EndpointSpec.model_validate(document)]
    places = {specs[0].registry_id: ResourcePlace()}
    absent = absent_alarms(specs, places, FleetSpec(), "wk", "Watchkeeper", Deaf(access), told.append)
    assert SILENCE in absent
    assert "wk/_fleet/housekeeping/heartbeat" in absent
    assert HEARTBEAT not in absent
    assert [sentence.partition(" are not")[0] for sentence in told] == [
        "alarms on the absence of Invocations",
        "alarms on the absence of Heartbeat",
    ]
