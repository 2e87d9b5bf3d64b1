"""One metric of one facet's value in a window, beside the baseline's."""

import re
from dataclasses import dataclass

from watchkeeper.analysis.finding import Check, Finding, Outcome

_UPPER_END = re.compile(r"(?<=, )[^ ]+(?=\](?: & |$))")


@dataclass(frozen=True)
class BiasFinding(Finding):
    """A finding of the bias monitor: ``feature`` is its key, such as ``Sex=0 DPL``; its parts are fields of their own.

    ``observed`` and ``limit`` are the metric's values in the window and in the baseline (or the distance from the
    neutral value that somebody set).
    """

    facet: str = ""
    facet_value: str = ""
    metric: str = ""


def bias_key(facet: str, value: str, metric: str) -> str:
    """Return what findings call a metric of a facet's value: ``Sex=0 DPL``, and of an interval ``Age=(40, …] DPL``.

    An interval ends at the greatest value in the data: with it every window's finding would be another one, told of
    anew, and would tell a captured value.
    """
    return f"{facet}={_UPPER_END.sub('…', value)} {metric}"


def bias_finding(
    place: tuple[str, str, str],
    outcome: Outcome,
    reason: str,
    observed: float | None = None,
    limit: float | None = None,
    excess: float = 0.0,
) -> BiasFinding:
    """Return the finding of a facet, its value and a metric (``place``)."""
    facet, value, metric = place
    return BiasFinding(
        bias_key(*place),
        Check.BIAS_DRIFT,
        outcome,
        reason,
        observed,
        limit,
        excess,
        facet=facet,
        facet_value=value,
        metric=metric,
    )
