"""What forbids an action, and who is asked before one."""

import contextlib
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from tests.operators.remediation_world import RemediationWorld, bad_deployment, first_steps, now, rule
from watchkeeper.aws.incident_record import IncidentState
from watchkeeper.operators.act_on_incident import ActOnIncidentOperator


@pytest.fixture
def world(place, monkeypatch):
    here = RemediationWorld(place, monkeypatch)
    here.endpoint(rule("roll_back"))
    return here


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


@pytest.mark.parametrize("switch", ["dry_run", "maintenance", "fleet"])
def test_what_was_switched_off_while_a_person_was_waited_for_is_not_done(world, switch, tmp_path, monkeypatch):
    world.endpoint(rule("approve", "roll_back"))
    bad_deployment(world)
    context = world.context("r1")
    (item,) = first_steps(world, context)
    if switch == "dry_run":
        world.endpoint(rule("approve", "roll_back"), mode="dry_run")
    elif switch == "maintenance":
        window = {"start": "00:00", "duration_minutes": 1440}
        world.endpoint(rule("approve", "roll_back"), maintenance_windows={"always": window})
    else:
        (tmp_path / "include").mkdir()
        (tmp_path / "include" / "fleet.yaml").write_text("remediation: {enabled: false}\n")
        monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(tmp_path / "include"))
    with pytest.raises(AirflowSkipException, match="for now"):
        world.task(ActOnIncidentOperator(task_id="act", **item), context)
    assert world.updates == []
    assert (world.record.state, world.record.step.outcome) == ("open", "postponed")
