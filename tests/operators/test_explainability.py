"""Attributions of a model's file: baselines, windows, explanations of single predictions, and what goes wrong."""

import json
import pickle
from datetime import timedelta

import boto3
import numpy as np
import polars as pl
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.operators.conftest import BUCKET, REGION, context
from tests.operators.labelled_world import NOW
from tests.operators.tree_file import tree_file
from watchkeeper import api
from watchkeeper.analysis.shap_background import Background
from watchkeeper.errors import EndpointStateError, ModelAnswerError
from watchkeeper.operators.analyze_window import AnalyzeWindowOperator
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.operators.explained_model import ExplainedModel

FEATURES = ("size", "place", "age")
MONITOR = {
    "model": {"artefact": f"s3://{BUCKET}/model.tar.gz"},
    "periods": ["hourly"],
    "sample_rows": 100,
    "shap": {"num_clusters": 4},
}


def price(size, place, age):
    return 10 * size + 3 * place - 0.1 * age


def houses(rows=400, *, sizes=(0, 100), seed=1):
    """Return size, place and age; where all houses are of one size, only the place tells them apart."""
    chance = np.random.default_rng(seed)
    found = np.stack([chance.uniform(*sizes, rows), chance.uniform(0, 100, rows), chance.uniform(0, 100, rows)], axis=1)
    return [tuple(row) for row in found.round(2).tolist()]


class World:
    """One endpoint that tells prices."""

    def __init__(self, place):
        self.place = place
        self.put("model.tar.gz", tree_file(price, highs=(100, 100, 100), packed=True))
        self.dataset()
        self.endpoint()

    def endpoint(self, *, explained=None, columns=FEATURES, **changes):
        document = {
            "capture": {
                "s3_uri": f"s3://{BUCKET}/capture",
                "output_columns": ["price"],
                **({"input_columns": list(columns)} if columns else {}),
            },
            "monitors": {"data_quality": {"enabled": False}, "explainability": MONITOR | (explained or {})},
            "baseline": {"explainability": {"dataset": f"s3://{BUCKET}/train.csv"}},
        }
        self.place.endpoint(**(document | changes))

    def put(self, key, body):
        self.place.s3.put_object(Bucket=BUCKET, Key=key, Body=body if isinstance(body, bytes) else body.encode())
        return f"s3://{BUCKET}/{key}"

    def dataset(self, rows=None, header=FEATURES):
        lines = [",".join(map(str, row)) for row in (houses() if rows is None else rows)]
        return self.put("train.csv", "\n".join([",".join(header), *lines]) + "\n")

    def build(self, **fields):
        operator = BuildBaselineOperator(task_id="b", endpoint="flights", monitor="explainability", **fields)
        return operator.execute(context())

    def document(self, version, name="analysis.json"):
        return self.place.deployment.baselines.document("flights", "explainability", version, name)

    def capture(self, rows, window=NOW, *, name="a", variant="AllTraffic"):
        lines = []
        for number, row in enumerate(rows):
            record = {
                "captureData": {
                    "endpointInput": {"mode": "INPUT", "data": ",".join(map(str, row)), "encoding": "CSV"},
                    "endpointOutput": {"mode": "OUTPUT", "data": "1\n", "encoding": "CSV"},
                },
                "eventMetadata": {
                    "eventId": f"{window.name}-{number}",
                    "inferenceId": f"house-{number}",
                    "inferenceTime": f"{window.start + timedelta(seconds=number):%FT%TZ}",
                },
            }
            lines.append(json.dumps(record))
        self.put(f"capture/flights-delay/{variant}/{window.start_path}/{name}.jsonl", "\n".join(lines) + "\n")

    def analyze(self, *windows):
        work = {"flights": [window.name for window in windows or (NOW,)]}
        AnalyzeWindowOperator(task_id="a", work=work, monitor="explainability").execute(context())

    def result(self, window=NOW, variant="AllTraffic"):
        return self.place.deployment.reports.read_result("flights", variant, "explainability", "hourly", window)


