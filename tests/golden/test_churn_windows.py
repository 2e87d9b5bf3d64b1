"""Five monitoring runs of AWS's churn notebook, replayed from captured lines in the ``compatible`` dialect.

The notebook sends 120 sample rows and then the 334 rows of the test set again and again; the first line of each file
is a header that pandas had made unique ("0", "0.1", "1.1", …), sent as data. One run saw only part of one round.
"""

import json
import re
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.golden.capture_lines import capture_file, capture_line
from watchkeeper.analysis.capture_profile import profile_capture
from watchkeeper.analysis.capture_records import CaptureFile, CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline, Dialect
from watchkeeper.analysis.constraint_set import decode_constraints
from watchkeeper.analysis.dataset_profile import profile_csv
from watchkeeper.analysis.dataset_statistics import statistics_of
from watchkeeper.analysis.finding import Verdict
from watchkeeper.analysis.judgement import JudgementRules, judge
from watchkeeper.analysis.violation_report import decode_violations, encode_violations

# Name of the run → rows of its window, rows of the sample file among them, header lines among the rows.
RUNS = {
    "702998a8": (2031, 120, 7),
    "097cc620": (1915, 120, 7),
    "706b8a9c": (1919, 120, 7),
    "08b14574": (1412, 120, 5),
    "37c35c1b": (288, 0, 1),
}


@pytest.fixture(scope="module")
def baseline(churn: Path) -> Baseline:
    training = CaptureFile("training", [(churn / "training-dataset-with-header.csv").read_bytes()])
    constraints = decode_constraints((churn / "constraints.json").read_bytes())
    return Baseline(constraints, statistics_of(profile_csv([training])))


def window(churn: Path, rows: int, sample_rows: int) -> CaptureFile:
    sample = (churn / "test_sample.csv").read_text().splitlines()
    again = (churn / "test-dataset-input-cols.csv").read_text().splitlines()
    assert (len(sample), len(again)) == (120, 334)
    sent = sample[:sample_rows] + list(islice(cycle(again), rows - sample_rows))
    # A probability as the model answers it: never a whole number, which is why the target's column fails entirely.
    return capture_file(capture_line(row, f"0.0{position + 13}1") for position, row in enumerate(sent))


@pytest.mark.parametrize("run", RUNS)
def test_the_violations_are_the_containers(churn: Path, baseline: Baseline, run: str) -> None:
    rows, sample_rows, mangled = RUNS[run]
    printed = json.loads((churn / f"constraint_violations_first10_run_{run}.json").read_bytes())["violations"]
    schema = CaptureSchema(columns=tuple(baseline.constraints.features))

    profile = profile_capture([window(churn, rows, sample_rows)], schema)
    assert profile.row_count == profile.invocation_count == profile.line_count == rows
    judgement = judge(profile, baseline, JudgementRules(dialect=Dialect.COMPATIBLE))
    document = encode_violations(judgement.findings)

    assert judgement.verdict is Verdict.VIOLATED
    assert document is not None
    ours = json.loads(document)["violations"]
    assert len(printed) == 10
    assert [violation for violation in printed if violation not in ours] == []
    assert len(ours) == 60
    assert {v["constraint_check_type"] for v in ours} == {"data_type_check"}
    share = {v["description"] for v in ours if v["feature_name"] != "Churn"}
    assert len(share) == 1
    percent = float(re.search(r"Only (.*)% of", share.pop())[1])
    assert percent == pytest.approx(100 * (1 - mangled / rows), rel=1e-12)
    churn_finding = next(v for v in ours if v["feature_name"] == "Churn")
    assert churn_finding["description"].endswith("Observed: Only 0.0% of data is Integral.")


def test_outputs_at_the_end_would_shift_every_name(churn: Path, baseline: Baseline) -> None:
    names = tuple(baseline.constraints.features)
    file = window(churn, 400, 0)
    schema = CaptureSchema(names[1:], names[:1], "END")
    state = profile_capture([file], schema).state
    assert state is not None
    assert tuple(state.columns) == names[1:] + names[:1]
    assert state.columns["Churn"].kinds.fractional == 400


def test_the_exact_dialect_knows_chance_from_a_broken_column(churn: Path, baseline: Baseline) -> None:
    names = tuple(baseline.constraints.features)
    profile = profile_capture([window(churn, 288, 0)], CaptureSchema(columns=names))
    judgement = judge(profile, baseline)
    violated = {finding.feature for finding in judgement.findings if finding.outcome == "violated"}
    assert "Churn" in violated  # no probability is a label
    # One mangled row of 288 is within chance for a baseline of 2,333 clean rows: 288/2621 = 0.11.
    assert "State_TX" not in violated


def test_the_printed_documents_decode(churn: Path) -> None:
    for run in RUNS:
        data = (churn / f"constraint_violations_first10_run_{run}.json").read_bytes()
        findings = decode_violations(data)
        assert len(findings) == 10
        assert {finding.outcome for finding in findings} == {"violated"}
