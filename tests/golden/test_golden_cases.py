"""Documents of small datasets, byte for byte: number text, field order, spacing, non-ASCII, both dialects."""

import json

import pytest

from tests.golden.golden_case import GoldenCase, golden_cases
from watchkeeper.analysis.constraint_set import decode_constraints, encode_constraints
from watchkeeper.analysis.dataset_statistics import decode_statistics, encode_statistics

CASES = golden_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.folder.name for case in CASES])
@pytest.mark.parametrize("block_bytes", [1 << 20, 700])
def test_the_documents_are_those_on_record(case: GoldenCase, block_bytes: int) -> None:
    documents = case.documents(block_bytes)
    assert {name for name, data in documents.items() if data} == {f.name for f in (case.folder / "expected").iterdir()}
    for name, data in documents.items():
        assert data == case.expected(name), name


@pytest.mark.parametrize("case", CASES, ids=[case.folder.name for case in CASES])
def test_documents_survive_reading_and_writing(case: GoldenCase) -> None:
    constraints, statistics = case.expected("constraints.json"), case.expected("statistics.json")
    assert constraints is not None
    assert statistics is not None
    assert encode_constraints(decode_constraints(constraints)) == constraints
    assert encode_statistics(decode_statistics(statistics)) == statistics


def test_the_cases_show_what_they_are_for() -> None:
    by_name = {case.folder.name: case for case in CASES}
    text = (by_name["number_text"].expected("statistics.json") or b"").decode()
    for number in (
        "1.44E10",
        "5.09E-4",
        "1.0E-10",
        "9999999.0",
        "1.0E7",
        "1.23456789E7",
        '"Infinity"',
        '"NaN"',
        "9.0E-4",
    ):
        assert number in text
    assert '"größe"' in text
    assert "日本" in text
    drifted = by_name["drifted_window"]
    found = {
        dialect: {
            (violation["feature_name"], violation["constraint_check_type"])
            for violation in json.loads(drifted.expected(f"constraint_violations.{dialect}.json") or b"")["violations"]
        }
        for dialect in ("compatible", "exact")
    }
    # A 0/1 column whose ones went from 10 % to 90 % looks the same to the container's distance.
    assert found["exact"] - found["compatible"] == {("label", "baseline_drift_check")}
    # One odd value in eighty is within chance for a baseline of eighty.
    assert found["compatible"] - found["exact"] == {("amount", "data_type_check")}
    assert by_name["quiet_window"].expected("constraint_violations.exact.json") is None