@pytest.fixture
def world(place):
    return World(place)


@pytest.fixture
def known(world):
    world.build()
    return world


def values(body):
    return json.loads(body)["explanations"]["kernel_shap"]["label0"]["global_shap_values"]


def test_a_model_file_is_explained_exactly_and_its_background_is_kept(world):
    version = world.build()
    found = values(world.document(version))
    assert list(found) == list(FEATURES)
    assert found["size"] > found["place"] > found["age"]
    manifest = world.place.deployment.baselines.manifest("flights", "explainability", version)
    assert (manifest.row_count, manifest.source) == (100, f"s3://{BUCKET}/train.csv")
    assert world.build() == version, "the same data, model and seed give the same baseline"


@pytest.mark.parametrize("kind", ["jsonlines", "parquet"])
def test_every_format_gives_the_same_attributions(world, kind, tmp_path_factory):
    expected = values(world.document(world.build()))
    frame = pl.DataFrame(houses(), schema=FEATURES, orient="row")
    path = tmp_path_factory.mktemp("data") / "rows"
    frame.write_parquet(path) if kind == "parquet" else frame.write_ndjson(path)
    other = world.put("other", path.read_bytes())
    found = values(world.document(world.build(dataset=other, dataset_format=kind)))
    assert found == pytest.approx(expected)


def test_a_window_like_the_baseline_is_ok_and_another_top_driver_is_named(known):
    known.capture(houses(seed=2))
    known.capture(houses(seed=2, sizes=(50, 50.01)), NOW.previous())
    known.analyze(NOW, NOW.previous())
    assert (known.result().verdict, known.result().row_count) == ("ok", 400)
    drifted = known.result(NOW.previous())
    assert drifted.verdict == "violated"
    assert "size" in drifted.reason
    assert "place" in drifted.reason
    assert drifted.metrics["ndcg"] == drifted.metrics["ndcg.label0"] < 0.9
    assert drifted.worst_distance_feature in {"size", "place"}
    revision = known.result().revision
    known.analyze(NOW)
    assert known.result().revision == revision


def test_each_variant_is_explained_for_itself(known):
    known.endpoint(variants=["blue", "green"])
    for variant in ("blue", "green"):
        known.capture(houses(seed=3), variant=variant)
    known.analyze(NOW, NOW.previous())
    assert {known.result(variant=variant).verdict for variant in ("blue", "green")} == {"ok"}


def test_an_explanation_is_found_by_either_id_in_its_time_and_adds_up(known):
    known.endpoint(explained={"local_values": True, "sample_rows": 50})
    known.capture(houses(seed=2))
    known.analyze()
    found = {number: api.explain_prediction("flights", event_id=f"{NOW.name}-{number}") for number in range(400)}
    explained = {number: frame for number, frame in found.items() if len(frame)}
    assert len(explained) == 50
    number, frame = next(iter(explained.items()))
    assert list(frame.columns) == ["row", "label", "expected_value", "prediction", "feature", "shap_value"]
    assert frame["shap_value"].abs().is_monotonic_decreasing
    assert frame["prediction"].iloc[0] == pytest.approx(frame["expected_value"].iloc[0] + frame["shap_value"].sum())
    same = api.explain_prediction("flights", inference_id=f"house-{number}")
    assert same.equals(frame)
    assert api.explain_prediction("flights", inference_id=f"house-{number}", end=NOW.previous().start).empty
    assert len(api.explain_prediction("flights", inference_id=f"house-{number}", end=NOW.end.isoformat(), days=1)) == 3
    assert api.explain_prediction("flights", inference_id=f"house-{number}", variant="other").empty
    for ids in ({}, {"event_id": "a", "inference_id": "b"}):
        with pytest.raises(ValueError, match="event_id or an inference_id"):
            api.explain_prediction("flights", **ids)


