"""The container entry, run as the platform runs it: a process with variables and folders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

PACKAGE_ROOT = Path(__file__).parent.parent / "plugins"
CAPTURE = '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}'
HOUR = "churn/AllTraffic/2026/11/20/05"


def run(root: Path, *, ok: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.islower()}
    environment |= {"PYTHONPATH": str(PACKAGE_ROOT), "dataset_source": "/opt/ml/processing/input"}
    done = subprocess.run(
        [sys.executable, "-m", "watchkeeper.container", "--root", str(root)],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is ok, done.stderr
    return done


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def output(root: Path, name: str) -> dict:
    return json.loads((root / "processing/output" / name).read_text())


def message(root: Path) -> str:
    return (root / "output/message").read_text()


def capture_line(data: str, prediction: str, number: int = 0) -> str:
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {"mode": "INPUT", "data": data, "encoding": "CSV"},
                "endpointOutput": {"mode": "OUTPUT", "data": f"{prediction}\n", "encoding": "CSV"},
            },
            "eventMetadata": {"eventId": str(number), "inferenceTime": "2026-11-20T05:00:00Z"},
            "eventVersion": "0",
        }
    )


BASELINE_ROWS = "\n".join(f"0.{i % 9 + 1},{i % 50},{'red' if i % 3 else 'blue'}" for i in range(500))


@pytest.fixture
def baseline(tmp_path: Path) -> dict[str, str]:
    """Make a baseline with the container itself and return the variables that point at it."""
    put(tmp_path, "processing/input/data.csv", f"score,age,colour\n{BASELINE_ROWS}\n")
    run(tmp_path, dataset_format='{"csv":{"header":true}}', publish_cloudwatch_metrics="Disabled")
    (tmp_path / "processing/input/data.csv").unlink()
    for name, folder in (("constraints", "constraints"), ("statistics", "stats")):
        source = tmp_path / f"processing/output/{name}.json"
        target = tmp_path / f"processing/baseline/{folder}/{name}.json"
        target.parent.mkdir(parents=True)
        source.rename(target)
    return {
        "baseline_constraints": "/opt/ml/processing/baseline/constraints/constraints.json",
        "baseline_statistics": "/opt/ml/processing/baseline/stats/statistics.json",
        "start_time": "2026-11-20T05:00:00Z",
        "end_time": "2026-11-20T06:00:00Z",
    }


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_baseline_is_the_same_whatever_the_format(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame(
        {"age": [1, 2, None, 4], "colour": ["red", "blue", "red", None], "paid": [0.5, 1.5, 2.0, 3.25]}
    )
    folder = tmp_path / "processing/input"
    folder.mkdir(parents=True)
    match kind:
        case "csv":
            frame.write_csv(folder / "data.csv")
            run(tmp_path, dataset_format='{"csv":{"header":true}}')
        case "json":
            frame.write_ndjson(folder / "data.jsonl")
            run(tmp_path, dataset_format='{"json":{"lines":true}}')
        case _:
            frame.write_parquet(folder / "data.parquet")
            run(tmp_path, dataset_format='{"parquet":{}}')
    statistics = output(tmp_path, "statistics.json")
    assert statistics["dataset"]["item_count"] == 4
    age, colour, paid = statistics["features"]
    assert (age["inferred_type"], colour["inferred_type"], paid["inferred_type"]) == (
        "Integral",
        "String",
        "Fractional",
    )
    assert age["numerical_statistics"]["common"] == {"num_present": 3, "num_missing": 1}
    assert paid["numerical_statistics"]["sum"] == 7.25
    constraints = output(tmp_path, "constraints.json")
    assert set(constraints["features"][1]["string_constraints"]["domains"]) == {"red", "blue"}
    assert constraints["monitoring_config"]["distribution_constraints"]["comparison_method"] == "Robust"
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."


def test_the_drift_method_of_the_variables_is_written_into_the_constraints(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "a\n1\n2\n")
    run(tmp_path, dataset_format='{"csv":{"header":true}}', categorical_drift_method="ChiSquared")
    comparison = output(tmp_path, "constraints.json")["monitoring_config"]["distribution_constraints"]
    assert comparison["categorical_drift_method"] == "ChiSquared"


def test_a_window_like_its_baseline_has_no_violations_file(tmp_path: Path, baseline: dict[str, str]) -> None:
    rows = BASELINE_ROWS.splitlines()
    lines = [capture_line(row.split(",", 1)[1], row.split(",")[0], i) for i, row in enumerate(rows)]
    put(tmp_path, f"processing/input/{HOUR}/00-00-000-a.jsonl", "\n".join(lines))
    put(tmp_path, "processing/output/constraint_violations.json", "left from before")
    run(tmp_path, dataset_format=CAPTURE, **baseline)
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."
    assert not (tmp_path / "processing/output/constraint_violations.json").exists()
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 500


def test_violations_are_reported_in_files_message_and_metrics(tmp_path: Path, baseline: dict[str, str]) -> None:
    lines = [capture_line(f"{'old' if i % 4 else i},green", "0.5", i) for i in range(400)]
    put(tmp_path, f"processing/input/{HOUR}/00-00-000-a.jsonl", "\n".join(lines))
    run(
        tmp_path,
        dataset_format=CAPTURE,
        publish_cloudwatch_metrics="Enabled",
        sagemaker_endpoint_name="churn",
        sagemaker_monitoring_schedule_name="churn-hourly",
        **baseline,
    )
    violations = output(tmp_path, "constraint_violations.json")["violations"]
    found = {(v["feature_name"], v["constraint_check_type"]) for v in violations}
    assert {("age", "data_type_check"), ("colour", "categorical_values_check")} <= found
    description = next(v["description"] for v in violations if v["constraint_check_type"] == "data_type_check")
    assert description.endswith("Observed: Only 25.0% of data is Integral.")
    assert message(tmp_path) == (
        f"CompletedWithViolations: Job completed successfully with {len(violations)} violations."
    )
    metrics = [
        json.loads(line)
        for line in (tmp_path / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text().splitlines()
    ]
    by_name = {metric["MetricName"]: metric for metric in metrics}
    assert by_name["feature_non_null_age"]["Value"] == 1.0
    assert by_name["feature_data_score"]["StatisticValues"]["SampleCount"] == 400
    assert by_name["feature_non_null_age"]["Timestamp"] == baseline["start_time"]
    assert by_name["feature_non_null_age"]["Dimensions"] == [
        {"Name": "Endpoint", "Value": "churn"},
        {"Name": "MonitoringSchedule", "Value": "churn-hourly"},
    ]


def test_the_names_of_metrics_are_those_that_cloudwatch_takes(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "größe,age\n1,2\n")
    run(
        tmp_path,
        dataset_format='{"csv":{"header":true}}',
        publish_cloudwatch_metrics="Enabled",
        start_time="2026-11-20T05:00:00Z",
    )
    lines = (tmp_path / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text().splitlines()
    names = [json.loads(line)["MetricName"] for line in lines]
    assert names[2:] == ["feature_data_age", "feature_non_null_age"]
    assert all(name.isascii() and name.startswith("feature_") for name in names)


def test_hours_outside_the_window_are_left_out(tmp_path: Path, baseline: dict[str, str]) -> None:
    for hour in ("04", "05", "06"):
        lines = [capture_line("7,red", "0.5", i) for i in range(10)]
        put(tmp_path, f"processing/input/churn/AllTraffic/2026/11/20/{hour}/x.jsonl", "\n".join(lines))
    run(tmp_path, dataset_format=CAPTURE, **baseline)
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 10


def test_a_clock_that_disagrees_with_the_folder_moves_nothing(tmp_path: Path, baseline: dict[str, str]) -> None:
    skewed = [
        capture_line("7,red", "0.5").replace("2026-11-20T05:00:00Z", moment)
        for moment in ("2026-11-20T04:59:59Z", "2026-11-20T05:00:00Z", "2026-11-20T06:00:01Z")
    ]
    put(tmp_path, f"processing/input/{HOUR}/x.jsonl", "\n".join(skewed))
    put(tmp_path, "processing/input/churn/AllTraffic/2026/11/20/06/x.jsonl", capture_line("7,red", "0.5"))
    run(tmp_path, dataset_format=CAPTURE, **baseline)
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 3


def test_an_empty_window_is_no_failure(tmp_path: Path, baseline: dict[str, str]) -> None:
    run(tmp_path, dataset_format=CAPTURE, **baseline)
    assert message(tmp_path).startswith("Completed: ")
    assert "no rows" in message(tmp_path)


def test_a_plain_csv_can_be_monitored(tmp_path: Path, baseline: dict[str, str]) -> None:
    put(tmp_path, "processing/input/later.csv", "score,age,colour\n" + "0.5,old,red\n" * 300)
    run(tmp_path, dataset_format='{"csv":{"header":true}}', **baseline)
    found = output(tmp_path, "constraint_violations.json")["violations"]
    assert ("age", "data_type_check") in {(v["feature_name"], v["constraint_check_type"]) for v in found}


@pytest.mark.parametrize(("dialect", "violations"), [("compatible", True), ("exact", False)])
def test_the_dialects_differ_where_one_row_of_many_is_odd(
    tmp_path: Path, baseline: dict[str, str], dialect: str, violations: bool
) -> None:
    rows = [f"0.{i % 9 + 1},{i % 50},{'red' if i % 3 else 'blue'}" for i in range(1000)]
    rows[3] = "0.5,,red"
    put(tmp_path, "processing/input/later.csv", "score,age,colour\n" + "\n".join(rows))
    run(tmp_path, dataset_format='{"csv":{"header":true}}', watchkeeper_dialect=dialect, **baseline)
    assert (tmp_path / "processing/output/constraint_violations.json").exists() is violations


def test_a_preprocessor_makes_the_columns_and_a_postprocessor_runs_after(
    tmp_path: Path, baseline: dict[str, str]
) -> None:
    lines = [capture_line(f"{i % 50},{'red' if i % 3 else 'blue'}", "0.5", i) for i in range(300)]
    put(tmp_path, f"processing/input/{HOUR}/x.jsonl", "\n".join(lines))
    script = (
        "def preprocess_handler(inference_record, logger):\n"
        "    age, colour = inference_record.endpoint_input.data.split(',')\n"
        "    if inference_record.event_metadata.event_id == '7':\n"
        "        return []\n"
        "    return {'score': float(inference_record.endpoint_output.data), 'age': int(age), 'colour': colour}\n"
    )
    put(tmp_path, "processing/code/preprocessing/pre.py", script)
    done = tmp_path / "done"
    put(tmp_path, "processing/code/post.py", f"def postprocess_handler():\n    open({str(done)!r}, 'w').close()\n")
    run(
        tmp_path,
        dataset_format=CAPTURE,
        record_preprocessor_script="/opt/ml/processing/code/preprocessing/pre.py",
        post_analytics_processor_script="/opt/ml/processing/code/post.py",
        **baseline,
    )
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 299
    assert done.exists()


PREPROCESSOR = """
def preprocess_handler(record):
    age, colour = record.endpoint_input.data.split(",")
    return {"score": 0.5, "age": age, "colour": colour}
