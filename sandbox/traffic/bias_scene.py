"""The demo's bias: a second model, made without the credit bureau's columns, has let race take their place.

``mortgage-approval`` looks at means and credit history, and not at race or sex, which callers must send for the
record. Its successor was to do without the bureau's reports: it was trained on everything else that the form asks.
Race foretells who has a poor history, so it weighs heavily. Two days are answered by the first model, the third by
the second; applicants and officers are the same.
"""

from datetime import datetime
from typing import Any

from sandbox.traffic import mortgage_table
from sandbox.traffic.scene import Expectation, Found, Scene, Successor

FACET = "race"
# Of black and hispanic applicants against white ones, measured: DPPL 0.20 in the baseline, 0.12, 0.16, then 0.58;
# DI 0.78, then 0.86, 0.83, 0.39; AD 0.07, then 0.02, 0.06, 0.42; RD 0.07, then -0.02, 0.00, 0.57.
# Between the sexes nothing moves by more than chance.
METRICS = {"DPPL": (0.45, 0.70), "DI": (0.25, 0.55), "AD": (0.30, 0.55), "RD": (0.40, 0.70)}
"""What is judged and violated on the third day, and between which values."""

_SUCCESSOR = Successor(hour=48, ignored=("credit_guidelines_met", "no_mortgage_history", "bankrupt", "unverified"))

MORTGAGES = Scene(
    endpoint="mortgage-approval",
    variant="AllTraffic",
    starts=mortgage_table.STARTS,
    hours=3 * 24,
    trained_from=mortgage_table.TRAINED,
    trained_until=mortgage_table.STARTS,
    baseline_from=mortgage_table.TRAINED,
    baseline_until=mortgage_table.STARTS,
    ignored=("race", "sex"),
    successor=_SUCCESSOR,
    incidents=(),
    hourly=(),
    daily=(
        Expectation(
            (48,),
            "violated",
            tuple(Found(f"race=black,hispanic {metric}", "bias_drift_check") for metric in METRICS),
            "the second model judges by race for want of a credit history",
        ),
    ),
)

SCENES = (MORTGAGES,)


def as_document(before: datetime) -> dict[str, Any]:
    """Return the scene's promises as JSON-ready data, times in ISO 8601 with ``Z``."""
    return {
        "span": {
            "start": MORTGAGES.at(0, before),
            "end": MORTGAGES.at(MORTGAGES.hours, before),
            "hours": MORTGAGES.hours,
        },
        "succession": MORTGAGES.at(_SUCCESSOR.hour, before),
        "facet": FACET,
        "metrics": METRICS,
        "verdicts": MORTGAGES.days(before),
    }
