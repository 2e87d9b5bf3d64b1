"""The container entry in SageMaker Clarify's place, run as the platform runs it: a configuration, data, documents."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.analysis.tree_samples import Sample, answers, frame, matrix, saved, target, trained
from tests.test_container import HOUR, capture_line, message, output, put, run
from watchkeeper.analysis.bias_dataset import bias_of_frame
from watchkeeper.analysis.bias_report import bias_report_of, encode_bias_report
from watchkeeper.analysis.clarify_config import read_clarify_config

CONFIG, DATA, MODEL = "processing/input/config", "processing/input/data", "processing/input/model"
BASELINE = "/opt/ml/processing/baseline/constraints/analysis.json"
WINDOW = {"start_time": "2026-11-20T05:00:00Z", "end_time": "2026-11-20T06:00:00Z"}
MERGED = '{"sagemakerMergeJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}'
CAPTURE = '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput"]}}'

PEOPLE = pl.DataFrame(
    {
        "age": [20 + i * 7 % 50 for i in range(300)],
        "sex": [i % 3 % 2 for i in range(300)],
        "income": [i * 37 % 101 / 4 for i in range(300)],
        "paid": [int((i * 37 % 101 + 20 * (i % 3 % 2)) > 60) for i in range(300)],
        "guess": [int((i * 37 % 101 + i % 7 * 4) > 55) for i in range(300)],
    }
)
BIAS: dict[str, Any] = {
    "dataset_type": "text/csv",
    "headers": PEOPLE.columns,
    "label": "paid",
    "predicted_label": "guess",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": [0]}],
    "group_variable": "age",
    "methods": {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": "all"}},
}


def clarify(root: Path, *, ok: bool = True, **variables: str) -> str:
    """Run without the variables that Clarify's jobs do not have; return the log."""
    variables = {"dataset_source": f"/opt/ml/{DATA}"} | variables
    return run(root, ok=ok, **variables).stderr


def configured(root: Path, config: dict[str, Any]) -> None:
    put(root, f"{CONFIG}/analysis_config.json", json.dumps(config))


def data_folder(root: Path) -> Path:
    (root / DATA).mkdir(parents=True, exist_ok=True)
    return root / DATA


def kept_as_baseline(root: Path) -> dict[str, str]:
    """Move the analysis that was written to where a monitoring run has its baseline; return the variables of that."""
    place = root / BASELINE.removeprefix("/opt/ml/")
    place.parent.mkdir(parents=True)
    (root / "processing/output/analysis.json").rename(place)
    for file in (root / DATA).iterdir():
        file.unlink()
    return {"baseline_constraints": BASELINE, **WINDOW}


# ---- bias


@pytest.mark.parametrize(
    "kind", ["headers", "header line", "both", "json lines", "objects", "json", "parquet", "indices"]
)
def test_the_bias_of_a_dataset_is_the_same_whatever_its_format(tmp_path: Path, kind: str) -> None:
    folder, config = data_folder(tmp_path), dict(BIAS)
    rows = [[row[name] for name in ("age", "sex", "income")] for row in PEOPLE.to_dicts()]
    parts = [{"f": row, "y": y, "h": h} for row, y, h in zip(rows, PEOPLE["paid"], PEOPLE["guess"], strict=True)]
    paths = {"features": "f", "label": "y", "predicted_label": "h"}
    match kind:
        case "headers":
            PEOPLE.write_csv(folder / "data.csv", include_header=False)
        case "header line":
            del config["headers"]
            PEOPLE.write_csv(folder / "data.csv")
        case "both":
            PEOPLE.write_csv(folder / "data.csv")
        case "indices":  # which count all columns: the label comes first here
            PEOPLE.select("paid", "age", "sex", "income", "guess").write_csv(folder / "data.csv", include_header=False)
            del config["headers"]
            facet = {"name_or_index": 2, "value_or_threshold": [0]}
            config |= {"label": 0, "predicted_label": 4, "facet": [facet], "group_variable": 1}
        case "json lines":
            (folder / "data.jsonl").write_text("\n".join(map(json.dumps, parts)))
            config |= {"dataset_type": "application/jsonlines", **paths}
        case "objects":
            PEOPLE.write_ndjson(folder / "data.jsonl")
            config |= {"dataset_type": "application/jsonlines"}
            del config["headers"]
        case "json":
            (folder / "data.json").write_text(json.dumps({"all": parts}))
            places = {name: f"all[*].{path}" for name, path in paths.items()}
            config |= {"dataset_type": "application/json", **places}
        case _:
            PEOPLE.write_parquet(folder / "data.parquet")
            config |= {"dataset_type": "application/x-parquet"}
    configured(tmp_path, config)
    clarify(tmp_path)
    attributes = read_clarify_config(BIAS).bias_attributes()
    wanted = json.loads(encode_bias_report(bias_report_of(bias_of_frame(PEOPLE, attributes))))
    found = output(tmp_path, "analysis.json")
    if kind == "indices":  # nothing says what the columns are called
        for stage in ("pre_training_bias_metrics", "post_training_bias_metrics"):
            assert found[stage]["label"] == "column_0"
            found[stage] |= {"label": "paid", "facets": {"sex": found[stage]["facets"]["column_2"]}}
    assert found == wanted
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."
    page = (tmp_path / "processing/output/report.html").read_text()
    assert "Bias report" in page
    assert not (tmp_path / "processing/output/constraint_violations.json").exists()


