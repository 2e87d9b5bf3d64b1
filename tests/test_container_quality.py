"""The container entry on model quality, run as the platform runs it: a process with variables and folders."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.analysis.quality_samples import merged_line
from tests.test_container import message, output, put, run

MERGED = '{"sagemakerMergeJson":{"captureIndexNames":["endpointOutput"],"originalDatasetFormat":null}}'
HOUR = "churn/AllTraffic/2026/11/20/05"
BINARY = {"analysis_type": "MODEL_QUALITY", "problem_type": "BinaryClassification"}
COLUMNS = {
    "inference_attribute": "prediction",
    "probability_attribute": "probability",
    "ground_truth_attribute": "label",
}
ROWS = [((i * 37) % 100 / 100, int((i * 37) % 100 > 50), int((i * 37 + i % 7 * 5) % 100 > 50)) for i in range(400)]


@pytest.fixture
def baseline(tmp_path: Path) -> dict[str, str]:
    """Make a baseline with the container itself and return the variables that point at it."""
    lines = "\n".join(f"{p},{h},{y}" for p, h, y in ROWS)
    put(tmp_path, "processing/input/data.csv", f"probability,prediction,label\n{lines}\n")
    run(tmp_path, dataset_format='{"csv":{"header":true}}', publish_cloudwatch_metrics="Disabled", **BINARY, **COLUMNS)
    (tmp_path / "processing/input/data.csv").unlink()
    for name, folder in (("constraints", "constraints"), ("statistics", "stats")):
        target = tmp_path / f"processing/baseline/{folder}/{name}.json"
        target.parent.mkdir(parents=True)
        (tmp_path / f"processing/output/{name}.json").rename(target)
    return {
        "baseline_constraints": "/opt/ml/processing/baseline/constraints/constraints.json",
        "baseline_statistics": "/opt/ml/processing/baseline/stats/statistics.json",
        "start_time": "2026-11-20T05:00:00Z",
        "end_time": "2026-11-20T06:00:00Z",
        "dataset_format": MERGED,
        "inference_attribute": "1",
        "probability_attribute": "0",
        **BINARY,
    }


def window(root: Path, rows: list[tuple[float, int, int]]) -> None:
    text = b"".join(merged_line(f"{p},{h}", str(y)) for p, h, y in rows).decode()
    put(root, f"processing/input/{HOUR}/part-00000-a.c000.jsonl", text)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_baseline_is_the_same_whatever_the_format(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame(ROWS, schema=["probability", "prediction", "label"], orient="row")
    folder = tmp_path / "processing/input"
    folder.mkdir(parents=True)
    writers = {"csv": frame.write_csv, "json": frame.write_ndjson, "parquet": frame.write_parquet}
    formats = {"csv": '{"csv":{"header":true}}', "json": '{"json":{"lines":true}}', "parquet": '{"parquet":{}}'}
    writers[kind](folder / f"data.{kind}")
    run(tmp_path, dataset_format=formats[kind], **BINARY, **COLUMNS)
    statistics = output(tmp_path, "statistics.json")
    assert statistics["dataset"]["item_count"] == 400
    metrics = statistics["binary_classification_metrics"]
    assert sum(sum(row.values()) for row in metrics["confusion_matrix"].values()) == 400
    assert metrics["auc"]["standard_deviation"] > 0
    constraints = output(tmp_path, "constraints.json")["binary_classification_constraints"]
    assert constraints["recall"] == {
        "threshold": metrics["recall"]["value"],
        "comparison_operator": "LessThanThreshold",
    }
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."


def test_a_regression_baseline(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "y,answer\n1,2\n3,3\n")
    run(
        tmp_path,
        dataset_format='{"csv":{"header":true}}',
        analysis_type="MODEL_QUALITY",
        problem_type="Regression",
        inference_attribute="answer",
        ground_truth_attribute="0",
    )
    assert output(tmp_path, "statistics.json")["regression_metrics"]["mae"] == {
        "value": 0.5,
        "standard_deviation": None,
    }
    assert output(tmp_path, "constraints.json")["regression_constraints"]["r2"]["threshold"] == 0.5


def test_a_window_like_its_baseline_has_no_violations_file(tmp_path: Path, baseline: dict[str, str]) -> None:
    window(tmp_path, ROWS)
    put(tmp_path, "processing/output/constraint_violations.json", "left from before")
    put(tmp_path, "processing/input/churn/AllTraffic/2026/11/20/06/later.jsonl", "not of this window")
    run(tmp_path, **baseline)
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."
    assert not (tmp_path / "processing/output/constraint_violations.json").exists()
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 400


def test_violations_are_reported_in_files_message_and_metrics(tmp_path: Path, baseline: dict[str, str]) -> None:
    window(tmp_path, [(p, h, 1 - y) for p, h, y in ROWS])
    run(
        tmp_path,
        publish_cloudwatch_metrics="Enabled",
        sagemaker_endpoint_name="churn",
        sagemaker_monitoring_schedule_name="churn-hourly",
        **baseline,
    )
    violations = output(tmp_path, "constraint_violations.json")["violations"]
    assert message(tmp_path) == (
        f"CompletedWithViolations: Job completed successfully with {len(violations)} violations."
    )
    assert list(violations[0]) == ["constraint_check_type", "description", "metric_name"]
    assert {"recall", "truePositiveRate", "falsePositiveRate", "auc"} <= {v["metric_name"] for v in violations}
    assert "f0_5" not in {v["metric_name"] for v in violations}  # the container's own loss
    lines = (tmp_path / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text().splitlines()
    metrics = {line["MetricName"]: line for line in map(json.loads, lines)}
    assert metrics["total_number_of_violations"]["Value"] == len(violations)
    assert {"recall", "recall_best_constant_classifier", "au_prc"} <= set(metrics)
    assert metrics["recall"]["Timestamp"] == "2026-11-20T05:00:00Z"
    assert metrics["recall"]["Dimensions"] == [
        {"Name": "Endpoint", "Value": "churn"},
        {"Name": "MonitoringSchedule", "Value": "churn-hourly"},
    ]


def test_the_exact_dialect_reports_f0_5_and_drift(tmp_path: Path, baseline: dict[str, str]) -> None:
    window(tmp_path, [(p, 1, 0) for p, _, _ in ROWS])
    run(tmp_path, watchkeeper_dialect="exact", **baseline)
    found = {
        (v["metric_name"], v["constraint_check_type"])
        for v in output(tmp_path, "constraint_violations.json")["violations"]
    }
    assert ("label", "baseline_drift_check") in found
    assert ("falsePositiveRate", "GreaterThanThreshold") in found


def test_the_threshold_of_the_variables_is_honoured(tmp_path: Path, baseline: dict[str, str]) -> None:
    window(tmp_path, ROWS)
    del baseline["inference_attribute"]
    run(tmp_path, probability_threshold_attribute="0.9", **baseline)
    matrix = output(tmp_path, "statistics.json")["binary_classification_metrics"]["confusion_matrix"]
    assert matrix["0"]["1"] + matrix["1"]["1"] == sum(p > 0.9 for p, _, _ in ROWS)


def test_an_empty_window_is_no_failure(tmp_path: Path, baseline: dict[str, str]) -> None:
    run(tmp_path, **baseline)
    assert message(tmp_path).startswith("Completed: Job completed successfully; the window holds no labelled rows")


def test_rows_that_cannot_be_judged_are_said_and_not_quoted(tmp_path: Path, baseline: dict[str, str]) -> None:
    window(tmp_path, [*ROWS, (7.25, 1, 1)])
    done = run(tmp_path, **baseline)
    assert "not judged: 1 rows: a probability that is no number from 0 to 1" in done.stderr
    assert "7.25" not in done.stderr


def test_a_preprocessor_hands_in_rows(tmp_path: Path, baseline: dict[str, str]) -> None:
    window(tmp_path, ROWS)
    put(
        tmp_path,
        "processing/code/preprocessing/script.py",
        "def preprocess_handler(record):\n"
        "    p, h = record.endpoint_output.data.split(',')\n"
        "    return {'p': float(p), 'h': int(h), 'y': record.ground_truth.data}\n",
    )
    names = {"inference_attribute": "h", "probability_attribute": "p", "ground_truth_attribute": "y"}
    script = "/opt/ml/processing/code/preprocessing/script.py"
    run(tmp_path, record_preprocessor_script=script, **(baseline | names))
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 400


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"problem_type": "binary"}, "problem_type: got 'binary'. Use one of Regression, BinaryClassification"),
        (
            {"inference_attribute": "", "probability_attribute": ""},
            "needs an inference_attribute, a probability_attribute",
        ),
        (
            {"probability_threshold_attribute": "half"},
            "probability_threshold_attribute: got 'half'. Expected a share",
        ),
        ({"dataset_format": '{"sagemakerCaptureJson":{}}'}, "captures alone, which have no labels"),
        ({"analysis_type": ""}, "merged records. Set analysis_type=MODEL_QUALITY"),
        ({"analysis_type": "MODEL_FIT"}, "analysis_type: got 'MODEL_FIT'"),
        ({"analysis_type": "MODEL_BIAS"}, "analysis_type: MODEL_BIAS without Clarify's configuration. Mount"),
        ({"positive_label": "yes"}, "name the negative_label too"),
        ({"inference_attribute": "9"}, "2 output fields, where column 9 was expected"),
        ({"problem_type": "MulticlassClassification"}, "the baseline is of BinaryClassification; make a new baseline"),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path: Path, baseline: dict[str, str], variables: dict, said: str) -> None:
    window(tmp_path, ROWS)
    done = run(tmp_path, ok=False, **(baseline | variables))
    assert said in done.stderr
    assert message(tmp_path).startswith("Failed: ")
    assert "Traceback" not in done.stderr


def test_a_dataset_without_the_column_says_which_it_has(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "a,b\n1,2\n")
    done = run(tmp_path, ok=False, dataset_format='{"csv":{"header":true}}', **BINARY, **COLUMNS)
    assert "ground_truth_attribute: no column 'label'. The dataset's columns are a, b" in done.stderr
