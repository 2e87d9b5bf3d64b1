"""Asking a person: who is asked and when, and what the answer makes of the attempt."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.exceptions import TaskAwaitingInput as Waiting

from tests.operators.attempt_world import ATTEMPT, AttemptWorld
from tests.operators.conftest import context
from watchkeeper.operators.approve_attempt import ApproveAttemptOperator


@pytest.fixture
def world(place, monkeypatch):
    here = AttemptWorld(place)
    here.asked = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **detail: here.asked.append(detail)
    )
    here.open()
    return here


def operator(stage="training"):
    return ApproveAttemptOperator(
        task_id="approve", endpoint="flights", attempt_id=ATTEMPT, stage=stage, defaults="Reject"
    )


def ask(stage="training"):
    return operator(stage).execute(context(task_instance=SimpleNamespace(id="ti")))


def answer(option, stage="training", user="ada"):
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": "1", "name": user} if user else None,
    }
    return operator(stage).execute_complete(context(), event)


@pytest.mark.parametrize("stage", ["training", "promotion"])
def test_where_all_is_automatic_nobody_is_asked(world, stage):
    assert ask(stage) is None
    assert (world.asked, world.told(), world.states()) == ([], [], ["decided"])


def test_a_person_is_asked_with_all_that_is_known_and_told_of_it(world):
    world.endpoint(retraining={"mode": "approval"})
    with pytest.raises(Waiting):
        ask()
    (asked,) = world.asked
    assert asked["subject"] == "flights: train a new model?"
    assert asked["defaults"] == ["Reject"]
    assert f"Attempt `{ATTEMPT}`" in asked["body"]
    assert "**decided** by test: drift" in asked["body"]
    assert world.states() == ["decided", "awaiting_approval"]
    assert world.told() == [("approval_wanted", "flights: train a new model?")]


def test_asked_again_after_a_kill_it_is_one_step(world):
    world.endpoint(retraining={"mode": "approval"})
    for _ in range(2):
        with pytest.raises(Waiting):
            ask()
    assert world.states() == ["decided", "awaiting_approval"]


def test_who_approved_stands_in_the_record(world):
    world.advance("awaiting_approval")
    assert answer("Approve")["chosen_options"] == ["Approve"]
    last = world.record().history[-1]
    assert (last.state, last.by, last.why) == ("approved", "ada", "the training was approved")


@pytest.mark.parametrize(("user", "by"), [("ada", "ada"), (None, "nobody, in time")])
def test_a_rejection_and_no_answer_in_time_end_the_attempt(world, user, by):
    world.advance("awaiting_approval")
    answer("Reject", user=user)
    last = world.record().history[-1]
    assert (last.state, last.by, last.why) == ("rejected", by, "the training was not approved")
    assert world.told() == [("rejected", f"flights: the training was not approved ({by})")]
    with pytest.raises(AirflowSkipException, match="is rejected: the training was not approved"):
        ask()


def test_a_package_that_a_person_keeps_out_of_service_is_rejected_too(world):
    package = world.package()
    world.advance("compared", model_package_arn=package)
    answer("Reject", "promotion")
    assert world.record().state == "rejected"
    assert world.approval(package) == ("Rejected", "the promotion was not approved: ada")


def test_the_promotion_is_asked_for_by_its_own_mode(world):
    world.endpoint(retraining={"deployment": {"mode": "approval"}})
    assert ask("training") is None
    world.advance("compared", why="better by 0.2")
    with pytest.raises(Waiting):
        ask("promotion")
    assert world.asked[0]["subject"] == "flights: promote the challenger?"
    assert "better by 0.2" in world.asked[0]["body"]
    answer("Approve", "promotion")
    assert world.states()[-2:] == ["compared", "approved"]


def test_of_a_challenger_that_lost_nobody_is_asked(world):
    world.endpoint(retraining={"deployment": {"mode": "approval"}})
    world.advance("rejected", why="worse by 0.1")
    with pytest.raises(AirflowSkipException, match=r"is rejected: worse by 0\.1"):
        ask("promotion")
    assert world.asked == []


def test_a_failed_attempt_is_taken_up_where_it_was(world):
    world.advance("compared")
    world.advance("failed")
    assert ask("promotion") is None
    assert world.states() == ["decided", "compared", "failed", "compared"]


def test_mapped_instances_ask_for_their_own_attempt():
    from airflow.sdk import DAG

    with DAG("mapped", schedule=None):
        mapped = ApproveAttemptOperator.partial(task_id="approve", stage="training", defaults="Reject").expand_kwargs(
            [{"endpoint": "a", "attempt_id": "1"}, {"endpoint": "b", "attempt_id": "2"}]
        )
    one = mapped.unmap({"endpoint": "b", "attempt_id": "2"})
    assert (one.endpoint, one.attempt_id, one.label, one.subject) == (
        "b",
        "2",
        "b",
        "Watchkeeper: approve the training",
    )