def merged_line(row: dict[str, Any], number: int) -> str:
    document = json.loads(capture_line(f"{row['age']},{row['sex']},{row['income']}", str(row["guess"]), number))
    document["groundTruthData"] = {"data": str(row["paid"]), "encoding": "CSV"}
    return json.dumps(document)


def people_window(root: Path, rows: pl.DataFrame) -> None:
    lines = [merged_line(row, number) for number, row in enumerate(rows.to_dicts())]
    put(root, f"{DATA}/{HOUR}/part-00000.jsonl", "\n".join(lines))


@pytest.fixture
def bias_baseline(tmp_path: Path) -> dict[str, str]:
    configured(tmp_path, BIAS)
    PEOPLE.write_csv(data_folder(tmp_path) / "data.csv", include_header=False)
    clarify(tmp_path)
    # A monitoring run's predictions were captured; its configuration names no column of a dataset.
    monitored = {name: value for name, value in BIAS.items() if name != "predicted_label"}
    configured(tmp_path, monitored | {"headers": PEOPLE.columns[:-1], "predictor": {"label": 0}})
    return kept_as_baseline(tmp_path) | {"dataset_format": MERGED, "analysis_type": "MODEL_BIAS"}


def test_a_window_like_its_baseline_is_quiet(tmp_path: Path, bias_baseline: dict[str, str]) -> None:
    people_window(tmp_path, PEOPLE)
    clarify(tmp_path, **bias_baseline)
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."
    wanted = json.loads((tmp_path / BASELINE.removeprefix("/opt/ml/")).read_bytes())
    assert output(tmp_path, "analysis.json") == wanted


def test_drifted_labels_are_told_in_files_message_and_metrics(tmp_path: Path, bias_baseline: dict[str, str]) -> None:
    drifted = PEOPLE.with_columns(paid=pl.when(pl.col("sex") == 0).then(0).otherwise("paid"))
    people_window(tmp_path, drifted)
    names = {"sagemaker_endpoint_name": "loans", "sagemaker_monitoring_schedule_name": "loans-bias"}
    clarify(tmp_path, publish_cloudwatch_metrics="Enabled", **names, **bias_baseline)
    violations = output(tmp_path, "constraint_violations.json")["violations"]
    assert {"DPL", "JS"} <= {violation["metric_name"] for violation in violations}
    assert {violation["constraint_check_type"] for violation in violations} == {"bias_drift_check"}
    assert message(tmp_path) == (
        f"CompletedWithViolations: Job completed successfully with {len(violations)} violations."
    )
    lines = (tmp_path / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines]
    (gap,) = [point for point in points if point["MetricName"] == "bias_metric_DPL"]
    assert gap["Timestamp"] == WINDOW["start_time"]
    named = {entry["Name"]: entry["Value"] for entry in gap["Dimensions"]}
    assert named == {
        "Endpoint": "loans", "MonitoringSchedule": "loans-bias", "BiasStage": "Pre-training",
        "Label": "paid", "LabelValue": "1", "Facet": "sex", "FacetValue": "0",
    }  # fmt: skip
    assert "violated" in (tmp_path / "processing/output/report.html").read_text()


def test_an_empty_window_is_no_failure_and_an_unreadable_one_is(tmp_path: Path, bias_baseline: dict[str, str]) -> None:
    clarify(tmp_path, **bias_baseline)
    assert "no rows" in message(tmp_path)
    put(tmp_path, f"{DATA}/{HOUR}/part-00000.jsonl", '{"cut\n' * 5 + merged_line(PEOPLE.to_dicts()[0], 1))
    assert "malformed: 5 merged lines: not JSON" in clarify(tmp_path, ok=False, **bias_baseline)
    assert message(tmp_path).startswith("Failed: dataset: 5 of 6 merged lines are malformed")


