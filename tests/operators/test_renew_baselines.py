"""Baselines of a promoted model: of all its monitors, bound to its package."""

import io
import json
import random

import boto3
import polars as pl
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.operators.attempt_world import ATTEMPT, NOW, AttemptWorld, predictions
from tests.operators.conftest import BUCKET, REGION, context
from tests.operators.tree_file import tree_file
from watchkeeper.aws.action_store import AttemptState
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.operators.renew_baselines import RenewBaselinesOperator
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/2"


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


# ---- bias and explainability

INPUTS = ["sex", "delay"]
BIAS = {"facets": [{"name": "sex", "values_or_threshold": [1]}]}
ARTEFACT = f"s3://{BUCKET}/model.json"


def watch(world, *, model=None, explained=None, **changes):
    """Let the endpoint watch all four monitors."""
    capture = {
        "s3_uri": f"s3://{BUCKET}/capture",
        "input_columns": INPUTS,
        "output_columns": ["late_probability"],
    }
    quality = {"problem_type": "BinaryClassification", "probability_attribute": "late_probability"}
    way = {} if model is False else {"model": model or {"artefact": ARTEFACT}}
    explainability = {**way, "sample_rows": 50}
    monitors = {"model_quality": quality, "bias": BIAS, "explainability": explainability | (explained or {})}
    world.endpoint(**{"capture": capture, "monitors": monitors} | changes)


@pytest.fixture
def watched(world):
    """An endpoint that watches all four monitors, promoted to a model package whose file is explained."""
    watch(world)
    world.advance("compared", model_package_arn=world.package(ARTEFACT))
    world.advance("promoted", why="in service", variant="AllTraffic")
    world.place.s3.put_object(Bucket=BUCKET, Key="model.json", Body=tree_file(lambda sex, delay: delay, highs=(1, 100)))
    chance = random.Random(5)
    rows = [(label, answer, chance.randrange(2), chance.randrange(100)) for label, answer in predictions()]
    lines = [f"{answer},{sex},{delay}" for _, answer, sex, delay in rows]
    world.put("result/baseline.csv", "\n".join(["late_probability,sex,delay", *lines]) + "\n")
    lines = [",".join(map(str, row)) for row in rows]
    world.put("result/bias.csv", "\n".join(["label,prediction,sex,delay", *lines]) + "\n")
    return world


def document(world, monitor, name="analysis.json"):
    return world.place.deployment.baselines.document("flights", monitor, in_force(world, monitor).version, name)


def test_all_four_monitors_have_baselines_of_the_promoted_package(watched):
    versions = renew()
    assert list(versions) == ["data_quality", "model_quality", "bias", "explainability"]
    package = watched.record().model_package_arn
    found = {monitor: in_force(watched, monitor) for monitor in versions}
    assert {manifest.model_version for manifest in found.values()} == {package}
    assert {name: manifest.source.rpartition("/")[2] for name, manifest in found.items()} == {
        "data_quality": "baseline.csv",
        "model_quality": "model_quality.csv",
        "bias": "bias.csv",
        "explainability": "baseline.csv",
    }
    assert (found["bias"].row_count, found["explainability"].row_count) == (300, 50)
    (entry,) = json.loads(document(watched, "bias"))["post_training_bias_metrics"]["facets"]["sex"]
    assert entry["value_or_threshold"] == "1"
    values = json.loads(document(watched, "explainability"))["explanations"]["kernel_shap"]["label0"]
    assert set(values["global_shap_values"]) == set(INPUTS)
    assert values["global_shap_values"]["delay"] > values["global_shap_values"]["sex"]
    background = pl.read_parquet(io.BytesIO(document(watched, "explainability", "background.parquet")))
    assert background.columns[:2] == INPUTS
    assert renew() == versions
    (told,) = watched.place.messages()
    assert "Note" not in told["Message"]


def test_without_bias_data_the_others_are_renewed_and_the_old_baseline_stays_as_is_told(watched, capsys):
    folder = watched.actions.folder("flights", ATTEMPT)
    source = f"s3://{BUCKET}/wk/{folder}result/bias.csv"
    made = BuildBaselineOperator(task_id="b", endpoint="flights", monitor="bias", dataset=source)
    watch(watched, baseline={"bias": {"dataset": source, "probability_attribute": "prediction"}})
    old = made.execute(context())
    watched.actions.objects.delete(f"{folder}result/bias.csv")
    assert set(renew()) == {"data_quality", "model_quality", "explainability"}
    assert in_force(watched, "bias").version == old
    told = f"bias baseline {old} stays in force: the pipeline left no bias.csv"
    assert f"Note: {told}\n" in watched.place.messages()[0]["Message"]
    assert told in capsys.readouterr().out


