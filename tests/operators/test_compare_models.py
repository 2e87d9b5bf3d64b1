"""Champion against challenger on the held-out rows: what it does to the package, the record and the people."""

import json
import random

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.operators.attempt_world import ATTEMPT, GATE, AttemptWorld
from tests.operators.conftest import BUCKET, context
from watchkeeper.operators.compare_models import CompareModelsOperator

EVIDENCE = f"s3://{BUCKET}/wk/actions/flights/retrain/{ATTEMPT}/evidence.json"


@pytest.fixture
def world(place):
    here = AttemptWorld(place)
    here.arn = here.package()
    here.open()
    here.advance("trained", model_package_arn=here.arn, execution_arn="arn:execution")
    return here


def tables(world, *, champion, challenger, rows=400):
    """Write both tables; each model is right in this share of the rows."""
    chance = random.Random(5)
    judged, answers = ["row_id,carrier,delay,label,champion_prediction"], ["row_id,prediction"]
    for number in range(rows):
        label = chance.randrange(2)

        def probability(right, label=label):
            return round(0.9 if (label == 1) == (chance.random() < right) else 0.1, 3)

        judged.append(f"{number}/0,{chance.choice(['AA', 'UA'])},5,{label},{probability(champion)}")
        answers.append(f"{number}/0,{probability(challenger)}")
    world.put("evaluation/rows.csv", "\n".join(judged) + "\n")
    # By their ids, and not by their place.
    world.put("result/evaluation/predictions.csv", "\n".join([answers[0], *reversed(answers[1:])]) + "\n")


def compare():
    operator = CompareModelsOperator(task_id="compare", endpoint="flights", attempt_id=ATTEMPT)
    return operator.execute(context())


def test_a_challenger_that_wins_is_approved(world):
    tables(world, champion=0.6, challenger=0.9)
    assert compare() == "promote"
    done = world.record()
    assert (done.state, done.decision, done.evidence_uri) == ("compared", "promote", EVIDENCE)
    status, why = world.approval(world.arn)
    assert (status, why) == ("Approved", done.history[-1].why)
    assert why.startswith("Promote: f1 0.")
    evidence = json.loads(world.actions.objects.read(f"{world.actions.folder('flights', ATTEMPT)}evidence.json").body)
    assert (evidence["decision"], evidence["row_count"]) == ("promote", 400)
    assert world.told() == []


@pytest.mark.parametrize(("challenger", "decision"), [(0.6, "keep"), (0.9, "undecided")])
def test_a_challenger_that_is_not_surely_better_is_rejected_and_that_is_told(world, challenger, decision):
    tables(world, champion=0.9, challenger=challenger)
    assert compare() == decision
    done = world.record()
    assert (done.state, done.decision) == ("rejected", decision)
    assert world.states()[-2:] == ["compared", "rejected"]
    assert world.approval(world.arn) == ("Rejected", done.history[-1].why)
    assert world.told() == [("rejected", "flights: the challenger is rejected")]


def test_a_try_that_was_lost_before_it_told_anybody_is_made_good(world):
    tables(world, champion=0.9, challenger=0.6)
    compare()
    before = world.record()
    assert len(world.told()) == 1
    assert compare() == "keep"
    assert world.told() == []
    notices = world.place.deployment.notices.objects
    for item in list(notices.list("notices/")):
        notices.delete(item.key)
    assert compare() == "keep"
    assert world.record() == before
    assert len(world.told()) == 1


def test_a_retry_after_a_win_writes_nothing_again(world):
    tables(world, champion=0.6, challenger=0.9)
    compare()
    before = world.record()
    assert compare() == "promote"
    assert world.record() == before


def test_a_segment_on_which_it_is_worse_keeps_the_champion(world):
    world.endpoint(retraining={"gate": GATE | {"segments": ["carrier"], "segment_minimum_rows": 50}})
    tables(world, champion=0.9, challenger=0.6)
    compare()
    assert "worse on 2 of 2 values of carrier" in world.record().history[-1].why


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("result/evaluation/predictions.csv", None, r"predictions.csv: there is no such table.*docs/pipelines.md"),
        ("evaluation/rows.csv", None, r"evaluation/rows.csv: there is no such table"),
        (
            "result/evaluation/predictions.csv",
            "row_id,answer\n0/0,1\n",
            "have no column 'prediction'; got row_id, answer",
        ),
        ("result/evaluation/predictions.csv", "", "have no column 'prediction'; got no header"),
        ("evaluation/rows.csv", "row_id,label\n", "the evaluation table has no column 'champion_prediction'"),
    ],
)
def test_a_table_that_is_not_as_it_should_be_fails_at_once(world, name, text, told):
    tables(world, champion=0.6, challenger=0.9)
    if text is None:
        world.actions.objects.delete(world.actions.folder("flights", ATTEMPT) + name)
    else:
        world.put(name, text)
    with pytest.raises(AirflowFailException, match=told):
        compare()
    assert world.record().state == "trained"
    assert world.approval(world.arn)[0] == "PendingManualApproval"


def test_a_failed_attempt_goes_on_when_the_task_is_cleared(world):
    world.advance("failed")
    tables(world, champion=0.6, challenger=0.9)
    assert compare() == "promote"
    assert world.states()[-3:] == ["failed", "trained", "compared"]


def test_what_a_person_rejected_is_not_compared_again(world):
    tables(world, champion=0.6, challenger=0.9)
    compare()
    world.advance("rejected", why="not on a Friday")
    with pytest.raises(AirflowSkipException, match="not on a Friday"):
        compare()
    assert world.record().state == "rejected"