def test_few_rows_are_not_judged(tmp_path: Path, bias_baseline: dict[str, str]) -> None:
    people_window(tmp_path, PEOPLE.head(20))
    clarify(tmp_path, watchkeeper_minimum_rows="100", **bias_baseline)
    assert "not judged: bias: 20 labelled rows, at least 100" in message(tmp_path)
    assert output(tmp_path, "analysis.json")["pre_training_bias_metrics"]["facets"]["sex"]


# ---- explanations, of a tree model that is mounted

SCORER = Sample("xgboost", "binary:logistic")
SHAP = {"baseline": [[0.0, 0.0, 0.0, 0.0, 0.0]], "num_samples": 100, "agg_method": "mean_abs", "seed": 5}


@pytest.fixture(scope="module")
def scorer() -> Any:
    return trained(SCORER)


def scored(root: Path, config: dict[str, Any], rows: pl.DataFrame, model: Any) -> None:
    configured(root, config)
    (root / MODEL).mkdir(parents=True, exist_ok=True)
    (root / MODEL / "model.json").write_bytes(saved(model))
    rows.write_csv(data_folder(root) / "data.csv", include_header=False)


def labelled() -> pl.DataFrame:
    return frame().with_columns(y=pl.Series(target(SCORER)).cast(pl.Int64))


def both(**shap: Any) -> dict[str, Any]:
    return {
        "dataset_type": "text/csv",
        "headers": list("abcdey"),
        "label": "y",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "b", "value_or_threshold": [0.5]}],
        "methods": {
            "report": {"name": "report", "title": "Loans"},
            "pre_training_bias": {"methods": ["DPL", "CI"]},
            "post_training_bias": {"methods": ["DPPL", "AD"]},
            "shap": SHAP | shap,
        },
    }


def test_bias_and_explanations_stand_in_one_document_and_one_page(tmp_path: Path, scorer: Any) -> None:
    scored(tmp_path, both(save_local_shap_values=True), labelled(), scorer)
    clarify(tmp_path)
    document = output(tmp_path, "analysis.json")
    assert list(document) == ["version", "explanations", "post_training_bias_metrics", "pre_training_bias_metrics"]
    # The rates of predictions are those of the library's own answers.
    positive, above = answers(scorer)[:, 0] > 0.5, np.nan_to_num(matrix()[:, 1], nan=-9) > 0.5
    metrics = document["post_training_bias_metrics"]["facets"]["b"][0]["metrics"]
    (gap,) = [metric["value"] for metric in metrics if metric["name"] == "DPPL"]
    assert gap == pytest.approx(positive[~above].mean() - positive[above].mean())
    # Each row's local values and the expected value add up to its answer: probabilities, as the config asks.
    local = pl.read_csv(tmp_path / "processing/output/explanations_shap/out.csv")
    assert local.columns == [f"{name}_label0" for name in "abcde"]
    label = document["explanations"]["kernel_shap"]["label0"]
    sums = local.sum_horizontal().to_numpy() + label["expected_value"]
    assert sums == pytest.approx(answers(scorer)[:, 0], abs=1e-5)
    assert label["global_shap_values"]["a"] == pytest.approx(local["a_label0"].abs().mean())
    page = (tmp_path / "processing/output/report.html").read_text()
    assert "Bias and feature attribution report" in page
    assert "Loans" in page
    assert not (tmp_path / "processing/output/explanations_shap/baseline.csv").exists()


def test_a_background_that_was_found_is_kept_and_can_be_given_again(tmp_path: Path, scorer: Any) -> None:
    config = both(baseline=None, num_clusters=1)
    scored(tmp_path, config, labelled(), scorer)
    clarify(tmp_path)
    found = tmp_path / "processing/output/explanations_shap/baseline.csv"
    first = output(tmp_path, "analysis.json")
    put(tmp_path, "processing/input/shap_baseline/b.csv", found.read_text())
    configured(tmp_path, both(baseline="/opt/ml/processing/input/shap_baseline/b.csv"))
    clarify(tmp_path)
    assert output(tmp_path, "analysis.json") == first


def test_rows_are_drawn_where_a_limit_is_set_and_excluded_columns_never_reach_the_model(
    tmp_path: Path, scorer: Any
) -> None:
    config = both(save_local_shap_values=True) | {"excluded_columns": ["id"], "joinsource_name_or_index": 7}
    config["headers"] = [*"abcdey", "id", "key"]
    rows = labelled().with_columns(id=pl.lit("x"), key=pl.lit("k"))
    scored(tmp_path, config, rows, scorer)
    clarify(tmp_path, watchkeeper_explained_rows="20")
    local = pl.read_csv(tmp_path / "processing/output/explanations_shap/out.csv")
    assert local.shape == (20, 5)