def test_where_there_was_no_bias_baseline_that_is_told(watched):
    watched.actions.objects.delete(f"{watched.actions.folder('flights', ATTEMPT)}result/bias.csv")
    renew()
    told = watched.place.messages()[0]["Message"]
    assert "Note: bias is left without a baseline: the pipeline left no bias.csv\n" in told


def test_a_file_that_names_another_model_keeps_its_attributions(watched):
    """Windows go on being explained by that file's model: its baseline is still theirs."""
    watch(watched, model={"artefact": f"s3://{BUCKET}/old.json"})
    assert set(renew()) == {"data_quality", "model_quality", "bias"}
    (told,) = watched.place.messages()
    assert f"s3://{BUCKET}/old.json explained, and the promoted model's file is {ARTEFACT}" in told["Message"]


@pytest.mark.parametrize("by_config", [False, True])
def test_a_shadow_endpoint_of_a_model_that_was_replaced_is_not_made(watched, by_config):
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="flights-2", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    variant = {"VariantName": "AllTraffic", "ModelName": "flights-2", "InitialInstanceCount": 1}
    client.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[variant | {"InstanceType": "ml.m5.large"}]
    )
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="c")
    if by_config:
        predictor = {"model_name": "flights-1", "instance_type": "ml.m5.large", "initial_instance_count": 1}
        config = {"dataset_type": "text/csv", "methods": {"shap": {"num_clusters": 2}}, "predictor": predictor}
        watch(watched, model=False, explained={"analysis_config": config})
    else:
        watch(watched, model={"shadow": {"model_name": "flights-1"}})
    assert "explainability" not in renew()
    assert "flights-1 explained, and flights-2 is in service" in watched.place.messages()[0]["Message"]
    assert [item["EndpointName"] for item in client.list_endpoints()["Endpoints"]] == ["flights-delay"]


def test_without_input_columns_nobody_knows_the_features(watched):
    watch(watched, capture={"s3_uri": f"s3://{BUCKET}/capture", "output_columns": ["late_probability"]})
    assert set(renew()) == {"data_quality", "model_quality", "bias"}
    assert "nothing says which columns of baseline.csv are features" in watched.place.messages()[0]["Message"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("label,prediction,delay\n1,0.9,3\n", r"bias\.csv: facet: no feature 'sex'"),
        ("prediction,sex,delay\n0.9,1,3\n", r"bias\.csv: ground_truth_attribute: no column 'label'"),
        ("label,prediction,sex,delay\n1,late,1,3\n", r"bias\.csv: none of its 1 rows can be judged"),
    ],
)
def test_bias_data_that_cannot_be_read_is_named(watched, body, told):
    watched.put("result/bias.csv", body)
    with pytest.raises(AirflowFailException, match=told):
        renew()
    assert in_force(watched, "model_quality").model_version == watched.record().model_package_arn


def test_rolling_back_restores_all_four(watched):
    from watchkeeper.operators.roll_back_model import RollBackModelOperator

    store = watched.place.deployment.baselines
    renew()
    before = {monitor: in_force(watched, monitor) for monitor in MONITOR_NAMES}
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="old", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    variant = {"VariantName": "AllTraffic", "ModelName": "old", "InitialInstanceCount": 1}
    client.create_endpoint_config(
        EndpointConfigName="first", ProductionVariants=[variant | {"InstanceType": "ml.m5.large"}]
    )
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="first")
    # A second attempt's package, and its baselines: rows of another number, so that each document differs.
    arn = boto3.client("sagemaker", region_name=REGION).create_model_package(
        ModelPackageGroupName="flights",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": ARTEFACT}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    second = "20261121T05-20261121T06-def"
    watched.open("promoted", second, model_package_arn=arn, variant="AllTraffic")
    watched.actions.advance(
        "flights",
        second,
        AttemptState.PROMOTED,
        by="test",
        why="in service",
        now=NOW,
        previous_config="first",
        new_config="second",
    )
    for name in ("baseline.csv", "model_quality.csv", "bias.csv"):
        lines = ["\n".join(",".join(row) for row in watched.table(f"result/{name}"))]
        watched.put(f"result/{name}", lines[0] + "\n", second)
    RenewBaselinesOperator(task_id="renew", endpoint="flights", attempt_id=second).execute(context())
    assert {in_force(watched, monitor).model_version for monitor in MONITOR_NAMES} == {arn}
    back = RollBackModelOperator(
        task_id="back", endpoint="flights", attempt_id=second, deferrable=False, waiter_delay=0
    )
    back.execute(context())
    assert {monitor: in_force(watched, monitor) for monitor in MONITOR_NAMES} == before
    assert {monitor: len(store.pointer("flights", monitor).history) for monitor in MONITOR_NAMES} == dict.fromkeys(
        MONITOR_NAMES, 3
    )
