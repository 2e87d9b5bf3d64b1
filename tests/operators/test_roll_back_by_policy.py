"""Rolling back by policy: what is decided from ledger and records, who is asked, and what a refusal leaves."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import TaskAwaitingInput

from tests.aws.result_samples import finding
from tests.aws.result_samples import result as window_result
from tests.operators.conftest import REGION, context
from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.errors import StoreError
from watchkeeper.operators.approve_roll_back import ApproveRollBackOperator
from watchkeeper.operators.decide_retraining import DecideRetrainingOperator
from watchkeeper.operators.decide_roll_back import DecideRollBackOperator
from watchkeeper.registry.capture_window import HOUR, Window, hour_floor

NOW = datetime.now(UTC)
PROMOTED = hour_floor(NOW) - 5 * HOUR
RETRAINING = {
    "pipeline_name": "p",
    "model_package_group": "flights",
    "role_arn": "arn:aws:iam::123456789012:role/training",
    "mode": "automatic",
    "deployment": {"roll_back": {"violated_windows": 2, "within_days": 1}},
}


@pytest.fixture
def world(place):
    """An endpoint whose promotion of five hours ago is in service."""
    client = boto3.client("sagemaker", region_name=REGION)
    for model, config in (("old", "first"), ("new", "second"), ("foreign", "third")):
        client.create_model(ModelName=model, PrimaryContainer={"Image": "i"}, ExecutionRoleArn=RETRAINING["role_arn"])
        variant = {"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m5.large"}
        client.create_endpoint_config(
            EndpointConfigName=config, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
        )
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="second")
    place.endpoint(retraining=RETRAINING)
    actions = place.deployment.actions
    record = AttemptRecord(attempt_id="a", endpoint="flights", state="compared", decided_at=f"{PROMOTED:%FT%TZ}")
    actions.open_attempt(record, by="test", why="won", now=PROMOTED)
    fields = {"variant": "AllTraffic", "previous_config": "first", "new_config": "second"}
    actions.advance("flights", "a", AttemptState.PROMOTED, by="test", why="it won", now=PROMOTED, **fields)
    return SimpleNamespace(place=place, client=client, actions=actions)


def judge(world, *hours, verdict="violated"):
    """Record verdicts of hours so many hours after the promotion."""
    results = [
        (
            window_result(
                Window.hour_of(PROMOTED + hour * HOUR),
                verdict=verdict,
                severity="high",
                findings=(finding(outcome=verdict if verdict == "violated" else "satisfied"),),
            ),
            f"r{hour}",
        )
        for hour in hours
    ]
    world.place.deployment.ledger.record(results, RunFacts(run_id="r", dag_id="d", recorded_at=NOW))


def decide(**params):
    return DecideRollBackOperator(task_id="decide_roll_back").execute(context(params=params))


def test_a_promotion_whose_windows_are_violated_is_to_be_taken_back(world):
    judge(world, -2, -1, 1)
    assert decide() == []
    judge(world, 3)
    (found,) = decide()
    assert (found["endpoint"], found["attempt_id"]) == ("flights", "a")
    assert found["reason"].startswith("Roll back: 2 hours of a monitor are violated within 1 days after the promotion")


@pytest.mark.parametrize("changes", [{"deployment": {}}, {"mode": "dry_run"}, None], ids=["none", "dry", "never"])
def test_nothing_is_taken_back_that_the_file_does_not_ask_for(world, changes):
    judge(world, 1, 2, 3)
    world.place.endpoint(**({} if changes is None else {"retraining": RETRAINING | changes}))
    assert decide() == []


def test_by_hand_and_where_another_model_serves_nothing_is_taken_back(world, monkeypatch):
    judge(world, 1, 2)
    assert decide(endpoints=["flights"]) == []
    world.client.delete_endpoint(EndpointName="flights-delay")
    world.client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="third")
    assert decide() == []
    world.client.delete_endpoint(EndpointName="flights-delay")
    assert [found["endpoint"] for found in decide()] == ["flights"]  # rolling back says what is wrong


def test_once_it_is_taken_back_its_windows_count_for_nothing(world):
    judge(world, 1, 2, 3)
    retrain = DecideRetrainingOperator(task_id="decide")
    world.actions.advance("flights", "a", AttemptState.ROLLED_BACK, by="t", why="w", now=NOW)
    assert decide() == []
    assert retrain.execute(context()) == []


def approve(**fields):
    arguments = {"endpoint": "flights", "attempt_id": "a", "reason": "it is bad", "defaults": "Reject"}
    return ApproveRollBackOperator(task_id="approve", response_timeout=timedelta(days=1), **(arguments | fields))


@pytest.fixture
def asked(monkeypatch):
    """Take down what people are asked; the questions are Airflow's, which lie in its database."""
    questions = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **detail: questions.append(detail))
    return questions


def answer(option, user):
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": NOW,
        "responded_by_user": None if user is None else {"id": "1", "name": user},
        "timedout": user is None,
    }


def task_context():
    return context(task_instance=SimpleNamespace(id="1"))


def test_a_person_is_asked_and_told_what_would_return(world, asked):
    with pytest.raises(TaskAwaitingInput):
        approve().execute(task_context())
    (question,) = asked
    assert question["subject"] == "flights: take the promotion back?"
    assert "it is bad" in question["body"]
    assert "`first` from before it would return" in question["body"]
    (message,) = world.place.messages()
    assert message["MessageAttributes"]["stage"]["Value"] == "roll_back_wanted"
    approve().execute_complete(task_context(), answer("Approve", "ann"))
    assert world.actions.promotion("flights").kept is False


def test_who_declines_keeps_the_model_for_good_and_silence_does_not(world, asked):
    judge(world, 1, 2)
    approve().execute_complete(task_context(), answer("Reject", None))
    assert len(decide()) == 1
    approve().execute_complete(task_context(), answer("Reject", "ann"))
    assert decide() == []
    last = world.actions.read("flights", "a").history[-1]
    assert (last.state, last.why) == ("promoted", "kept in service; asked because: it is bad")
    assert last.by.startswith("ann")


def test_nobody_is_asked_where_the_deployment_is_automatic_or_it_is_taken_back_already(world, asked):
    automatic = RETRAINING["deployment"] | {"mode": "automatic"}
    world.place.endpoint(retraining=RETRAINING | {"deployment": automatic})
    assert approve().execute(task_context()) is None
    world.place.endpoint(retraining=RETRAINING)
    world.actions.advance("flights", "a", AttemptState.ROLLED_BACK, by="t", why="w", now=NOW)
    assert approve().execute(task_context()) is None
    assert asked == []
    with pytest.raises(StoreError, match="no such attempt"):
        approve(attempt_id="none").execute(task_context())