@pytest.mark.parametrize(("drifted", "violations"), [(False, 0), (True, 1)])
def test_captures_are_explained_and_their_ranking_judged(
    tmp_path: Path, scorer: Any, drifted: bool, violations: int
) -> None:
    shap_alone = both() | {"headers": list("abcde")}
    shap_alone["methods"] = {"shap": SHAP}
    del shap_alone["label"]
    scored(tmp_path, shap_alone, frame(), scorer)
    clarify(tmp_path)
    variables = kept_as_baseline(tmp_path) | {"dataset_format": CAPTURE, "analysis_type": "MODEL_EXPLAINABILITY"}
    values = matrix()
    if drifted:  # what drove the answers is the same for everybody now
        values[:, 0] = 0.0
        values[:, 3] = np.where(np.arange(len(values)) % 2, np.nan, 3.0)
    text = io.StringIO(pl.DataFrame(values, schema=list("abcde")).fill_nan(None).write_csv(include_header=False))
    lines = [capture_line(row.strip("\n"), "0.5", number) for number, row in enumerate(text)]
    put(tmp_path, f"{DATA}/{HOUR}/x.jsonl", "\n".join(lines))
    put(tmp_path, f"{DATA}/{HOUR.replace('/05', '/06')}/x.jsonl", "not of this window")
    clarify(tmp_path, publish_cloudwatch_metrics="Enabled", **variables)
    found = message(tmp_path)
    if violations:
        assert found == "CompletedWithViolations: Job completed successfully with 1 violations."
        (violation,) = output(tmp_path, "constraint_violations.json")["violations"]
        assert violation["constraint_check_type"] == "feature_attribution_drift_check"
    else:
        assert found == "Completed: Job completed successfully with no violations."
        assert not (tmp_path / "processing/output/constraint_violations.json").exists()
    metrics = (tmp_path / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text()
    assert '"MetricName":"feature_a"' in metrics


# ---- what cannot be done


def test_every_fault_is_told_once(tmp_path: Path) -> None:
    config = both(num_samples=0, agg_method="most")
    config["predictor"] = {"model_name": "m", "content_type": "text/xml", "instance_type": "ml.m5.large"}
    configured(tmp_path, config)
    put(tmp_path, f"{DATA}/data.csv", "1,2\n")
    log = clarify(tmp_path, ok=False, watchkeeper_explained_rows="none")
    found = message(tmp_path)
    assert found.startswith("Failed: the job: 3 faults: ")
    for part in ("content_type 'text/xml'", "agg_method: got 'most'", "watchkeeper_explained_rows is 'none'"):
        assert found.count(part) == 1
    assert log.count("text/xml") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predicted_label": None}, "post_training_bias needs predicted_label, or a model: predictor.model_name"),
        ({"label_values_or_threshold": None, "facet": []}, "2 faults: label_values_or_threshold is empty"),
        ({"headers": ["age", "sex", "paid", "guess"]}, "rows have 5 fields, the header 4"),
        ({"label": "paid_back"}, "no column for label 'paid_back'"),
        ({"facet": [{"name_or_index": "gender"}]}, "facet: no feature 'gender'"),
        ({"methods": {"pdp": {}}}, "methods asks for neither bias metrics nor shap"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    configured(tmp_path, BIAS | change)
    PEOPLE.write_csv(data_folder(tmp_path) / "data.csv", include_header=False)
    clarify(tmp_path, ok=False)
    assert said in message(tmp_path)
    assert not (tmp_path / "processing/output/analysis.json").exists()


def test_without_boto3_a_model_in_sagemaker_is_refused_by_its_name(tmp_path: Path) -> None:
    """Clarify's own images have boto3; one made for this entry need not."""
    absent = "raise ModuleNotFoundError(\"No module named '{0}'\", name='{0}')\n"
    for name in ("boto3", "botocore"):
        put(tmp_path, f"image/{name}/__init__.py", absent.format(name))
    config = {**BIAS, "predicted_label": None, "predictor": {"model_name": "m", "instance_type": "ml.m5.large"}}
    configured(tmp_path, config)
    PEOPLE.write_csv(data_folder(tmp_path) / "data.csv", include_header=False)
    path = f"{tmp_path / 'image'}:{Path(__file__).parent.parent / 'plugins'}"
    clarify(tmp_path, ok=False, PYTHONPATH=path)
    assert "boto3 is not in this image. Install boto3 in it, or mount a tree model's file" in message(tmp_path)


def test_captures_alone_have_no_bias(tmp_path: Path) -> None:
    configured(tmp_path, BIAS)
    data_folder(tmp_path)
    clarify(tmp_path, ok=False, dataset_format=CAPTURE)
    assert "captures alone have no labels" in message(tmp_path)
