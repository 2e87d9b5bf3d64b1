"""The DAG infrastructure against the sandbox: planned, applied, changed, pruned, and nobody else's things touched."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
import yaml
from airflow.sdk.api.datamodels._generated import DagRunType

from watchkeeper.operators.infrastructure_plan import make_plan, planner_of
from watchkeeper.operators.monitor_base import open_deployment
from watchkeeper.operators.plan_infrastructure import PlanInfrastructureOperator
from watchkeeper.registry.capture_window import Window

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow]

ALARM = "{prefix}/flights/AllTraffic/{condition}"


class Fleet:
    """A deployment whose alarms are its own, with a fleet file, two queues, and clients to look at what AWS holds."""

    def __init__(self, world, include, monkeypatch):
        self.world, self.include, self.prefix = world, include, world.name
        sandbox = world.sandbox
        self.cloudwatch, self.events = sandbox.client("cloudwatch"), sandbox.client("events")
        self.sqs, self.s3, self.logs = sandbox.client("sqs"), world.s3, sandbox.client("logs")
        self.queue = self.sqs.create_queue(QueueName=f"{world.name}-alarms")["QueueUrl"]
        include.mkdir()
        (include / "prices.yaml").write_text((world_include() / "prices.yaml").read_text())
        for name, value in {
            "RESOURCE_PREFIX": world.name,
            "INCLUDE": str(include),
            "METRICS_NAMESPACE": world.name,
            "ALARM_QUEUE_URL": self.queue,
            "EVENT_QUEUE_URL": self.sqs.create_queue(QueueName=f"{world.name}-events")["QueueUrl"],
        }.items():
            monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
        self.declare()
        self.fleet()

    def declare(self, endpoint="flights", **section):
        self.world.endpoint(endpoint, infrastructure={"instance_type": "ml.m5.xlarge"} | section)

    def fleet(self, **section):
        (self.include / "fleet.yaml").write_text(yaml.safe_dump({"infrastructure": section}))

    def plan(self, *endpoints):
        return make_plan(open_deployment(), "by-hand", endpoints, datetime.now(UTC))

    def apply(self, *endpoints):
        plan = self.plan(*endpoints)
        return planner_of(open_deployment(), plan.to_do).apply(plan.to_do)

    def alarm(self, condition, variant="AllTraffic", endpoint="flights"):
        name = f"{self.prefix}/{endpoint}/{variant}/{condition}"
        found = self.cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return next(iter([*found["MetricAlarms"], *found["CompositeAlarms"]]), None)

    def alarm_names(self):
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=f"{self.prefix}/", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return {one["AlarmName"] for page in pages for one in (*page["MetricAlarms"], *page["CompositeAlarms"])}

    def in_region(self, region):
        """Return what makes clients of another region of the sandbox."""
        return lambda service: boto3.client(
            service,
            endpoint_url=self.world.sandbox.url,
            region_name=region,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )

    def tags(self, arn):
        return {tag["Key"]: tag["Value"] for tag in self.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]}


def world_include():
    from tests.airflow_home import REPOSITORY

    return REPOSITORY / "include"


@pytest.fixture
def fleet(world, tmp_path, monkeypatch):
    return Fleet(world, tmp_path / "include", monkeypatch)


def states(run):
    return {f"{one.task_id}": str(one.state) for one in run.get_task_instances()}


def actions(plan):
    return {(change.action, change.kind, change.name.rpartition("/")[2]) for change in plan.changes}


def test_a_run_that_plans_shows_and_stores_and_makes_nothing(fleet, world):
    run = world.run("infrastructure")
    assert str(run.state) == "success"
    assert states(run)["apply"] == "skipped"
    assert fleet.alarm_names() == set()
    (text,) = [key for key in world.stored("plans/") if key.endswith(".txt")]
    assert f"+ create metric_alarm {fleet.prefix}/flights/AllTraffic/server_errors" in world.read(text).decode()
    document = json.loads(world.read(text.replace(".txt", ".json")))
    assert document["counts"]["create"] == len(document["changes"]) > 15
    (message,) = world.messages()
    assert message["Subject"].startswith("Infrastructure: ")
    assert message["MessageAttributes"]["kind"]["Value"] == "plan"


def test_the_same_differences_are_told_once(fleet, world):
    fleet.fleet(heartbeats={"infrastructure": {}})
    world.run("infrastructure")
    world.run("infrastructure")
    assert len(world.messages()) == 1


def test_a_run_that_applies_makes_all_of_it_and_the_next_has_nothing_to_do(fleet, world):
    fleet.fleet(heartbeats={"monitor_hourly": {}})
    run = world.run("infrastructure", mode="apply")
    assert str(run.state) == "success"
    assert states(run)["apply"] == states(run)["apply_fleet"] == "success"
    deployment = f"{world.bucket}/wk"
    alarm = fleet.alarm("server_errors")
    assert fleet.tags(alarm["AlarmArn"]) == {
        "watchkeeper:deployment": deployment,
        "watchkeeper:endpoint": "flights",
    }
    assert fleet.alarm("incident", "_all")["ActionsEnabled"] is True
    assert fleet.alarm("heartbeat", "monitor_hourly", "_fleet")["TreatMissingData"] == "breaching"
    names = [one["DashboardName"] for one in fleet.cloudwatch.list_dashboards()["DashboardEntries"]]
    assert {f"{fleet.prefix}-flights", f"{fleet.prefix}-_fleet"} <= set(names)
    rules = [one["Name"] for one in fleet.events.list_rules(NamePrefix=f"{fleet.prefix}-")["Rules"]]
    assert sorted(rules) == [f"{fleet.prefix}-{what}" for what in ("alarms", "api-calls", "platform")]
    # Its own heart has beaten by now, and is watched from here on.
    assert actions(fleet.plan()) == {
        ("create", "metric_alarm", "heartbeat"),
        ("change", "dashboard", f"{fleet.prefix}-_fleet"),
    }
    assert fleet.apply().faults == ()
    again = world.run("infrastructure", mode="apply")
    assert (str(again.state), states(again)["apply"]) == ("success", "skipped")
    assert fleet.plan().changes == ()


def test_a_changed_alarm_reaches_the_queue_that_the_rule_names(fleet):
    fleet.apply()
    name = fleet.alarm("server_errors")["AlarmName"]
    fleet.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    received = {}
    for _ in range(20):
        answer = fleet.sqs.receive_message(QueueUrl=fleet.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"])
            received[event["detail"]["alarmName"]] = event["detail-type"]
        if name in received:
            break
    assert received[name] == "CloudWatch Alarm State Change"
    assert all(one.startswith(f"{fleet.prefix}/") for one in received)


def test_an_edited_file_changes_one_alarm_and_a_hand_edited_alarm_comes_back(fleet):
    fleet.apply()
    fleet.declare(alarms={"server_errors": {"threshold_percent": 2.0}})
    (change,) = [one for one in fleet.plan().changes if one.kind == "metric_alarm"]
    fields = {one.field: (one.before, one.after) for one in change.fields}
    assert (change.action, fields["Threshold"]) == ("change", (5.0, 2.0))
    assert fields.keys() == {"Threshold", "AlarmDescription"}
    fleet.cloudwatch.disable_alarm_actions(AlarmNames=[f"{fleet.prefix}/flights/_all/incident"])
    assert fleet.apply().faults == ()
    assert fleet.alarm("server_errors")["Threshold"] == 2.0
    assert fleet.alarm("incident", "_all")["ActionsEnabled"] is True
    assert fleet.plan().changes == ()


def test_what_a_file_no_longer_declares_is_pruned_and_nothing_else(fleet, world):
    fleet.declare("other")
    fleet.apply()
    theirs = f"{fleet.prefix}/flights/AllTraffic/theirs"
    fleet.cloudwatch.put_metric_alarm(**metric_alarm(theirs))
    (world.folder / "flights.yaml").unlink()
    plan = fleet.plan()
    pruned = {change.name for change in plan.changes if change.action == "prune"}
    assert f"{fleet.prefix}/flights/_all/incident" in pruned
    assert {change.scope for change in plan.changes if change.action == "prune"} == {"flights"}
    run = world.run("infrastructure", mode="apply")
    assert str(run.state) == "success"
    left = fleet.alarm_names()
    assert [name for name in left if "/flights/" in name] == [theirs]
    assert f"{fleet.prefix}/other/_all/incident" in left
    dashboards = [one["DashboardName"] for one in fleet.cloudwatch.list_dashboards()["DashboardEntries"]]
    assert f"{fleet.prefix}-flights" not in dashboards


def test_an_alarm_of_our_name_that_is_not_ours_is_never_touched_and_told(fleet, world):
    name = f"{fleet.prefix}/flights/AllTraffic/disk_utilization"
    fleet.cloudwatch.put_metric_alarm(**metric_alarm(name))
    run = world.run("infrastructure", mode="apply")
    assert str(run.state) == "failed"
    assert fleet.alarm("disk_utilization")["MetricName"] == "Theirs"
    assert ("conflict", "metric_alarm", "disk_utilization") in actions(fleet.plan())
    assert fleet.alarm("server_errors") is not None
    (message,) = [one for one in world.messages() if one["Subject"].startswith("Infrastructure")]
    assert "disk_utilization: it is there already and is nobody's by its mark" in message["Message"]


def test_a_copied_description_does_not_make_an_alarm_ours(fleet):
    fleet.apply()
    made = fleet.alarm("disk_utilization")
    name = f"{fleet.prefix}/flights/AllTraffic/copied"
    fleet.cloudwatch.put_metric_alarm(**metric_alarm(name, AlarmDescription=made["AlarmDescription"]))
    (conflict,) = fleet.plan().changes
    assert (conflict.action, conflict.name) == ("conflict", name)
    assert "its tags that it belongs to nobody" in conflict.why


def test_a_faulty_file_costs_its_endpoint_nothing(fleet, world):
    fleet.apply()
    (world.folder / "flights.yaml").write_text("endpoint_name: 3\n")
    plan = fleet.plan()
    assert [change for change in plan.changes if change.action == "prune"] == []
    assert any("endpoint files are faulty" in note for note in plan.notes)


def test_an_endpoint_is_planned_alone(fleet):
    fleet.declare("other")
    plan = fleet.plan("other")
    assert {change.scope for change in plan.changes} == {"other"}
    assert fleet.apply("other").faults == ()
    assert not [name for name in fleet.alarm_names() if "/flights/" in name]
    assert fleet.plan("other").changes == ()


def test_two_names_of_one_account_are_one_place(fleet, world):
    """With its region written out an endpoint is where it was: nothing is pruned by one name and made by another."""
    fleet.apply()
    world.endpoint("flights", region_name="us-east-1", infrastructure={"instance_type": "ml.m5.xlarge"})
    assert fleet.plan().changes == ()


def test_rules_of_others_stay_in_a_bucket_and_in_a_queues_policy(fleet, world):
    theirs = {"ID": "theirs", "Filter": {"Prefix": "tmp/"}, "Status": "Enabled", "Expiration": {"Days": 1}}
    fleet.s3.put_bucket_lifecycle_configuration(Bucket=world.captures, LifecycleConfiguration={"Rules": [theirs]})
    statement = {"Sid": "Theirs", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    fleet.sqs.set_queue_attributes(QueueUrl=fleet.queue, Attributes={"Policy": json.dumps(policy)})
    fleet.declare(capture_retention_days=30)
    assert fleet.apply().faults == ()

    def rules():
        return fleet.s3.get_bucket_lifecycle_configuration(Bucket=world.captures)["Rules"]

    (own,) = [rule for rule in rules() if rule["ID"] != "theirs"]
    assert own["Filter"] == {"Prefix": f"data/{world.name}-flights/"}
    assert own["Expiration"] == {"Days": 30}
    answer = fleet.sqs.get_queue_attributes(QueueUrl=fleet.queue, AttributeNames=["Policy"])
    kept, own_statement = json.loads(answer["Attributes"]["Policy"])["Statement"]
    assert (kept, own_statement["Action"]) == (statement, "sqs:SendMessage")
    fleet.declare(capture_retention_days=60)
    assert fleet.apply().faults == ()
    assert sorted(rule["Expiration"]["Days"] for rule in rules()) == [1, 60]
    # Without days the rule goes, though nothing else asks for one in that bucket: captures would go on expiring.
    fleet.declare()
    assert fleet.apply().faults == ()
    assert [rule["Expiration"]["Days"] for rule in rules()] == [1]


def test_a_bucket_that_two_regions_share_keeps_the_rules_of_both(fleet, world):
    fleet.declare(capture_retention_days=30)
    world.endpoint("other", region_name="eu-west-1", infrastructure={"capture_retention_days": 7})
    assert fleet.apply().faults == ()
    assert "lifecycle_rule" not in {one.kind for one in fleet.plan().changes}
    rules = fleet.s3.get_bucket_lifecycle_configuration(Bucket=world.captures)["Rules"]
    assert sorted(rule["Expiration"]["Days"] for rule in rules) == [7, 30]


def test_a_bucket_that_cannot_be_read_hides_no_other(fleet, world):
    world.endpoint("other", capture={"s3_uri": "s3://there-is-no-such-bucket/x"}, infrastructure={})
    fleet.declare(capture_retention_days=30)
    assert ("create", "lifecycle_rule", "captures") in actions(fleet.plan())
    assert fleet.apply().faults == ()


def test_two_applies_at_once_do_no_harm(fleet):
    plan = fleet.plan()
    with ThreadPoolExecutor(2) as both:
        outcomes = list(both.map(lambda _: planner_of(open_deployment(), plan.to_do).apply(plan.to_do), range(2)))
    assert [outcome.faults for outcome in outcomes] == [(), ()]
    assert fleet.plan().changes == ()


def test_a_stored_plan_is_applied_as_it_was_shown(fleet, world):
    world.run("infrastructure")
    (stored,) = [key for key in world.stored("plans/") if key.endswith(".json")]
    name = stored.removeprefix("plans/").removesuffix(".json")
    fleet.declare(alarms={"server_errors": {"threshold_percent": 2.0}})
    run = world.run("infrastructure", plan=name)
    assert str(run.state) == "success"
    assert fleet.alarm("server_errors")["Threshold"] == 5.0


def test_what_changed_since_the_plan_is_brought_to_what_was_planned(fleet):
    fleet.apply()
    fleet.declare(alarms={"server_errors": {"threshold_percent": 2.0}, "client_errors": {"enabled": False}})
    plan = fleet.plan("flights")
    alarm = fleet.alarm("server_errors")
    request = {name: alarm[name] for name in ("AlarmName", "AlarmDescription", "Metrics", "ComparisonOperator")}
    fleet.cloudwatch.put_metric_alarm(**request, EvaluationPeriods=5, Threshold=50.0)
    fleet.cloudwatch.delete_alarms(AlarmNames=[f"{fleet.prefix}/flights/_all/incident"])
    fleet.cloudwatch.delete_alarms(AlarmNames=[f"{fleet.prefix}/flights/AllTraffic/client_errors"])
    outcome = planner_of(open_deployment(), plan.to_do).apply(plan.to_do)
    assert outcome.faults == ()
    assert [change.name.rpartition("/")[2] for change in outcome.settled] == ["client_errors"]
    assert any("server_errors has changed in AWS since" in told for told in outcome.replanned)
    assert fleet.alarm("server_errors")["Threshold"] == 2.0
    assert fleet.plan("flights").changes == ()


def test_mute_windows_become_mute_rules_of_the_alarms_that_page(fleet):
    fleet.declare(mute_windows={"batch": {"start": "02:00", "duration_minutes": 90, "weekdays": ["SUN"]}})
    night = {"night": {"start": "01:00", "duration_minutes": 30}}
    fleet.fleet(mute_windows=night, heartbeats={"monitor_hourly": {}})
    assert fleet.apply().faults == ()
    rule = fleet.cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName=f"{fleet.prefix}-flights-batch-1")
    assert rule["MuteTargets"]["AlarmNames"] == [f"{fleet.prefix}/flights/_all/incident"]
    assert rule["Rule"]["Schedule"] == {"Expression": "cron(0 2 * * SUN)", "Duration": "PT1H30M", "Timezone": "UTC"}
    whole = fleet.cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName=f"{fleet.prefix}-_fleet-night-1")
    assert f"{fleet.prefix}/_fleet/monitor_hourly/heartbeat" in whole["MuteTargets"]["AlarmNames"]
    assert fleet.plan().changes == ()
    fleet.declare()
    assert actions(fleet.plan()) == {("prune", "mute_rule", f"{fleet.prefix}-flights-batch-1")}
    assert fleet.apply().faults == ()
    assert fleet.plan().changes == ()


def test_log_retention_is_set_where_the_group_is_there(fleet, world):
    fleet.declare(log_retention_days=30)
    plan = fleet.plan()
    group = f"/aws/sagemaker/Endpoints/{world.name}-flights"
    assert any(f"log group {group} is not there yet" in note for note in plan.notes)
    fleet.logs.create_log_group(logGroupName=group)
    assert ("change", "log_retention", f"{world.name}-flights") in actions(fleet.plan())
    assert fleet.apply().faults == ()
    assert fleet.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 30
    assert fleet.plan().changes == ()


def test_an_endpoint_that_costs_too_much_is_left_as_it_is_and_told(fleet, world):
    world.endpoint(
        "flights",
        infrastructure={"instance_type": "ml.m5.xlarge"},
        cost={"ceiling_usd_per_month": 0.01, "on_exceed": "refuse"},
    )
    plan = fleet.plan()
    assert not [change for change in plan.changes if change.scope == "flights"]
    assert any("flights is left as it is: predicted" in fault for fault in plan.faults)


def test_a_dag_that_falls_silent_goes_into_alarm(fleet, world):
    """The heartbeat's alarm, proved: beats, no more beats, ALARM."""
    fleet.fleet(heartbeats={"monitor_hourly": {"silence_minutes": 1}})
    client = fleet.cloudwatch

    def beat(age):
        client.put_metric_data(
            Namespace=f"{world.name}/Runs",
            MetricData=[
                {
                    "MetricName": "Heartbeat",
                    "Dimensions": [{"Name": "Dag", "Value": "monitor_hourly"}],
                    "Timestamp": datetime.now(UTC) - timedelta(seconds=age),
                    "Value": 1.0,
                }
            ],
        )

    def reaches(state):
        for _ in range(40):
            if fleet.alarm("heartbeat", "monitor_hourly", "_fleet")["StateValue"] == state:
                return True
            time.sleep(0.5)
        return False

    beat(45)
    assert fleet.apply().faults == ()
    assert reaches("OK")
    assert reaches("ALARM")
    (message,) = [one for one in world.messages() if one["Subject"].startswith("ALARM")]
    assert f"{fleet.prefix}/_fleet/monitor_hourly/heartbeat" in message["Subject"]
    beat(0)
    assert reaches("OK")


