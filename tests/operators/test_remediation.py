"""From an alarm to a verified recovery, and all that may go wrong on the way: one action at most, all recorded."""

import pytest
from airflow.sdk.exceptions import TaskDeferred

from tests.operators.remediation_world import (
    ERRORS,
    LATENCY,
    VIOLATIONS,
    RemediationWorld,
    bad_deployment,
    finish,
    first_steps,
    now,
    rule,
)


@pytest.fixture
def world(place, monkeypatch):
    here = RemediationWorld(place, monkeypatch)
    here.endpoint(rule("roll_back"))
    return here


# ---- the way that it should go


def test_a_bad_deployment_is_rolled_back_verified_and_told_in_one_thread(world):
    bad_deployment(world)
    done = world.run()
    assert world.serving == "first"
    assert world.updates == [{"config": "first", "retain": True}]
    assert done.outcomes[0]["state"] == "recovered"
    record = world.record
    assert world.states() == ["open", "decided", "acting", "verifying", "verifying", "recovered"]
    assert record.event_ids == ("e1",)
    (step,) = record.steps
    assert (step.action, step.outcome, step.allowed_by) == ("roll_back", "verified", "the policy, mode automatic")
    assert step.target == {"config": "first", "from_config": "second", "told_by": "what was seen in service"}
    assert (step.before["config"], step.after["config"]) == ("second", "first")
    assert step.before["instances"] == step.after["instances"] == {"AllTraffic": 1}
    assert (step.before["alarms"][ERRORS]["state"], step.after["alarms"][ERRORS]["state"]) == ("ALARM", "OK")
    assert record.alarms[ERRORS].reason == "so that it is ALARM"
    assert world.stages() == [("opened", "warning"), ("recovered", "warning")]
    assert done.report["faults"] == []
    deployment = world.place.deployment
    assert deployment.inbox.pending("alarms") == []
    assert deployment.incidents.open_ids() == {}
    assert deployment.config_history.is_bad("flights", "second")


def test_slow_answers_are_told_and_end_when_they_are_over(world):
    world.endpoint(rule("notify", alarms=("model_latency_p95",)))
    world.set("ALARM", LATENCY)
    world.ring(LATENCY)
    assert world.run().chosen == []
    assert (world.record.step.action, world.record.state) == ("notify", "open")
    assert world.stages() == [("opened", "warning")]
    world.run("r2")
    world.set("OK", LATENCY)
    world.ring(LATENCY, "OK", "e2")
    world.run("r3")
    assert world.record.state == "closed"
    assert world.stages() == [("recovered", "warning")]
    assert world.updates == []


def test_persistent_errors_scale_out_and_what_has_not_helped_is_rolled_back(world):
    world.endpoint(rule("scale_out", "roll_back"), scale_out={"add_instances": 2, "maximum_instances": 4})
    bad_deployment(world)
    world.on_update = lambda: None
    context = world.context("r1")
    (item,) = first_steps(world, context)
    with pytest.raises(TaskDeferred) as waiting:
        world.work(item, context)
    assert waiting.value.trigger.__class__.__name__ == "AlarmStateTrigger"
    assert world.instances == 3
    world.long_ago()
    report = finish(world, item, context)
    assert world.record.state == "unresolved"
    assert "did not help" in world.record.why
    assert world.rang == ["watchkeeper_alarm_events"], "the next step is decided at once"
    assert any("did not help" in fault for fault in report["faults"])
    world.on_update = lambda: world.set("OK")
    world.run("r2")
    assert (world.serving, world.instances) == ("first", 3), "capacity survived"
    assert [(step.action, step.outcome) for step in world.record.steps] == [
        ("scale_out", "not_verified"),
        ("roll_back", "verified"),
    ]
    assert world.stages() == [("opened", "warning"), ("1-not_verified", "warning"), ("recovered", "warning")]


