"""From an alarm to a verified recovery, and all that may go wrong on the way: one action at most, all recorded."""

import contextlib
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from tests.operators.remediation_world import ERRORS, LATENCY, VIOLATIONS, RemediationWorld, rule
from watchkeeper.aws.incident_record import IncidentState


@pytest.fixture
def world(place, monkeypatch):
    here = RemediationWorld(place, monkeypatch)
    here.endpoint(rule("roll_back"))
    return here


def bad_deployment(world: RemediationWorld) -> None:
    """Let the first configuration be seen in service, then the second raise errors."""
    world.run("quiet")
    world.serve("second")
    world.run("seen")
    world.set("ALARM")
    world.ring()
    world.on_update = lambda: world.set("OK")


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


# ---- guards


def test_dry_run_tells_what_it_would_do_and_does_nothing(world):
    world.endpoint(rule("roll_back"), mode="dry_run")
    bad_deployment(world)
    for turn in range(3):
        assert world.run(f"r{turn}").chosen == []
    assert world.updates == []
    assert "roll_back" in world.record.why
    assert "dry_run" in world.record.why
    assert world.stages() == [("opened", "warning"), ("0-dry_run", "warning")]


def test_nothing_is_done_while_the_endpoint_is_being_updated(world):
    bad_deployment(world)
    world.status("Updating")
    assert world.run().chosen == []
    assert "is Updating" in world.record.why
    world.status("InService")
    world.run("r2")
    assert world.serving == "first"


def test_nothing_is_done_while_retraining_deploys_a_model(world):
    bad_deployment(world)
    retraining = {
        "pipeline_name": "p",
        "model_package_group": "flights",
        "definition": None,
        "deployment": {"mode": "automatic"},
    }
    world.endpoint(rule("roll_back"), endpoint={"retraining": retraining})
    from watchkeeper.aws.action_store import AttemptRecord, AttemptState

    actions = world.place.deployment.actions
    record = AttemptRecord(attempt_id="a", endpoint="flights", state="decided", decided_at="2026-11-20T00:00:00Z")
    actions.open_attempt(record, by="retrain t1", why="w", now=now())
    actions.advance("flights", "a", AttemptState.COMPARED, by="retrain t1", why="w", now=now())
    world.runs["retrain"]["t1"] = "running"
    assert world.run().chosen == []
    assert "attempt a of retraining" in world.record.why
    world.runs["retrain"]["t1"] = "failed"
    assert len(world.run("r2").chosen) == 1


def test_an_update_that_begins_between_decision_and_action_puts_it_off(world):
    bad_deployment(world)
    context = world.context("r1")
    (item,) = first_steps(world, context)
    world.status("Updating")
    assert "is Updating" in world.work(item, context)
    assert (world.record.state, world.record.step.outcome) == ("open", "postponed")


def test_an_alarm_that_is_over_before_the_action_puts_it_off(world):
    bad_deployment(world)
    context = world.context("r1")
    (item,) = first_steps(world, context)
    world.set("OK")
    assert "OK again" in world.work(item, context)
    assert world.updates == []


def test_the_blast_radius_holds_even_if_it_fills_after_the_decision(world):
    bad_deployment(world)
    context = world.context("r1")
    (item,) = first_steps(world, context)
    world.place.deployment.blast_radius.claim("another", "i", at_once=1, per_hour=1, now=now())
    assert "no more endpoints" in world.work(item, context)
    assert world.updates == []
    world.run("r2")
    assert ("blast-radius", "critical") in world.stages()


def test_the_circuit_breaker_opens_and_a_person_closes_it(world):
    world.endpoint(
        rule("restart"), cooldown_minutes=0, circuit_breaker={"maximum_actions": 2, "closes_after_hours": None}
    )
    world.on_update = lambda: world.set("OK")
    for turn in range(3):
        world.set("ALARM")
        world.run(f"r{turn}")
    assert len(world.updates) == 2
    assert ("circuit-open", "critical") in world.stages()
    world.run("later")
    assert len(world.updates) == 2
    world.run("by hand", close_circuit_breakers=["flights"], reason="mended")
    assert len(world.updates) == 3
    assert "mended" in world.place.deployment.breakers.read("flights").closed_by


def test_an_incident_that_a_person_ends_stays_ended_while_its_alarm_goes_on(world):
    world.set("ALARM")
    world.run()
    world.run("by hand", end_incidents=["flights"], reason="known")
    world.run("r3")
    assert world.record.state == "closed"
    assert "known" in world.record.why


def test_capacity_ceilings_hold(world):
    world.endpoint(rule("scale_out"), scale_out={"maximum_instances": 1})
    world.set("ALARM")
    world.run()
    assert world.updates == []
    assert "may have 1" in world.record.why


def test_an_endpoint_whose_policy_is_gone_has_no_open_incident(world):
    world.set("ALARM")
    world.run()
    world.place.endpoint()
    world.run("r2")
    assert world.record.state == "closed"


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


# ---- approval


@pytest.fixture
def asked(world, monkeypatch):
    from airflow.providers.standard.operators import hitl

    questions: list[Any] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **detail: questions.append(detail))
    return questions


@pytest.mark.parametrize(
    ("answer", "state"), [("Approve", IncidentState.APPROVED), ("Reject", IncidentState.ESCALATED)]
)
def test_a_person_is_asked_and_who_answers_is_recorded(world, asked, answer, state):
    from airflow.sdk.exceptions import DownstreamTasksSkipped, TaskAwaitingInput

    from watchkeeper.operators.approve_incident import ApproveIncidentOperator

    world.endpoint(rule("approve", "roll_back"))
    bad_deployment(world)
    context = world.context("r1") | {"task_instance": type("T", (), {"id": "i"})()}
    (item,) = first_steps(world, context)
    operator = ApproveIncidentOperator(task_id="approve", **item)
    with pytest.raises(TaskAwaitingInput):
        operator.execute(context)
    assert world.record.state == "awaiting_approval"
    assert "roll_back" in asked[0]["subject"]
    assert world.run("meanwhile").chosen == []
    event = {
        "chosen_options": [answer],
        "params_input": {},
        "responded_at": now(),
        "responded_by_user": {"id": "1", "name": "jo"},
    }
    context = world.context("r1") | {"task": operator}
    with contextlib.suppress(DownstreamTasksSkipped, KeyError, AttributeError):
        operator.execute_complete(context, event)
    assert world.record.state == state
    assert "jo" in world.record.step.allowed_by
    assert ("1-approval", "warning") in world.stages()
    if answer == "Reject":
        assert world.updates == []
        assert world.run("r2").chosen == []


# ----


def first_steps(world: RemediationWorld, context: dict[str, Any]) -> list[dict[str, str]]:
    """Drain and decide."""
    from watchkeeper.operators.decide_remediation import DecideRemediationOperator
    from watchkeeper.operators.drain_alarms import DrainAlarmsOperator

    world.task(DrainAlarmsOperator(task_id="drain"), context)
    return world.task(DecideRemediationOperator(task_id="decide"), context)


def finish(world: RemediationWorld, item: dict[str, str] | None, context: dict[str, Any]) -> dict[str, Any]:
    """Come back from the trigger, if something was waited for, and report."""
    from watchkeeper.operators.report_incidents import ReportIncidentsOperator
    from watchkeeper.operators.verify_incident import VerifyIncidentOperator

    if item is not None:
        operator = VerifyIncidentOperator(task_id="verify", waiter_delay=1, deferrable=True, **item)
        operator.execute_complete(context, {"status": "error"})
    return world.task(ReportIncidentsOperator(task_id="report"), context)


def now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
