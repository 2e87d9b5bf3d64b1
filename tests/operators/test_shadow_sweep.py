"""Shadow endpoints that nobody asks any more: a run's own at its end, whatever else there is stays."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from airflow.sdk.exceptions import AirflowFailException
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sagemaker import sagemaker_backends

from tests.operators.conftest import BUCKET, REGION, context
from tests.operators.test_publish_report import PARAMS, Events, report
from watchkeeper.aws.shadow_endpoint import plan_shadow
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.operators.explained_model import run_digest
from watchkeeper.operators.publish_report import PublishReportOperator
from watchkeeper.operators.shadow_sweep import explained_endpoints, sweep_shadows

RUN = run_digest("monitor_hourly", "scheduled__1")
MONITOR = {"monitors": {"explainability": {"periods": ["hourly"], "model": {"shadow": {}}}}}


class Shadows:
    """Shadow endpoints in moto, which takes a configuration for the endpoint at once."""

    def __init__(self):
        self.client = boto3.client("sagemaker", region_name=REGION)
        self.client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")

    def make(self, endpoint="flights", digest=RUN, *, hours_ago=0.0):
        plan = plan_shadow(
            self.client, endpoint=endpoint, run_digest=digest, model_name="m", instance_type="ml.m5.large"
        )
        tags = [{"Key": key, "Value": value} for key, value in plan.tags.items()]
        self.client.create_endpoint_config(EndpointConfigName=plan.name, ProductionVariants=[plan.variant], Tags=tags)
        self.client.create_endpoint(EndpointName=plan.name, EndpointConfigName=plan.name, Tags=tags)
        backend = sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION]
        made = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
        backend.endpoints[plan.name].creation_time = backend.endpoint_configs[plan.name].creation_time = made
        return plan.name

    @property
    def names(self):
        listed = self.client.list_endpoints()["Endpoints"]
        configs = self.client.list_endpoint_configs()["EndpointConfigs"]
        return {item["EndpointName"] for item in listed} | {item["EndpointConfigName"] for item in configs}


@pytest.fixture
def shadows(place):
    place.endpoint(**MONITOR)
    return Shadows()


def test_two_dags_runs_of_one_id_are_told_apart():
    """Hourly and daily runs of one interval's start have the same id; neither may delete what the other asks."""
    assert run_digest("monitor_hourly", "scheduled__1") != run_digest("monitor_daily", "scheduled__1")
    assert run_digest("monitor_hourly", "scheduled__1") == RUN


def test_only_who_is_explained_through_a_shadow_endpoint_is_swept_for(place):
    for name, model in (("file", {"artefact": f"s3://{BUCKET}/m"}), ("live", {"live": {}}), ("shadow", {"shadow": {}})):
        place.endpoint(name, monitors={"explainability": {"model": model}})
    place.endpoint("default", monitors={"explainability": {}})
    place.endpoint("off", monitors={"explainability": {"enabled": False}})
    assert {spec.registry_id for spec in explained_endpoints(place.deployment)} == {"shadow", "default"}


def test_a_runs_own_are_deleted_at_once_and_others_when_they_are_old(place, shadows):
    own = shadows.make()
    others = {shadows.make(digest="b"), shadows.make("churn"), shadows.make(digest="c", hours_ago=5)}
    old = shadows.make("churn", "d", hours_ago=7)
    told = []
    sweep_shadows(place.deployment, explained_endpoints(place.deployment), RUN, told.append)
    assert shadows.names == others
    assert sorted(told) == sorted(f"Deleted the shadow endpoint {name}, which was left behind" for name in (own, old))


def test_the_report_sweeps_for_the_run_that_it_ends(place, shadows):
    mine, theirs = shadows.make(), shadows.make(digest=run_digest("monitor_daily", "scheduled__1"))
    operator = PublishReportOperator(task_id="report", period="hourly", monitors=["data_quality"])
    operator.execute(context(params=PARAMS, outlet_events=Events()))
    assert shadows.names == {mine, theirs}, "a report of other monitors leaves them"
    assert report()["faults"] == []
    assert shadows.names == {theirs}


def test_a_sweep_that_is_refused_is_a_fault_of_the_run_and_stops_nothing(place, shadows, monkeypatch):
    call = BaseClient._make_api_call

    def refused(self, operation, params):
        if operation.startswith("ListEndpoint"):
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        return call(self, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", refused)
    summary = report()
    assert summary["faults"] == ["shadow endpoints: PermissionMissingError: see the log of this task"]
    assert summary["recorded"] == 2


def test_a_killed_baseline_deletes_its_shadow_endpoint(place, shadows):
    name = shadows.make()
    operator = BuildBaselineOperator(task_id="b", endpoint="flights", monitor="explainability")
    operator.on_kill()
    assert shadows.names == {name}, "it had made none yet"
    with pytest.raises(AirflowFailException, match="neither its file nor the run says"):
        operator.execute(context())
    operator.on_kill()
    assert shadows.names == set()