def test_violations_start_a_retraining_once_and_give_it_days(world):
    retraining = {"pipeline_name": "p", "model_package_group": "flights", "definition": None}
    world.endpoint(rule("retrain", alarms=("violations",)), endpoint={"retraining": retraining})
    world.set("ALARM", VIOLATIONS)
    world.ring(VIOLATIONS)
    world.run()
    (run_id,) = world.runs["retrain"]
    assert world.started.conf == {"endpoints": ["flights"]}
    assert run_id == world.record.step.target["run_id"]
    assert (world.record.state, world.record.step.outcome) == ("open", "done")
    world.run("r2")
    assert len(world.runs["retrain"]) == len(world.record.steps) == 1
    assert world.place.deployment.blast_radius.acting(now()) == frozenset()
    world.set("OK", VIOLATIONS)
    world.run("r3")
    assert world.record.state == "recovered"


# ---- bad input


def test_a_message_delivered_five_times_is_one_action(world):
    bad_deployment(world)
    world.ring(times=4)
    world.run()
    world.ring(times=2)
    world.run("r2")
    assert len(world.updates) == 1
    assert len(world.record.steps) == 1
    assert world.record.event_ids == ("e1",)


def test_two_alarms_at_once_are_one_incident_and_one_action(world):
    world.endpoint(rule("roll_back", alarms=("server_errors", "model_latency_p95")))
    bad_deployment(world)
    world.set("ALARM", LATENCY)
    world.ring(LATENCY, event_id="e2")
    world.on_update = lambda: world.set("OK", ERRORS, LATENCY)
    world.run()
    assert len(world.updates) == 1
    assert set(world.record.alarms) == {ERRORS, LATENCY}
    assert set(world.record.event_ids) == {"e1", "e2"}


def test_a_flapping_alarm_is_acted_on_once_within_the_cooldown(world):
    world.endpoint(rule("restart"))
    world.on_update = lambda: world.set("OK")
    for turn in range(3):
        world.set("ALARM")
        world.ring(event_id=f"on{turn}")
        world.run(f"on{turn}")
        world.set("OK")
        world.ring(state="OK", event_id=f"off{turn}")
        world.run(f"off{turn}")
    assert len(world.updates) == 1
    acted = [record for record in world.records() if record.steps]
    assert len(acted) == 1
    assert all(record.has_ended for record in world.records())


def test_an_alarm_that_is_ok_again_by_now_is_recorded_and_nothing_else(world):
    world.ring()
    assert world.run().chosen == []
    assert world.states() == ["open", "closed"]
    assert "OK again" in world.record.why
    assert world.updates == []
    assert world.stages() == []


def test_an_event_that_comes_after_its_incident_is_noted_there(world):
    world.endpoint(rule("notify"))
    world.set("ALARM")
    world.run()
    world.ring()
    world.set("OK")
    world.run("r2")
    assert (world.record.state, world.record.event_ids) == ("closed", ("e1",))
    world.ring(event_id="late", at=world.record.opened_at)
    world.run("r3")
    assert world.record.event_ids == ("e1", "late")


def test_an_event_that_never_came_is_no_loss(world):
    bad_deployment(world)
    world.sqs.purge_queue(QueueUrl=world.url)
    world.run()
    assert world.serving == "first"


def test_what_cannot_be_followed_is_kept_told_and_holds_up_nothing(world):
    world.sqs.send_message(QueueUrl=world.url, MessageBody="not an event")
    world.ring("watchkeeper/nobody/AllTraffic/server_errors", event_id="unknown")
    world.ring("somebody-elses", event_id="foreign")
    world.ring("watchkeeper/_fleet/_all/heartbeat", event_id="fleet")
    bad_deployment(world)
    done = world.run()
    assert world.serving == "first"
    stages = world.stages()
    assert stages.count(("event", "warning")) == 2
    deployment = world.place.deployment
    assert deployment.inbox.pending("alarms") == []
    assert list(deployment.inbox.malformed()) == []
    archived = [item.key for item in deployment.inbox.objects.list("events/archive/")]
    assert len(archived) == 5
    assert done.report["faults"] == []


