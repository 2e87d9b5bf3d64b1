"""The tables of an attempt: which rows are trained on, which are compared on, and what is refused."""

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.operators.attempt_world import ATTEMPT, GATE, LAST, AttemptWorld, hours
from tests.operators.conftest import BUCKET, context
from watchkeeper.operators.prepare_tables import PrepareTablesOperator
from watchkeeper.registry.capture_window import HOUR, moment_text


@pytest.fixture
def world(place, tmp_path):
    folder = tmp_path / "merged"
    folder.mkdir()
    here = AttemptWorld(place)
    here.folder = folder
    return here


def prepare():
    operator = PrepareTablesOperator(task_id="prepare", endpoint="flights", attempt_id=ATTEMPT)
    return operator.execute(context())


def merged(world, found, **fields):
    for hour in found:
        world.merge(hour, folder=world.folder, **fields)


def trained(world):
    """Return the rows to train on; a row's ``delay`` is its number, its hour is told by nothing."""
    header, *rows = world.table("training/rows.csv")
    assert header == ["carrier", "delay", "label"]
    return rows


def judged(world):
    header, *rows = world.table("evaluation/rows.csv")
    assert header == ["row_id", "carrier", "delay", "label", "champion_prediction"]
    return rows


def test_held_out_rows_are_never_trained_on(world):
    world.open()
    merged(world, hours(4), rows=40)
    merged(world, [LAST.shifted(-30 * HOUR)], rows=40)
    parameters = prepare()
    held_out = judged(world)
    assert 20 <= len(held_out) < 100
    assert len(held_out) + len(trained(world)) == 5 * 40, "each row is in one table, and in one only"
    assert all(LAST.shifted(-30 * HOUR).name not in row[0] for row in held_out), "that hour is before the last day"
    assert all(0 <= float(row[4]) <= 1 for row in held_out)
    folder = f"s3://{BUCKET}/wk/actions/flights/retrain/{ATTEMPT}"
    assert parameters == {
        "TrainingWindowStart": world.record().training_start,
        "TrainingWindowEnd": world.record().training_end,
        "TrainingDataUri": f"{folder}/training/",
        "EvaluationDataUri": f"{folder}/evaluation/",
        "BaselineUri": f"{folder}/result",
    }


def test_a_retry_has_the_very_same_rows_though_more_have_come(world):
    world.open()
    merged(world, hours(4))
    first = prepare()
    before = world.table("training/rows.csv"), world.table("evaluation/rows.csv")
    merged(world, [LAST.shifted(-7 * HOUR)])
    assert prepare() == first
    assert (world.table("training/rows.csv"), world.table("evaluation/rows.csv")) == before


def test_a_task_that_was_killed_between_the_tables_writes_both(world):
    world.open()
    merged(world, hours(4))
    world.put("training/rows.csv", "carrier,delay,label\n")
    prepare()
    assert len(trained(world)) > 50


def test_many_merged_files_are_one_hour_in_order_of_time(world):
    world.open()
    merged(world, hours(1), rows=200, parts=7)
    prepare()
    numbers = [int(row[1]) for row in trained(world)]
    assert numbers == sorted(numbers)
    assert sorted(numbers + [int(row[2]) for row in judged(world)]) == list(range(200))


def test_hours_between_the_windows_of_a_run_by_hand_are_in_neither_table(world, monkeypatch):
    old = [hour.shifted(-200 * HOUR) for hour in hours(3)]
    world.open(
        training_start=moment_text(old[0].start),
        training_end=moment_text(old[-1].end),
        evaluation_start=moment_text(LAST.start - 2 * HOUR),
        evaluation_end=moment_text(LAST.end),
    )
    merged(world, old)
    merged(world, [LAST.shifted(-50 * HOUR)])
    merged(world, hours(3))
    prepare()
    assert len(trained(world)) == 3 * 40, "outside the evaluation window nothing is held out"
    assert {row[0].split("-", 1)[1].rpartition("-")[0] for row in judged(world)} == {hour.name for hour in hours(3)}


def test_too_few_rows_to_train_on_say_so_and_leave_nothing(world):
    world.open()
    merged(world, hours(1), rows=30)
    with pytest.raises(AirflowFailException, match=r"\d+ labelled rows to train on, and 50 are needed"):
        prepare()
    assert world.table("training/rows.csv") is None
    merged(world, [hour.shifted(-HOUR) for hour in hours(3)])
    prepare()
    assert len(trained(world)) >= 50, "cleared, it looks again"


def test_rows_that_could_not_decide_anything_are_found_before_the_training(world):
    world.endpoint(retraining={"gate": GATE | {"minimum_rows": 500}})
    world.open()
    merged(world, hours(4))
    with pytest.raises(AirflowFailException, match=r"\d+ labelled rows to compare the models on, and 500 are needed"):
        prepare()


def test_answers_that_cannot_be_read_are_found_before_the_training(world):
    world.open()
    merged(world, hours(4), answers=False)
    with pytest.raises(AirflowFailException, match=r"the champion's answer can be read in 0 of \d+ rows"):
        prepare()


def test_only_the_variant_that_is_to_be_replaced_is_compared(world):
    world.endpoint(variants=["A", "B"])
    world.open()
    for variant in ("A", "B"):
        merged(world, hours(4), variant=variant)
    with pytest.raises(AirflowFailException, match="names the variants A, B, and not which of them is retrained"):
        prepare()
    world.endpoint(variants=["A", "B"], retraining={"deployment": {"variant": "B"}})
    prepare()
    assert {row[0][0] for row in judged(world)} == {"B"}
    assert len(trained(world)) + len(judged(world)) < 2 * 4 * 40, "what the other one held out is in neither"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"monitors": {}}, "does not say where label and answer stand"),
        ({"capture": {"s3_uri": f"s3://{BUCKET}/capture"}}, "does not name the request's columns"),
        (
            {"capture": {"s3_uri": f"s3://{BUCKET}/capture", "input_columns": ["label", "delay"]}},
            "the label 'label' has the name of another column",
        ),
    ],
)
def test_a_file_that_does_not_say_enough_fails_at_once(world, changes, told):
    world.endpoint(**changes)
    world.open()
    with pytest.raises(AirflowFailException, match=told):
        prepare()


def test_a_failed_attempt_whose_task_is_cleared_goes_on(world):
    world.open()
    world.advance("failed", why="a task of the run failed")
    merged(world, hours(4))
    prepare()
    assert world.states() == ["decided", "failed", "decided"]
    assert world.record().history[-1].why == "a cleared task takes it up again"


@pytest.mark.parametrize("state", ["rejected", "promoted"])
def test_for_an_attempt_that_has_ended_nothing_is_written(world, state):
    world.open()
    world.advance(state, why="because")
    with pytest.raises(AirflowSkipException, match=f"is {state}: because"):
        prepare()
    assert world.table("training/rows.csv") is None


def test_no_such_attempt(world):
    from watchkeeper.errors import StoreError

    with pytest.raises(StoreError, match="no such attempt"):
        prepare()
