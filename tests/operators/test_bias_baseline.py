"""Baselines of bias, made by the DAG baseline: of datasets in all formats, taken over from Clarify, and refused."""

import io
import json

import polars as pl
import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.operators.conftest import BUCKET
from tests.operators.labelled_world import LabelledWorld, decisions


@pytest.fixture
def world(place, tmp_path_factory):
    return LabelledWorld(place, tmp_path_factory.mktemp("merged"))


def metrics(document, stage="post_training_bias_metrics"):
    (entry,) = document[stage]["facets"]["sex"]
    return {metric["name"]: metric["value"] for metric in entry["metrics"]}


def test_a_dataset_gives_clarifys_document_and_the_source_is_told(world):
    source = world.dataset(decisions(2000, against=0.5))
    version = world.build()
    found = metrics(world.analysis(version))
    rows = decisions(2000, against=0.5)
    women, others = ([row for row in rows if (row[0] == "f") is side] for side in (True, False))
    shares = [sum(row[3] for row in side) / len(side) for side in (others, women)]
    assert found["DPPL"] == pytest.approx(shares[0] - shares[1])
    manifest = world.place.deployment.baselines.manifest("flights", "bias", version)
    assert (manifest.source, manifest.row_count, manifest.dialect) == (source, 2000, "exact")
    assert world.build() == version


@pytest.mark.parametrize("kind", ["jsonlines", "parquet"])
def test_every_format_gives_the_same_document(world, kind):
    world.dataset()
    expected = world.analysis(world.build())
    columns = ("sex", "amount", "label", "loan")
    frame = pl.DataFrame(decisions(2000), schema=columns, orient="row")
    if kind == "parquet":
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        body = buffer.getvalue()
    else:
        body = frame.write_ndjson().encode()
    other = world.put(f"other.{kind}", body)
    assert world.analysis(world.build(dataset=other, dataset_format=kind)) == expected


def test_a_document_of_clarifys_is_taken_over_as_it_is(world):
    world.dataset()
    body = json.dumps(world.analysis(world.build()) | {"explanations": {}}).encode()
    version = world.build(import_analysis=world.put("analysis.json", body))
    store = world.place.deployment.baselines
    assert store.document("flights", "bias", version, "analysis.json") == body
    assert store.manifest("flights", "bias", version).source == f"s3://{BUCKET}/analysis.json"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"no JSON", r"s3://.*/analysis\.json: "),
        (b"[]", r"s3://.*/analysis\.json: "),
        (b'{"version": 0.0, "dataset": {"item_count": 3}}', r"s3://.*/analysis\.json: "),
        (None, r"s3://.*/analysis\.json: there is no such object"),
    ],
)
def test_what_is_no_such_document_is_refused_and_nothing_is_in_force(world, body, told):
    uri = f"s3://{BUCKET}/analysis.json" if body is None else world.put("analysis.json", body)
    with pytest.raises(AirflowFailException, match=told):
        world.build(import_analysis=uri)
    assert not world.place.deployment.baselines.has_any("flights", "bias")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"import_statistics": "s3://bucket/s.json"},
            "import_statistics is given, and the bias baseline",
        ),
        ({"import_constraints": "s3://bucket/c.json"}, "Give dataset or import_analysis"),
        ({"dataset": "s3://bucket/x.csv", "import_analysis": "s3://bucket/a.json"}, "both dataset and import_analysis"),
        ({"import_analysis": "s3://bucket/a.json", "dataset_format": "csv"}, "Leave format out, or give a dataset"),
        ({"dataset": "s3://bucket/x"}, "does not tell its format"),
        ({"import_analysis": "s3://bucket/a.json", "use_version": "v"}, "both use_version and a source"),
    ],
)
def test_sources_that_are_another_monitors_or_contradict_each_other_are_refused(world, given, told):
    with pytest.raises(AirflowFailException, match=told):
        world.build(**given)


def test_data_quality_takes_no_analysis(world):
    from tests.operators.conftest import context
    from watchkeeper.operators.build_baseline import BuildBaselineOperator

    operator = BuildBaselineOperator(task_id="b", endpoint="flights", import_analysis="s3://bucket/analysis.json")
    with pytest.raises(AirflowFailException, match="import_analysis is given, and the data_quality baseline"):
        operator.execute(context())


@pytest.mark.parametrize(
    ("header", "rows", "told"),
    [
        ("gender,amount,label,loan", [("f", 1, 1, 1)], r"decisions\.csv: facet: no feature 'sex'"),
        ("sex,amount,truth,loan", [("f", 1, 1, 1)], r"decisions\.csv: ground_truth_attribute: no column 'label'"),
        ("sex,amount,label,answer", [("f", 1, 1, 1)], r"decisions\.csv: inference_attribute: no column 'loan'"),
        ("sex,amount,label,loan", [], r"decisions\.csv: it holds no row"),
        (
            "sex,amount,label,loan",
            [("f", 1, "yes", "no"), ("m", 1, "no", "yes")],
            "none of the labels and predictions of 2 rows is positive: check label_values_or_threshold",
        ),
        (
            "sex,amount,label,loan",
            [("female", 1, 1, 1), ("male", 1, 0, 0)],
            r"no facet divides its 2 rows: sex=f \(Facet set is empty\)",
        ),
        (
            "sex,amount,label,loan",
            [("f", 1, 1, 1), ("f", 1, 0, 0)],
            r"no facet divides its 2 rows: sex=f \(Negated facet set is empty\)",
        ),
        ("sex,amount,label,loan", [("", 1, 1, 1), ("", 2, 0, 0)], "none of 2 rows has a value of the facet sex"),
    ],
)
def test_a_dataset_that_nothing_can_be_compared_with_is_refused(world, header, rows, told):
    world.dataset(rows, header)
    with pytest.raises(AirflowFailException, match=told):
        world.build()
    assert not world.place.deployment.baselines.has_any("flights", "bias")


def test_of_one_class_only_the_metrics_that_there_are_are_kept(world):
    """All got a loan and paid it back: groups are treated alike, which is a baseline."""
    world.dataset([(sex, amount, 1, 1) for sex in "fm" for amount in range(50)])
    found = metrics(world.analysis(world.build()))
    assert (found["DPPL"], found["DI"]) == (0.0, 1.0)


def test_columns_of_the_source_are_the_datasets(world):
    source = {
        "dataset": f"s3://{BUCKET}/decisions.csv",
        "probability_attribute": "p",
        "ground_truth_attribute": "truth",
    }
    world.endpoint(baseline={"bias": source})
    world.dataset([(sex, 1, label, 0.9 * label) for sex in "fm" for label in (0, 1)], "sex,amount,truth,p")
    assert metrics(world.analysis(world.build()))["DPPL"] == 0.0