def test_clarifys_attributions_are_taken_over_with_the_rows_they_were_measured_against(world):
    body = world.document(world.build())
    uri = world.put("analysis.json", body)
    with pytest.raises(AirflowFailException, match=r"shap\.baseline"):
        world.build(import_analysis=uri)
    world.endpoint(explained={"shap": {"baseline": [[50, 50]]}})
    with pytest.raises(AirflowFailException, match="rows of 2 values, where there are 3 features"):
        world.build(import_analysis=uri)
    world.endpoint(explained={"shap": {"baseline": [[50, 50, 50.5]]}})
    version = world.build(import_analysis=uri)
    assert world.document(version) == body
    world.capture(houses(seed=2))
    world.analyze()
    assert world.result().verdict == "ok"


@pytest.mark.parametrize("body", ["no JSON", "[]", '{"explanations": {"kernel_shap": {}}}', '{"version": "1.0"}'])
def test_what_is_no_such_document_is_refused(world, body):
    with pytest.raises(AirflowFailException, match=r"analysis\.json: .*Expected Clarify's analysis\.json"):
        world.build(import_analysis=world.put("analysis.json", body))
    assert not world.place.deployment.baselines.has_any("flights", "explainability")


@pytest.mark.parametrize("name", ["import_statistics", "import_constraints"])
def test_another_monitors_documents_are_refused(world, name):
    with pytest.raises(AirflowFailException, match=f"{name} is given, and the explainability baseline"):
        world.build(**{name: f"s3://{BUCKET}/x.json"})


@pytest.mark.parametrize(
    ("header", "rows", "told"),
    [
        (("size", "place"), [(1, 2)], r"train\.csv: no column age"),
        (FEATURES, [], r"train\.csv: no rows"),
        (FEATURES, [(1, "x", 3)], "text in place, where the model takes numbers"),
    ],
)
def test_a_dataset_that_cannot_be_explained_is_refused(world, header, rows, told):
    world.dataset(rows, header)
    with pytest.raises(AirflowFailException, match=told):
        world.build()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (pickle.dumps({"model": 1}), "is a pickle, which could run any code when it is read"),
        (b"{}", "no tree model"),
        (b"\x1f\x8bbroken", "the archive cannot be read"),
        (tree_file(lambda size, place: size, highs=(100, 100)), "3 features, where the model has 2"),
        (None, "there is no such object"),
    ],
    ids=["pickle", "no model", "damaged", "another model", "missing"],
)
def test_a_file_that_is_no_model_for_these_rows_is_refused_and_fails_windows_with_its_reason(known, model, told):
    if model is None:
        known.place.s3.delete_object(Bucket=BUCKET, Key="model.tar.gz")
    else:
        known.put("model.tar.gz", model)
    with pytest.raises(AirflowFailException, match=told):
        known.build()
    known.capture(houses(seed=2))
    with pytest.raises(AirflowFailException, match=told):
        known.analyze()
    assert (known.result().verdict, known.result().could_not_judge) == ("failed", True)
    assert told in known.result().reason


@pytest.mark.parametrize("columns", [("place", "size", "age"), ("size", "place", "rooms"), ("size", "place")])
def test_features_of_another_order_or_name_than_the_baselines_are_refused(known, columns):
    known.endpoint(columns=columns)
    known.capture(houses(seed=2))
    with pytest.raises(AirflowFailException, match=r"made with 3 features, size, place, age.*make the baseline anew"):
        known.analyze()
    assert known.result().could_not_judge


def test_a_background_that_is_gone_or_broken_fails_with_its_address(known):
    known.capture(houses(seed=2))
    version = known.place.deployment.baselines.pointer("flights", "explainability").current
    key = f"wk/baselines/flights/explainability/{version}/background.parquet"
    known.place.s3.put_object(Bucket=BUCKET, Key=key, Body=b"broken")
    with pytest.raises(AirflowFailException, match=r"background\.parquet: this is no background"):
        known.analyze()
    known.place.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(AirflowException, match="a baseline names this object, and it is not there"):
        known.analyze()
    assert known.result().verdict == "failed"


