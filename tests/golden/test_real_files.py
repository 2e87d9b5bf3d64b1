"""Documents of 2019 and captured lines as AWS wrote them: readable, or refused with a reason."""

import json
from pathlib import Path

import pytest

from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureFile, CaptureSchema
from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.constraint_set import decode_constraints, encode_constraints
from watchkeeper.analysis.dataset_statistics import decode_statistics
from watchkeeper.analysis.finding import Check
from watchkeeper.analysis.violation_report import decode_violations


@pytest.fixture(scope="module")
def launch(real_data: Path) -> Path:
    return real_data / "data_quality" / "sdk_2019"


def test_constraints_of_2019_decode(launch: Path) -> None:
    constraints = decode_constraints((launch / "constraints.json").read_bytes())
    first, second = constraints.features["message"], constraints.features["second_message"]
    assert first.inferred_type is second.inferred_type is InferredType.STRING
    assert first.domains == ("preproc-not-YET-supported-for-csv-json",)
    assert dict(first.overrides) == {"evaluate_constraints": True, "emit_metrics": True}
    assert dict(second.overrides) == {}
    assert constraints.config.comparison_threshold == 1.0
    assert constraints.config.comparison_method == "Robust"
    assert decode_constraints(encode_constraints(constraints)) == constraints


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_statistics_of_2019_decode(launch: Path, version: str) -> None:
    statistics = decode_statistics((launch / f"statistics_{version}.json").read_bytes())
    assert statistics.row_count == 418
    message = statistics.features["message"]
    assert (message.present, message.missing, message.completeness) == (418, 0, 1.0)
    assert message.string is not None
    assert message.string.categories == {"preproc-not-YET-supported-for-csv-json": 418}


@pytest.mark.parametrize("version", ["v1_2019-11-25", "v2_2019-11-26"])
def test_violations_of_2019_decode(launch: Path, version: str) -> None:
    findings = decode_violations((launch / f"constraint_violations_{version}.json").read_bytes())
    assert len(findings) == 7
    assert {finding.check for finding in findings} == {Check.CATEGORICAL_VALUES, Check.DATA_TYPE, Check.COMPLETENESS}


def test_violations_with_foreign_fields_decode(real_data: Path) -> None:
    data = (real_data / "data_quality" / "nlp_sample" / "constraints_violations.json").read_bytes()
    findings = decode_violations(data)
    assert len(findings) == len(json.loads(data)["violations"]) > 0
    assert {finding.check for finding in findings} == {Check.BASELINE_DRIFT}


def profile_of(path: Path, schema: CaptureSchema | None = None) -> CaptureProfile:
    text = path.read_text()
    # The notebooks printed single records with line breaks; capture writes each on one line.
    data = text if path.suffix == ".jsonl" else json.dumps(json.loads(text))
    return profile_capture([CaptureFile(path.name, [data.encode()])], schema)


@pytest.mark.parametrize(
    "name",
    [
        "endpoint_csv_churn_1",
        "endpoint_csv_churn_2",
        "endpoint_csv_churn_inferenceid_1",
        "endpoint_csv_churn_inferenceid_2",
    ],
)
def test_csv_captures_parse(real_data: Path, name: str) -> None:
    profile = profile_of(real_data / "capture" / f"{name}.json")
    assert (profile.row_count, profile.malformed.count) == (1, 0)
    assert profile.state is not None
    assert len(profile.state.columns) == 70
    assert profile.state.columns["_c0"].inferred_type is InferredType.FRACTIONAL


def test_a_file_of_captures_parses(real_data: Path) -> None:
    profile = profile_of(real_data / "capture" / "sdk_test_capture.jsonl")
    assert (profile.line_count, profile.row_count, profile.malformed.count) == (44, 44, 0)
    assert profile.state is not None
    assert list(profile.state.columns) == [f"_c{position}" for position in range(8)]
    assert profile.state.columns["_c0"].inferred_type is InferredType.FRACTIONAL
    assert profile.state.columns["_c1"].inferred_type is InferredType.INTEGRAL


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("endpoint_json_adult_1.json", 1),
        ("endpoint_jsonlines_adult_1.json", 1),
        ("endpoint_feature_attribution_1.json", 1),
        ("endpoint_llm_json_34-30-683-55126149.jsonl", 3),
    ],
)
def test_nested_payloads_are_malformed_and_say_why(real_data: Path, name: str, lines: int) -> None:
    profile = profile_of(real_data / "capture" / name)
    assert profile.state is None
    assert (profile.line_count, profile.malformed.count, len(profile.malformed.samples)) == (lines, lines, lines)
    assert [reason for reason in profile.malformed.reasons if "nested" in reason] == list(profile.malformed.reasons)
    assert {sample.file for sample in profile.malformed.samples} == {name}
