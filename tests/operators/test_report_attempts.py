"""The end of a run: what is left open is closed, and a failed attempt turns the run red."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.operators.attempt_world import ATTEMPT, AttemptWorld
from tests.operators.conftest import context
from watchkeeper.operators.report_attempts import ReportAttemptsOperator
from watchkeeper.operators.verify_run import VerifyRunOperator


@pytest.fixture
def world(place):
    here = AttemptWorld(place)
    here.open()
    return here


def run(made, states=None, summary=None, faults=None):
    """Return a task instance whose run decided on these attempts and whose tasks have these states."""
    outputs = {"decide": made, "report": summary}
    return SimpleNamespace(
        dag_id="retrain",
        run_id="r",
        xcom_pull=lambda task_ids, key=None: faults if key == "faults" else outputs[task_ids],
        get_task_states=lambda **_: {"r": states or {}},
    )


MADE = [{"endpoint": "flights", "attempt_id": ATTEMPT}]


def report(made=MADE, states=None):
    return ReportAttemptsOperator(task_id="report").execute(context(ti=run(made, states)))


def verify(summary, states=None):
    VerifyRunOperator(task_id="verify").execute(context(ti=run(MADE, states, summary)))


@pytest.mark.parametrize("state", ["decided", "awaiting_approval", "training", "compared"])
def test_an_attempt_that_is_open_has_failed_and_turns_the_run_red(world, state):
    world.advance(state)
    states = {
        "attempt.approve_training_0": "success",
        "attempt.prepare_0": "failed",
        "attempt.train_0": "upstream_failed",
    }
    summary = report(states=states)
    assert summary["verdicts"] == {"flights": "failed"}
    assert world.record().history[-1].why == "task attempt.prepare failed: see its log"
    assert world.told() == [("failed", "flights: the retraining attempt failed")]
    with pytest.raises(AirflowFailException, match=f"attempt {ATTEMPT} of flights: task attempt.prepare failed"):
        verify(summary)


def test_of_other_attempts_tasks_nothing_is_said(world):
    made = [{"endpoint": "others", "attempt_id": "x"}, *MADE]
    summary = report(made, {"attempt.prepare_0": "failed", "attempt.train_1": "failed"})
    assert world.record().history[-1].why == "task attempt.train failed: see its log"
    assert "attempt x of others has no record" in summary["faults"]


@pytest.mark.parametrize("state", ["promoted", "rejected", "rolled_back"])
def test_what_came_to_an_end_is_told_and_left_alone(world, state):
    world.advance(state, why="so")
    before = world.record()
    summary = report()
    assert (summary["verdicts"], summary["faults"]) == ({"flights": state}, [])
    assert world.record() == before
    verify(summary)
    with pytest.raises(AirflowFailException, match=r"task attempt\.renew_baselines_0 is failed"):
        verify(summary, {"attempt.renew_baselines_0": "failed"})


def test_a_failure_that_a_step_recorded_keeps_its_reason(world):
    world.advance("failed", why="the execution is Failed: TrainModel: 5 usable rows")
    assert report()["faults"] == [f"attempt {ATTEMPT} of flights: the execution is Failed: TrainModel: 5 usable rows"]


@pytest.mark.parametrize("made", [None, []])
def test_without_attempts_there_is_nothing_to_tell(world, made):
    summary = report(made)
    assert summary == {"verdicts": {}, "failed": [], "problems": [], "faults": []}
    verify(summary)


def test_what_could_not_be_decided_on_turns_the_run_red(world):
    instance = run([], faults=["another: not an attempt's record"])
    summary = ReportAttemptsOperator(task_id="report").execute(context(ti=instance))
    with pytest.raises(AirflowFailException, match="another: not an attempt's record"):
        verify(summary)


def test_a_faulty_file_turns_the_run_red(world):
    (world.place.folder / "broken.yaml").write_text("owner: nobody\n")
    with pytest.raises(AirflowFailException, match=r"endpoint file: broken\.yaml"):
        verify(report([]))


def test_an_endpoint_whose_file_is_gone_is_closed_all_the_same(world):
    (world.place.folder / "flights.yaml").unlink()
    assert report()["verdicts"] == {"flights": "failed"}