def test_events_wait_while_the_dag_is_paused_or_a_file_is_broken(world):
    world.ring()
    (world.place.folder / "flights.yaml").write_text("endpoint_name: [")
    done = world.run()
    assert done.report["problems"]
    assert [event.event_id for event in world.place.deployment.inbox.pending("alarms")] == ["e1"]
    world.endpoint(rule("roll_back"))
    world.run("r2")
    assert world.place.deployment.inbox.pending("alarms") == []


def test_one_broken_record_holds_up_no_other_endpoint(world):
    bad_deployment(world)
    world.place.endpoint("churn", remediation={"mode": "automatic", "rules": [rule("notify")]})
    world.alarm("watchkeeper/churn/AllTraffic/server_errors", "ALARM")
    pointer = "wk/actions/_fleet/remediate/open/churn"
    world.place.s3.put_object(Bucket="watchkeeper-tests", Key=pointer, Body=b"x")
    world.place.s3.put_object(
        Bucket="watchkeeper-tests", Key="wk/actions/churn/remediate/x/incident.json", Body=b"broken"
    )
    done = world.run()
    assert world.serving == "first"
    assert any("churn" in fault for fault in done.report["faults"])


def test_a_queue_that_cannot_be_read_is_a_fault_and_holds_up_nothing(world, monkeypatch):
    bad_deployment(world)
    monkeypatch.setenv("WATCHKEEPER_ALARM_QUEUE_URL", world.url + "-gone")
    done = world.run()
    assert world.serving == "first"
    assert any("queue of alarms" in fault for fault in done.report["faults"])


# ---- refused, silent, killed


def test_an_action_that_aws_refuses_is_recorded_and_left_to_people(world):
    world.set("ALARM")
    world.run()
    step = world.record.step
    assert (step.outcome, world.record.state) == ("refused", "unresolved")
    assert "no configuration from before first is known" in world.record.why
    world.run("r2")
    assert world.record.state == "escalated"
    world.run("r3")
    assert world.stages() == [("opened", "warning"), ("1-refused", "warning"), ("escalated", "critical")]
    assert world.place.deployment.blast_radius.acting(now()) == frozenset()
    world.set("OK")
    world.run("r4")
    assert world.record.state == "closed"


def test_an_update_that_is_silently_rolled_back_is_not_believed(world):
    bad_deployment(world)
    world.rolls_back = True
    world.on_update = lambda: None
    world.run()
    assert world.record.step.outcome == "not_verified"
    assert "configuration second is in service, and not first" in world.record.why
    assert ("1-not_verified", "critical") in world.stages()


def test_a_roll_back_after_which_the_alarm_goes_on_is_critical(world):
    bad_deployment(world)
    world.on_update = lambda: None
    context = world.context("r1")
    (item,) = first_steps(world, context)
    with pytest.raises(TaskDeferred):
        world.work(item, context)
    world.long_ago()
    finish(world, item, context)
    assert ("1-not_verified", "critical") in world.stages()
    world.run("r2")
    assert world.record.state == "escalated"
    assert ("escalated", "critical") in world.stages()


def test_a_killed_task_is_taken_up_again_and_does_the_same(world, monkeypatch):
    bad_deployment(world)
    context = world.context("r1")
    (item,) = first_steps(world, context)

    def killed():
        raise ConnectionError

    world.on_update = killed
    with pytest.raises(ConnectionError):
        world.work(item, context)
    assert world.record.state == "acting"
    world.on_update = lambda: None
    world.set("OK")
    assert world.work(item, context)["state"] == "recovered"
    assert {update["config"] for update in world.updates} == {"first"}