@pytest.mark.parametrize(
    ("rows", "verdict", "reason"),
    [
        ([], "no_traffic", "no row was captured"),
        (houses(20), "too_few", "20 rows, at least 30 are needed"),
        ([(1, 2)] * 50, "failed", "50 of 50 captured lines are malformed"),
        ([(1, "far", 3)] * 50, "failed", "text in feature place, where the baseline has none"),
        ([(50.0, 50.0, 50.0)] * 50, "violated", ""),
    ],
    ids=["nothing", "few rows", "a feature is no longer sent", "text for a number", "equal rows"],
)
def test_traffic_that_cannot_be_explained_has_a_verdict_and_says_why(known, rows, verdict, reason):
    if rows:
        known.capture(rows)
    if verdict == "failed":
        with pytest.raises(AirflowFailException):
            known.analyze()
    else:
        known.analyze()
    assert (known.result().verdict, reason in known.result().reason) == (verdict, True), known.result().reason


def test_fewer_rows_than_features_cannot_tell_a_ranking(known):
    known.endpoint(explained={"minimum_rows": 1})
    known.capture(houses(2))
    known.analyze()
    assert (known.result().verdict, known.result().reason[:33]) == ("too_few", "2 rows, fewer than the 3 features")


def test_what_a_live_endpoint_may_not_be_asked_is_refused_before_the_first_request(world):
    """moto answers no number: any request would end in another message."""
    world.endpoint(explained={"model": {"live": {"maximum_rows": 1000}}})
    with pytest.raises(ModelAnswerError, match="may be asked for 2,504 rows, where 1,000 of maximum_rows"):
        world.build()
    probes = world.place.deployment.probes
    assert probes.request_count("flights", "AllTraffic", NOW.shifted(NOW.end - NOW.start)) == 0


def test_a_shadow_endpoint_of_an_endpoint_that_is_not_there_is_refused(world):
    world.endpoint(explained={"model": {"shadow": {}}})
    with pytest.raises(AirflowFailException, match="knows no such endpoint"):
        world.build()
    assert boto3.client("sagemaker", region_name=REGION).list_endpoints()["Endpoints"] == []


class KilledOnTheWay(AnalyzeWindowOperator):
    """Killed while its first window is being judged, by a handler that returns as Airflow's does."""

    def _analyze_one(self, *args, **kwargs):
        self.on_kill()
        return super()._analyze_one(*args, **kwargs)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_killed_task_judges_no_further_window_and_records_no_failure(world, is_known):
    if is_known:
        world.build()
    for window in (NOW.previous(), NOW):
        world.capture(houses(seed=2), window)
    work = {"flights": [NOW.previous().name, NOW.name]}
    with pytest.raises(AirflowException, match="the task was killed"):
        KilledOnTheWay(task_id="a", work=work, monitor="explainability").execute(context())
    assert world.result() is None
    first = world.result(NOW.previous())
    assert first.verdict == "ok" if is_known else first is None


@pytest.mark.parametrize("model", [{"shadow": {"model_name": "m", "instance_type": "ml.m5.large"}}, {"live": {}}])
def test_a_model_that_was_closed_is_asked_no_more_and_makes_no_endpoint(world, model):
    world.endpoint(explained={"model": model})
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    sagemaker.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    spec = world.place.deployment.registry.require("flights")
    said = []
    rows = pl.DataFrame(houses(5), schema=FEATURES, orient="row")
    with ExplainedModel(world.place.deployment, spec, "AllTraffic", "d", said.append, said.append) as asked:
        asked.close()
        with pytest.raises(EndpointStateError, match="asked no more"):
            asked.explain(rows, Background(rows[:1], np.ones(1)))
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
