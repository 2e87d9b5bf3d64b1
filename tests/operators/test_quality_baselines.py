"""Baselines of model quality, made by the DAG baseline."""

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.operators.attempt_world import AttemptWorld, predictions
from tests.operators.conftest import BUCKET, context
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.operators.choose_baselines import ChooseBaselinesOperator


@pytest.fixture
def dataset(place):
    lines = [f"{probability},{label},7" for label, probability in predictions()]
    body = "\n".join(["p,truth,other", *lines]) + "\n"
    world = AttemptWorld(place)
    place.s3.put_object(Bucket=BUCKET, Key="validation.csv", Body=body.encode())
    source = {
        "dataset": f"s3://{BUCKET}/validation.csv",
        "probability_attribute": "p",
        "ground_truth_attribute": "truth",
    }
    world.endpoint(baseline={"model_quality": source})
    return world


def choose(**params):
    return ChooseBaselinesOperator(task_id="choose").execute(context(params=params))


def build(**fields):
    operator = BuildBaselineOperator(task_id="build", endpoint="flights", monitor="model_quality", **fields)
    assert operator.label == "flights model_quality"
    return operator.execute(context())


def test_of_all_only_monitors_with_a_source_are_chosen(dataset):
    assert [(item["endpoint"], item["monitor"]) for item in choose()] == [("flights", "model_quality")]
    named = choose(endpoints=["flights"])
    assert [item["monitor"] for item in named] == ["data_quality", "model_quality"]
    assert [item["monitor"] for item in choose(endpoints=["flights"], monitors=["model_quality"])] == ["model_quality"]


def test_a_source_is_one_monitors(dataset):
    with pytest.raises(AirflowFailException, match="name exactly one in monitors"):
        choose(endpoints=["flights"], monitors=["data_quality", "model_quality"], dataset="s3://b/x.csv")
    (given,) = choose(endpoints=["flights"], monitors=["model_quality"], dataset="s3://b/x.csv")
    assert (given["monitor"], given["dataset"]) == ("model_quality", "s3://b/x.csv")


def test_documents_of_a_dataset_can_be_taken_over_as_they_are(dataset):
    version = build()
    store = dataset.place.deployment.baselines
    assert store.manifest("flights", "model_quality", version).row_count == 300
    documents = {
        f"import_{name}": store.document_uri("flights", "model_quality", version, f"{name}.json")
        for name in ("statistics", "constraints")
    }
    taken = build(**documents)
    assert taken != version
    for name in ("statistics.json", "constraints.json"):
        same = store.document("flights", "model_quality", taken, name)
        assert same == store.document("flights", "model_quality", version, name)
    assert build(use_version=version) == version


def test_another_dataset_is_read_by_the_files_columns(dataset):
    dataset.place.s3.put_object(Bucket=BUCKET, Key="more.csv", Body=b"p,truth\n0.9,1\n0.2,0\n")
    version = build(dataset=f"s3://{BUCKET}/more.csv")
    assert dataset.place.deployment.baselines.manifest("flights", "model_quality", version).row_count == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"p,other\n0.9,1\n", "truth"),
        (b"p,truth\n", r"s3://.*/bad\.csv: it holds no row"),
        (
            b"p,truth\n7,1\n",
            r"s3://.*/bad\.csv: none of its 1 rows can be judged: 1 with a probability that is no number",
        ),
    ],
)
def test_a_dataset_that_cannot_be_judged_says_why(dataset, body, told):
    dataset.place.s3.put_object(Bucket=BUCKET, Key="bad.csv", Body=body)
    with pytest.raises(AirflowFailException, match=told):
        build(dataset=f"s3://{BUCKET}/bad.csv")


def test_without_a_source_the_place_for_one_is_named(place):
    AttemptWorld(place)
    with pytest.raises(AirflowFailException, match=r"Give baseline\.model_quality\.dataset"):
        build()