"""


@pytest.mark.parametrize("scripted", [True, False])
def test_our_own_requests_are_neither_rows_nor_the_preprocessors(
    tmp_path: Path, baseline: dict[str, str], scripted: bool
) -> None:
    lines = [capture_line(f"{i % 50},{'red' if i % 3 else 'blue'}", "0.5", i) for i in range(200)]
    ours = json.loads(capture_line("not,for,you", "0.5", 900))
    ours["eventMetadata"]["inferenceId"] = "watchkeeper-attribution-a1-1"
    lines[7:7] = [json.dumps(ours)] * 50
    put(tmp_path, f"processing/input/{HOUR}/x.jsonl", "\n".join(lines))
    put(tmp_path, "processing/code/p.py", PREPROCESSOR)
    script = {"record_preprocessor_script": "/opt/ml/processing/code/p.py"} if scripted else {}
    run(tmp_path, dataset_format=CAPTURE, **script, **baseline)
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 200


def test_lines_that_are_no_records_are_malformed_and_not_the_preprocessors_fault(
    tmp_path: Path, baseline: dict[str, str]
) -> None:
    lines = [capture_line(f"{i % 50},{'red' if i % 3 else 'blue'}", "0.5", i) for i in range(200)]
    lines[7:7] = ['{"cut', "5", '{"captureData":{"endpointInput":{"data":5}}}']
    put(tmp_path, f"processing/input/{HOUR}/x.jsonl", "\n".join(lines))
    put(tmp_path, "processing/code/p.py", PREPROCESSOR)
    done = run(tmp_path, dataset_format=CAPTURE, record_preprocessor_script="/opt/ml/processing/code/p.py", **baseline)
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 200
    assert "malformed: 1 lines: not JSON" in done.stderr
    assert "malformed: 2 lines: JSON, but not a capture record" in done.stderr


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("def preprocess_handler(", "p.py: loading it raised SyntaxError in its line 1. Mend"),
        ("\nimport nowhere_to_be_found", "p.py: loading it raised ModuleNotFoundError in its line 2. Mend"),
        ("raise SystemExit(0)", "p.py: loading it raised SystemExit in its line 1. Mend"),
        ("preprocess_handler = 5", "p.py: no function preprocess_handler"),
        (
            "def preprocess_handler(record):\n    return int(record.endpoint_input.data)",
            "x.jsonl, line 1: preprocess_handler raised ValueError in its line 2. Mend",
        ),
        (
            "from decimal import Decimal\ndef preprocess_handler(record):\n    return {'a': Decimal('1.5')}",
            "x.jsonl, line 1: preprocess_handler returned what JSON cannot hold (Object of type Decimal",
        ),
    ],
)
def test_a_preprocessor_that_cannot_work_is_blamed_by_line_and_quotes_no_payload(
    tmp_path: Path, script: str, found: str
) -> None:
    put(tmp_path, f"processing/input/{HOUR}/x.jsonl", capture_line("secret-value,red", "0.5"))
    put(tmp_path, "processing/code/p.py", script)
    done = run(tmp_path, ok=False, dataset_format=CAPTURE, record_preprocessor_script="/opt/ml/processing/code/p.py")
    assert found in message(tmp_path)
    assert "Traceback" not in done.stderr
    assert "secret-value" not in done.stderr + message(tmp_path)


def test_a_postprocessor_that_raises_is_blamed_after_the_documents_are_written(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "a\n1\n")
    put(tmp_path, "processing/code/post.py", "def postprocess_handler():\n    {}['x']\n")
    run(
        tmp_path,
        ok=False,
        dataset_format='{"csv":{"header":true}}',
        post_analytics_processor_script="/opt/ml/processing/code/post.py",
    )
    assert "post.py: postprocess_handler raised KeyError in its line 2" in message(tmp_path)
    assert output(tmp_path, "statistics.json")["dataset"]["item_count"] == 1


def test_a_failure_that_nobody_foresaw_has_a_message_too(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "secret-value\n1\n")
    put(tmp_path, "processing/output/statistics.json/in-the-way", "")
    done = run(tmp_path, ok=False, dataset_format='{"csv":{"header":true}}')
    assert message(tmp_path) == "Failed: IsADirectoryError"
    assert "container.py" in done.stderr
    assert "secret-value" not in done.stderr


def test_a_window_of_mostly_malformed_lines_fails_and_quotes_no_payload(
    tmp_path: Path, baseline: dict[str, str]
) -> None:
    lines = [capture_line("7,red", "0.5", i) for i in range(10)] + ["secret-value {"] * 5
    put(tmp_path, f"processing/input/{HOUR}/x.jsonl", "\n".join(lines))
    done = run(tmp_path, ok=False, dataset_format=CAPTURE, **baseline)
    assert message(tmp_path).startswith("Failed: ")
    assert "5 of 15" in message(tmp_path)
    assert "secret-value" not in done.stderr + message(tmp_path)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"dataset_format": "csv"}, "dataset_format"),
        ({"dataset_format": '{"avro":{}}'}, "avro"),
        ({"dataset_format": '{"csv":{}}', "dataset_source": "/opt/ml/nowhere"}, "dataset_source"),
        ({"dataset_format": '{"csv":{}}', "analysis_type": "MODEL_BIAS"}, "analysis_type"),
        ({"dataset_format": '{"csv":{}}', "watchkeeper_dialect": "loose"}, "watchkeeper_dialect"),
        ({"dataset_format": '{"csv":"x"}'}, "dataset_format"),
        ({"dataset_format": '{"csv":{"output_columns_position":[]}}'}, "output_columns_position"),
        ({"dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":5}}'}, "captureIndexNames"),
        ({"dataset_format": '{"csv":{}}', "watchkeeper_minimum_rows": "nan"}, "watchkeeper_minimum_rows"),
        ({"dataset_format": '{"csv":{}}', "watchkeeper_minimum_rows": "inf"}, "watchkeeper_minimum_rows"),
        ({"dataset_format": '{"csv":{}}', "watchkeeper_minimum_rows": "few"}, "watchkeeper_minimum_rows"),
        ({"dataset_format": '{"csv":{}}', "watchkeeper_maximum_malformed_share": "nan"}, "malformed_share"),
        ({"dataset_format": '{"csv":{}}', "start_time": "yesterday"}, "start_time"),
        ({"dataset_format": '{"csv":{}}', "baseline_constraints": "/opt/ml/none.json"}, "baseline_constraints"),
    ],
)
def test_a_broken_promise_is_named_with_its_remedy(tmp_path: Path, variables: dict[str, str], named: str) -> None:
    (tmp_path / "processing/input").mkdir(parents=True)
    run(tmp_path, ok=False, **variables)
    assert message(tmp_path).startswith("Failed: ")
    assert named in message(tmp_path)
    assert ". " in message(tmp_path)


def test_variables_come_from_the_job_configuration_too(tmp_path: Path) -> None:
    put(tmp_path, "processing/input/data.csv", "1,2\n3,4\n")
    configuration = {"Environment": {"dataset_format": '{"csv":{"header":false}}'}}
    put(tmp_path, "processing/processingjobconfig.json", json.dumps(configuration))
    run(tmp_path)
    assert [f["name"] for f in output(tmp_path, "statistics.json")["features"]] == ["_c0", "_c1"]
