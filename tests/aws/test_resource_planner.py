"""The planner where AWS does not let it look, and where what was written does not stay."""

import json

import pytest
from botocore.stub import Stubber

from tests.aws.conftest import BUCKET
from watchkeeper.aws.alarm_holder import AlarmHolder, alarm_body
from watchkeeper.aws.alarm_hook import AlarmHook
from watchkeeper.aws.dashboard_body import endpoint_dashboard
from watchkeeper.aws.dashboard_holder import DashboardHolder
from watchkeeper.aws.lifecycle_rules import LifecycleHolder, expiry, rule_start
from watchkeeper.aws.resource_holder import each, prefixes
from watchkeeper.aws.resource_place import ResourcePlace
from watchkeeper.aws.resource_plan import Resource, ResourceChange
from watchkeeper.aws.resource_planner import ResourcePlanner
from watchkeeper.errors import PermissionMissingError
from watchkeeper.registry.endpoint_spec import EndpointSpec

HOME, OURS = ResourcePlace(), f"{BUCKET}/wk"
START = rule_start("wk", OURS)
RULE = expiry(BUCKET, "plans/", 30, "plans", "_fleet", START, HOME)


def planner(access, *holders):
    return ResourcePlanner(OURS, access, (HOME,), holders)


def lifecycles(bucket=BUCKET):
    return LifecycleHolder(START, OURS, ((HOME, bucket),))


def test_what_cannot_be_read_is_not_planned_and_a_fault_only_if_it_is_declared(access):
    blind = planner(access, lifecycles("no-such-bucket"))
    declared = Resource("lifecycle_rule", RULE.name, "_fleet", RULE.body)
    found = blind.compare([declared], None)
    assert (found.changes, found.notes) == ((), ())
    assert "lifecycle rule in home could not be read" in found.faults[0]
    undeclared = blind.compare([], None)
    assert (undeclared.changes, undeclared.faults) == ((), ())
    assert "Nothing of it is declared" in undeclared.notes[0]


def test_what_cannot_be_read_is_not_applied_either(access):
    change = ResourceChange("create", RULE.kind, RULE.name, RULE.scope, body=RULE.body)
    outcome = planner(access, lifecycles("no-such-bucket")).apply([change])
    assert (outcome.applied, outcome.settled) == ((), ())
    assert outcome.faults


def test_rules_are_applied_found_and_pruned_among_those_of_others(access, s3):
    theirs = {"ID": "theirs", "Filter": {"Prefix": "x/"}, "Status": "Enabled", "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [theirs]})
    ours = planner(access, lifecycles())
    (create,) = ours.compare([RULE], None).changes
    assert ours.apply([create]).applied == (create,)
    assert ours.compare([RULE], None).changes == ()
    (prune,) = ours.compare([], None).changes
    assert prune.action == "prune"
    assert ours.apply([prune]).faults == ()
    left = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert [rule["ID"] for rule in left] == ["theirs"]


def test_the_last_rule_takes_the_configuration_with_it(access, s3):
    ours = planner(access, lifecycles())
    ours.apply(ours.compare([RULE], None).changes)
    assert ours.apply(ours.compare([], None).changes).faults == ()
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)


def test_a_missing_permission_is_told_once_for_all_that_lack_it(access):
    changes = [
        ResourceChange("create", "metric_alarm", f"wk/a/v/c{number}", "a", body={"AlarmName": f"wk/a/v/c{number}"})
        for number in range(5)
    ]
    hook = access.open(AlarmHook)

    def put(change):
        with Stubber(hook.conn) as stub:
            stub.add_client_error("put_metric_alarm", "AccessDenied", http_status_code=403)
            hook.put_alarm({**change.body, "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold"})

    (fault,) = list(each(changes, put))
    assert "cloudwatch:PutMetricAlarm" in fault
    assert fault.endswith("4 more were not tried.")


def test_other_faults_are_told_each_and_stop_nobody():
    changes = [ResourceChange("create", "metric_alarm", f"a{number}", "a") for number in range(3)]

    def act(change):
        if change.name != "a1":
            raise LookupError(change.name)

    assert list(each(changes, act)) == ["metric_alarm a0: a0", "metric_alarm a2: a2"]
    refused = PermissionMissingError("p", "f", "r")
    assert isinstance(refused, PermissionError)


def test_few_scopes_are_listed_each_and_many_together():
    assert prefixes("wk", "/", ["b", "a"]) == ("wk/a/", "wk/b/")
    assert prefixes("wk", "/", [f"e{number}" for number in range(60)]) == ("wk/",)
    assert prefixes("wk", "/", None) == ("wk/",)


def test_an_alarm_is_compared_by_what_we_say_of_it():
    """CloudWatch leaves empty lists out and may order dimensions otherwise; emulators fill in a statistic."""
    ours = {
        "AlarmName": "n",
        "ExtendedStatistic": "p95",
        "Dimensions": [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}],
        "ActionsEnabled": False,
        "AlarmActions": [],
        "OKActions": [],
        "InsufficientDataActions": [],
    }
    theirs = {
        "AlarmName": "n",
        "ExtendedStatistic": "p95",
        "Statistic": "Average",
        "ActionsEnabled": False,
        "Dimensions": [{"Name": "B", "Value": "2"}, {"Name": "A", "Value": "1"}],
        "EvaluationState": "PARTIAL_DATA",
    }
    assert alarm_body(theirs) == alarm_body(ours) == ours


def test_the_holder_says_which_alarms_are_of_our_form(access):
    request = {
        "MetricName": "M",
        "Namespace": "N",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    client = access.client("cloudwatch")
    for name in ("wk/flights/v/c", "wk/short", "other/flights/v/c"):
        client.put_metric_alarm(AlarmName=name, **request)
    found = list(AlarmHolder("wk", OURS).find(access, HOME, None))
    assert [(one.name, one.scope, one.owner) for one in found] == [("wk/flights/v/c", "flights", None)]


def test_a_dashboard_is_of_no_region_and_not_pruned_from_another(access):
    """AWS lists the dashboards of an account in each of its regions: nothing is declared there, and nothing pruned."""
    away = ResourcePlace(region_name="eu-west-1")
    capture = {"s3_uri": "s3://bucket/x"}
    spec = EndpointSpec.model_validate({"endpoint_name": "churn", "owner": "me", "capture": capture})
    body = endpoint_dashboard(spec, [], OURS, "Watchkeeper", "us-east-1", "us-east-1")
    wanted = Resource("dashboard", "wk-churn", "churn", body)
    for place in (HOME, away):
        client = place.access(access).client("cloudwatch")
        client.put_dashboard(DashboardName="wk-churn", DashboardBody=json.dumps(body))
    both = ResourcePlanner(OURS, access, (HOME, away), (DashboardHolder("wk", OURS),))
    assert both.compare([wanted], None).changes == ()
    (prune,) = both.compare([], None).changes
    assert (prune.action, prune.place) == ("prune", HOME)
