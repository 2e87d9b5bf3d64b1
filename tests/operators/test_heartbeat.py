"""A run that came to its end says so; one that could not say so is told of."""

from types import SimpleNamespace

import boto3
import pytest

from tests.operators.conftest import REGION, context
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.heartbeat import HeartbeatOperator, heartbeat_faults
from watchkeeper.operators.publish_merges import PublishMergesOperator
from watchkeeper.operators.publish_report import PublishReportOperator


def beating(namespace="Watchkeeper/Runs"):
    found = boto3.client("cloudwatch", region_name=REGION).list_metrics(Namespace=namespace)["Metrics"]
    return {dimension["Value"] for metric in found for dimension in metric["Dimensions"] if dimension["Name"] == "Dag"}


def test_a_run_beats_under_its_dags_name(place):
    said = []
    assert heartbeat_faults(place.deployment, "platform_events", said.append) == []
    assert said == []
    assert beating() == {"platform_events"}


def refused(model, **_):
    """Answer a call as CloudWatch does that lacks a permission."""
    return SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDenied", "Message": "no"}}


def throttled(model, **_):
    return SimpleNamespace(status_code=400), {"Error": {"Code": "InternalServiceFault", "Message": "later"}}


@pytest.mark.parametrize(
    ("answer", "told"), [(refused, "allow cloudwatch:PutMetricData"), (throttled, "InternalServiceFault")]
)
def test_a_beat_that_is_not_taken_is_a_fault_and_no_exception(place, answer, told):
    deployment = place.deployment
    session = deployment.access.open(CloudWatchHook).get_session()
    session.events.register("before-call.cloudwatch.PutMetricData", answer)
    said = []
    (fault,) = heartbeat_faults(deployment, "monitor_hourly", said.append)
    assert fault.startswith("heartbeat of monitor_hourly: ")
    assert told in fault
    assert said == [fault]
    assert beating() == set()


def test_the_operator_beats_for_its_own_dag_or_another(place):
    assert HeartbeatOperator(task_id="beat").execute(context()) == "monitor_hourly"
    assert HeartbeatOperator(task_id="beat", dag_name="mine").execute(context()) == "mine"
    assert beating() == {"monitor_hourly", "mine"}


class NothingPulled:
    def xcom_pull(self, **_):
        return []


def test_our_reports_beat_although_nothing_was_due(place):
    PublishReportOperator(task_id="report", period="hourly").execute(context(ti=NothingPulled()))
    PublishMergesOperator(task_id="report").execute(context(run={"dag_id": "ground_truth"}))
    assert beating() == {"monitor_hourly", "ground_truth"}