def test_what_has_never_been_there_is_not_missed(fleet, world):
    """Neither a DAG that nobody runs nor an endpoint that nobody has called yet pages anybody by its absence."""
    assert fleet.apply().faults == ()
    assert not [name for name in fleet.alarm_names() if name.endswith(("heartbeat", "invocations_missing"))]
    assert any("invocations_missing is made when" in note for note in fleet.plan().notes)
    world.invocations(Window.hour_of(datetime.now(UTC)), 3)
    assert actions(fleet.plan()) >= {("create", "metric_alarm", "invocations_missing")}
    assert fleet.apply().faults == ()
    assert fleet.plan().changes == ()


def metric_alarm(name, **fields):
    return {
        "AlarmName": name,
        "Namespace": "Theirs",
        "MetricName": "Theirs",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    } | fields


def test_an_endpoint_of_another_region_is_watched_there_and_judged_at_home(fleet, world):
    world.endpoint("flights", region_name="eu-west-1", infrastructure={"instance_type": "ml.m5.xlarge"})
    fleet.fleet(event_bus_role_arn="arn:aws:iam::123456789012:role/events")
    assert fleet.apply().faults == ()
    assert fleet.plan().changes == ()
    assert fleet.alarm("violations") is not None
    assert fleet.alarm("server_errors") is None
    away = fleet.in_region("eu-west-1")
    there = away("cloudwatch").describe_alarms(AlarmNamePrefix=f"{fleet.prefix}/")["MetricAlarms"]
    assert f"{fleet.prefix}/flights/AllTraffic/server_errors" in {one["AlarmName"] for one in there}
    (target,) = away("events").list_targets_by_rule(Rule=f"{fleet.prefix}-alarms")["Targets"]
    assert target["Arn"] == "arn:aws:events:us-east-1:123456789012:event-bus/default"
    # It moves home: what it had there goes, as long as another endpoint keeps that place in sight.
    fleet.declare()
    world.endpoint("other", region_name="eu-west-1")
    assert fleet.apply().faults == ()
    left = away("cloudwatch").describe_alarms(AlarmNamePrefix=f"{fleet.prefix}/")
    assert left["MetricAlarms"] == []
    assert fleet.alarm("server_errors") is not None
    assert fleet.plan().changes == ()


