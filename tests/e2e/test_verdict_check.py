"""The demo fails, and says in what, whenever the ledger does not hold what must have been found."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sandbox.demo.verdict_check import ExpectedWindow, missing_verdicts
from watchkeeper.aws.ledger import ledger_schema

REPOSITORY = Path(__file__).parents[2]
START = datetime(2026, 11, 19, 18, tzinfo=UTC)

EXPECTED = ExpectedWindow.read(
    {
        "verdicts": [
            {
                "endpoint": "flights-delay",
                "variant": "AllTraffic",
                "period": "hourly",
                "start": "2026-11-19T18:00:00Z",
                "end": "2026-11-19T19:00:00Z",
                "verdict": "violated",
                "findings": [{"feature": "dep_delay", "check": "baseline_drift_check"}],
                "because": "storm",
            }
        ]
    }
)


def finding(outcome: str, feature: str = "dep_delay") -> dict[str, Any]:
    return {
        "feature": feature,
        "check": "baseline_drift_check",
        "outcome": outcome,
        "reason": "far",
        "observed": 0.3,
        "limit": 0.1,
        "severity": "medium",
    }


def ledger(**changes: Any) -> pl.DataFrame:
    row: dict[str, Any] = dict.fromkeys(ledger_schema())
    row |= {
        "endpoint": "flights-delay",
        "variant": "AllTraffic",
        "period": "hourly",
        "window_start": START,
        "window_end": START + timedelta(hours=1),
        "verdict": "violated",
        "reason": "1 check violated",
        "findings": [finding("violated")],
    }
    return pl.DataFrame([row | changes], schema=ledger_schema())


def test_nothing_is_missing_where_the_ledger_says_exactly_what_was_expected() -> None:
    assert missing_verdicts(EXPECTED, ledger(findings=[finding("violated"), finding("not_evaluated", "temp")])) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ledger().clear(), "no verdict in the ledger; expected violated (expected because: storm)"),
        (ledger(window_end=START + timedelta(days=1)), "no verdict in the ledger"),
        (ledger(verdict="ok", reason="30 checks satisfied"), "ok (30 checks satisfied); expected violated"),
        (ledger(findings=[finding("violated", "temp")]), "baseline_drift_check of dep_delay was not found"),
        (ledger(findings=[finding("not_evaluated")]), "baseline_drift_check of dep_delay was not found"),
        (
            ledger(findings=[finding("violated"), finding("violated", "temp")]),
            "baseline_drift_check of temp was found, and is not there",
        ),
    ],
)
def test_what_is_missing_or_too_much_is_named_with_its_window(rows: pl.DataFrame, said: str) -> None:
    (problem,) = missing_verdicts(EXPECTED, rows)
    assert problem.startswith("flights-delay/AllTraffic hourly 2026-11-19T18:00Z to 2026-11-19T19:00Z: ")
    assert said in problem


def test_an_unknown_scene_is_refused_with_those_there_are() -> None:
    command = [sys.executable, "-m", "sandbox.demo", "--scene", "earthquake"]
    environment = {"PYTHONPATH": "plugins:.", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no scene 'earthquake'" in done.stderr
    assert "data_quality:" in done.stderr
