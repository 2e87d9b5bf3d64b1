"""What a monitor must have found, beside what the ledger says it found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

Identity = tuple[str, str, str, datetime, datetime]


@dataclass(frozen=True)
class ExpectedWindow:
    """One window's expected verdict, and all findings that must be violated in it."""

    identity: Identity
    verdict: str
    findings: frozenset[tuple[str, str]]
    because: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "list[ExpectedWindow]":
        """Return the windows of what ``python -m sandbox expected`` prints."""
        return [
            cls(
                (
                    entry["endpoint"],
                    entry["variant"],
                    entry["period"],
                    datetime.fromisoformat(entry["start"]),
                    datetime.fromisoformat(entry["end"]),
                ),
                entry["verdict"],
                frozenset((finding["feature"], finding["check"]) for finding in entry["findings"]),
                entry["because"],
            )
            for entry in document["verdicts"]
        ]

    @property
    def title(self) -> str:
        """Name the window for people."""
        endpoint, variant, period, start, end = self.identity
        return f"{endpoint}/{variant} {period} {start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}"


def identity_of(row: Mapping[str, Any]) -> Identity:
    """Return which window a ledger row is about."""
    return (row["endpoint"], row["variant"], row["period"], row["window_start"], row["window_end"])


def violations_of(row: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return (feature, check) of each violated finding of a ledger row."""
    return frozenset(
        (finding["feature"], finding["check"]) for finding in row["findings"] or () if finding["outcome"] == "violated"
    )


def missing_verdicts(expected: Iterable[ExpectedWindow], ledger: pl.DataFrame) -> list[str]:
    """Return a line for each window whose verdict is missing or another, or whose violations are others."""
    rows = {identity_of(row): row for row in ledger.iter_rows(named=True)}
    problems = []
    for window in expected:
        row = rows.get(window.identity)
        reason = f" (expected because: {window.because})"
        if row is None:
            problems.append(f"{window.title}: no verdict in the ledger; expected {window.verdict}{reason}")
        elif row["verdict"] != window.verdict:
            problems.append(f"{window.title}: {row['verdict']} ({row['reason']}); expected {window.verdict}{reason}")
        elif absent := window.findings - violations_of(row):
            names = ", ".join(f"{check} of {feature}" for feature, check in sorted(absent))
            problems.append(f"{window.title}: {names} was not found{reason}")
        elif surplus := violations_of(row) - window.findings:
            names = ", ".join(f"{check} of {feature}" for feature, check in sorted(surplus))
            problems.append(f"{window.title}: {names} was found, and is not there{reason}")
    return problems
