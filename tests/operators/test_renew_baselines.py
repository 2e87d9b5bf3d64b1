"""Baselines of a promoted model: of both monitors, bound to its package; and those of model quality made by hand."""

import random

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.operators.attempt_world import ATTEMPT, AttemptWorld
from tests.operators.conftest import BUCKET, context
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.operators.choose_baselines import ChooseBaselinesOperator
from watchkeeper.operators.renew_baselines import RenewBaselinesOperator

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/2"


def predictions(rows=300, seed=1):
    chance = random.Random(seed)
    found = []
    for _ in range(rows):
        label = chance.randrange(2)
        found.append((label, round(0.8 * label + 0.2 * chance.random(), 3)))
    return found


@pytest.fixture
def world(place):
    here = AttemptWorld(place)
    here.open()
    here.advance("compared", model_package_arn=PACKAGE)
    lines = [f"{probability},AA,{number}" for number, (_, probability) in enumerate(predictions())]
    here.put("result/baseline.csv", "\n".join(["late_probability,carrier,delay", *lines]) + "\n")
    lines = [f"{label},{probability}" for label, probability in predictions()]
    here.put("result/model_quality.csv", "\n".join(["label,prediction", *lines]) + "\n")
    return here


@pytest.fixture
def promoted(world):
    world.advance("promoted", why="in service")
    return world


def renew():
    operator = RenewBaselinesOperator(task_id="renew", endpoint="flights", attempt_id=ATTEMPT)
    return operator.execute(context())


def in_force(world, monitor):
    store = world.place.deployment.baselines
    return store.manifest("flights", monitor, store.pointer("flights", monitor).current)


def test_both_monitors_have_baselines_of_the_promoted_package(promoted):
    versions = renew()
    assert set(versions) == {"data_quality", "model_quality"}
    for monitor, name in (("data_quality", "baseline.csv"), ("model_quality", "model_quality.csv")):
        manifest = in_force(promoted, monitor)
        assert (manifest.version, manifest.model_version, manifest.row_count) == (versions[monitor], PACKAGE, 300)
        assert manifest.source == f"s3://{BUCKET}/wk/actions/flights/retrain/{ATTEMPT}/result/{name}"
    assert promoted.told() == [("promoted", "flights: the challenger is promoted")]


def test_a_retry_makes_no_new_versions_and_the_old_ones_stay(promoted):
    promoted.place.s3.put_object(Bucket=BUCKET, Key="old.csv", Body=b"late_probability,carrier,delay\n0.5,AA,3\n")
    old = BuildBaselineOperator(task_id="b", endpoint="flights", dataset=f"s3://{BUCKET}/old.csv").execute(context())
    first = renew()
    assert renew() == first
    history = promoted.place.deployment.baselines.pointer("flights", "data_quality").history
    assert [entry.version for entry in history] == [old, first["data_quality"]]


def test_only_monitors_that_run_get_one(promoted):
    promoted.endpoint(
        monitors={
            "data_quality": {"enabled": False},
            "model_quality": {"problem_type": "BinaryClassification", "inference_attribute": "0", "enabled": False},
        }
    )
    assert renew() == {}


def test_a_class_is_read_where_the_endpoint_answers_classes(promoted):
    promoted.endpoint(quality={"probability_attribute": None, "inference_attribute": "0"})
    lines = [f"{label},{int(probability > 0.5)}" for label, probability in predictions()]
    promoted.put("result/model_quality.csv", "\n".join(["label,prediction", *lines]) + "\n")
    renew()
    assert in_force(promoted, "model_quality").row_count == 300


def test_an_endpoint_that_answers_class_and_probability_has_the_probability(promoted):
    """The pipeline's data has one answer a row, whatever the endpoint's answers hold besides."""
    promoted.endpoint(quality={"inference_attribute": "1"})
    renew()
    assert in_force(promoted, "model_quality").row_count == 300


def test_data_that_the_pipeline_did_not_leave_is_named(promoted):
    promoted.actions.objects.delete(f"{promoted.actions.folder('flights', ATTEMPT)}result/model_quality.csv")
    with pytest.raises(AirflowFailException, match=r"result/model_quality\.csv: there is no such object"):
        renew()
    assert promoted.record().state == "promoted", "the model is in service all the same"


@pytest.mark.parametrize("state", ["compared", "rejected", "failed"])
def test_a_model_that_is_not_in_service_gets_no_baseline(world, state):
    world.advance(state, why="so it is")
    with pytest.raises(AirflowSkipException, match=f"is {state}: "):
        renew()
    assert not world.place.deployment.baselines.has_any("flights", "data_quality")


def test_a_model_that_was_taken_back_meanwhile_gets_no_baseline(promoted):
    promoted.advance("rolled_back")
    with pytest.raises(AirflowSkipException, match="is rolled_back"):
        renew()


# ---- model quality's baselines, made by the DAG baseline


@pytest.fixture
def dataset(world):
    lines = [f"{probability},{label},7" for label, probability in predictions()]
    body = "\n".join(["p,truth,other", *lines]) + "\n"
    world.place.s3.put_object(Bucket=BUCKET, Key="validation.csv", Body=body.encode())
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


def test_without_a_source_the_place_for_one_is_named(world):
    with pytest.raises(AirflowFailException, match=r"Give baseline\.model_quality\.dataset"):
        build()