def test_the_incident_of_a_run_that_was_ended_is_taken_over(world):
    bad_deployment(world)
    context = world.context("dead")
    first_steps(world, context)
    assert world.run("while it lives").chosen == []
    world.runs["remediate"]["dead"] = "failed"
    assert world.run("r2").outcomes[0]["state"] == "recovered"
    assert [step.outcome for step in world.record.steps] == ["postponed", "verified"]
    assert len(world.updates) == 1


def test_a_task_that_failed_for_good_leaves_nothing_held(world):
    bad_deployment(world)
    context = world.context("r1")
    first_steps(world, context)
    report = finish(world, None, context)
    assert (world.record.state, world.record.step.outcome) == ("open", "postponed")
    assert report["verdicts"] == {"flights": "open"}


def test_of_two_runs_at_once_one_acts(world):
    bad_deployment(world)
    one, two = world.context("r1"), world.context("r2")
    first = first_steps(world, one)
    second = first_steps(world, two)
    assert (len(first), len(second)) == (1, 0)


# ---- read in a notebook


def test_incidents_are_read_as_a_frame_and_by_step(world):
    from watchkeeper import api

    deployment = world.place.deployment
    how = {"settings": deployment.settings, "access": deployment.access}
    assert list(api.read_incidents(**how).columns)[:3] == ["endpoint", "incident_id", "state"]
    bad_deployment(world)
    world.run()
    (row,) = api.read_incidents(days=1, **how).to_dict("records")
    assert (row["endpoint"], row["state"], row["actions"], row["alarms"]) == (
        "flights",
        "recovered",
        "roll_back",
        ERRORS,
    )
    assert row["minutes"] >= 0
    (step,) = api.read_incidents(every_step=True, endpoints=["flights"], **how).to_dict("records")
    assert (step["config_before"], step["config_after"]) == ("second", "first")
    assert (step["instances_before"], step["instances_after"], step["outcome"]) == (1, 1, "verified")
    assert api.read_incidents(start="2026-01-01T00:00Z", end="2026-01-02T00:00Z", **how).empty


def test_an_action_that_helped_its_alarm_is_no_failure_because_another_goes_on(world):
    retraining = {"pipeline_name": "p", "model_package_group": "flights", "definition": None}
    world.endpoint(
        rule("roll_back"),
        rule("retrain", alarms=("violations",), name="drift"),
        endpoint={"retraining": retraining},
    )
    bad_deployment(world)
    world.set("ALARM", VIOLATIONS)
    world.on_update = lambda: world.set("OK", ERRORS)
    world.run()
    (step,) = world.record.steps
    assert (step.action, step.alarms, step.outcome) == ("roll_back", (ERRORS,), "verified")
    assert "still in alarm" in world.record.why
    world.run("r2")
    assert [(step.action, step.alarms) for step in world.record.steps][1:] == [("retrain", (VIOLATIONS,))]


def test_nothing_is_done_for_an_alarm_that_is_over_while_another_goes_on(world):
    world.endpoint(rule("roll_back"), rule("notify", alarms=("violations",), name="drift"))
    bad_deployment(world)
    world.set("ALARM", VIOLATIONS)
    context = world.context("r1")
    (item,) = first_steps(world, context)
    world.set("OK", ERRORS)
    assert "the alarms are OK again" in world.work(item, context)
    assert world.updates == []


def test_what_came_of_one_is_told_while_others_of_the_run_wait_for_a_person(world):
    bad_deployment(world)
    context = world.context("r1")
    (item,) = first_steps(world, context)
    assert world.work(item, context)["state"] == "recovered"
    assert world.stages() == [("opened", "warning"), ("recovered", "warning")]
    finish(world, None, context)
    assert world.stages() == [], "and not again"


def test_somebody_elses_alarm_that_is_called_like_a_condition_is_not_followed(world):
    world.endpoint(rule("roll_back", alarms=("violations",)))
    bad_deployment(world)
    world.alarm("violations", "ALARM")
    world.ring("violations", event_id="theirs")
    assert world.run().chosen == []
    assert world.records() == ()
