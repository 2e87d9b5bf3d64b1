"""The verdicts that a monitor must reach on the replayed traffic, as data. Needs no data set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.traffic.demo_scenes import SCENES
from sandbox.traffic.scene import HOURS, Found, Scene


@dataclass(frozen=True)
class ExpectedVerdict:
    """What must come out for one window; ``findings`` are exactly the violated checks."""

    endpoint: str
    variant: str
    period: str
    start: datetime
    end: datetime
    verdict: str
    findings: tuple[Found, ...]
    because: str


def expected_verdicts(before: datetime) -> list[ExpectedVerdict]:
    """Return one entry per endpoint, period and window of the span that ends last before ``before``."""
    expected = []
    for scene in SCENES:
        span_start = scene.starts + scene.shift(before)
        for period, hour, hours, expectation in scene.expectations():
            start = span_start + timedelta(hours=hour)
            end = start + timedelta(hours=hours)
            expected.append(
                ExpectedVerdict(
                    scene.endpoint,
                    scene.variant,
                    period,
                    start,
                    end,
                    expectation.verdict,
                    expectation.findings,
                    expectation.because,
                )
            )
    return expected


def span(before: datetime, scenes: Sequence[Scene] = SCENES) -> tuple[datetime, datetime]:
    """Return start and end of the replayed span: some UTC days, the same for every scene."""
    spans = {(scene.starts + scene.shift(before), scene.ends + scene.shift(before)) for scene in scenes}
    (only,) = spans  # the scenes start on the same weekday
    return only


def as_document(before: datetime) -> dict[str, Any]:
    """Return all of it as JSON-ready data, times in ISO 8601 with ``Z``."""
    start, end = span(before)
    entries = [asdict(entry) for entry in expected_verdicts(before)]
    for entry in entries:
        entry["start"], entry["end"] = iso(entry["start"]), iso(entry["end"])
    return {"span": {"start": iso(start), "end": iso(end), "hours": HOURS}, "verdicts": entries}


def iso(moment: datetime) -> str:
    """Return ``2026-11-18T05:00:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