def test_capture_is_brought_about_where_a_file_says_so(fleet, world):
    client, name = world.sandbox.client("sagemaker"), f"{world.name}-flights"
    role = "arn:aws:iam::123456789012:role/r"
    image = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
    client.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=image)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    world.endpoint("flights", infrastructure={"manage_capture": True})
    (change,) = [one for one in fleet.plan().changes if one.kind == "data_capture"]
    assert "EnableCapture" in str(change.fields)
    run = world.run("infrastructure", mode="apply")
    assert (str(run.state), states(run)["capture"]) == ("success", "success")
    assert client.describe_endpoint(EndpointName=name)["DataCaptureConfig"]["EnableCapture"] is True
    # Its instance type was asked of SageMaker: two cores.
    assert fleet.alarm("cpu_utilization")["Threshold"] == 180.0
    assert not [one for one in fleet.plan().changes if one.kind == "data_capture"]


@pytest.mark.parametrize(
    ("mode", "stored_plan", "run_type", "expected"),
    [
        ("", "", "scheduled", "apply"),
        ("", "", "manual", "plan"),
        ("plan", "", "scheduled", "plan"),
        ("apply", "", "manual", "apply"),
        ("", "some-plan", "manual", "apply"),
        ("plan", "some-plan", "manual", "plan"),
    ],
)
def test_who_says_whether_a_run_applies(fleet, world, mode, stored_plan, run_type, expected):
    fleet.fleet(mode="apply")
    operator = PlanInfrastructureOperator(task_id="plan", mode=mode, endpoints="flights", stored_plan="")
    pushed = {}
    task_instance = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    run = SimpleNamespace(run_id="r", run_type=DagRunType(run_type))
    if stored_plan:
        open_deployment().plans.write(replace(fleet.plan("flights"), run=stored_plan))
        operator.stored_plan = stored_plan
    mapped = operator.execute({"ti": task_instance, "dag_run": run})
    assert bool(mapped) == (expected == "apply")
    assert pushed["applied_plan"] == ((stored_plan or "r") if mapped else "")


def test_an_unknown_mode_is_told():
    operator = PlanInfrastructureOperator(task_id="plan", mode="aply")
    with pytest.raises(ValueError, match="use plan or apply"):
        operator._mode("plan", "manual")
