"""GetMetricData's limits and answers: queries in batches that hold together, series gathered over pages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from watchkeeper.errors import PermissionMissingError, ServiceAnswerError
from watchkeeper.registry.capture_window import utc_moment

#: GetMetricData takes so many queries.
QUERIES_A_CALL: Final = 500
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_WORD = re.compile(r"\b[a-z]\w*")
_ALL_METRICS = re.compile(r"\bMETRICS\s*\(")


@dataclass(frozen=True)
class MetricSeries:
    """The points of one query in time order; a period without any value has no point."""

    timestamps: tuple[datetime, ...]
    values: tuple[float, ...]
    label: str = ""

    @property
    def last(self) -> float | None:
        """The newest value; ``None`` if there is none."""
        return self.values[-1] if self.values else None


class SeriesGathering:
    """Puts the pages of GetMetricData's answer together."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str], dict[datetime, float]] = {}

    def add(self, page: Mapping[str, Any]) -> None:
        """Take in a page; ServiceAnswerError or PermissionMissingError if it says that a query was not answered."""
        for result in page.get("MetricDataResults", ()):
            _refuse_unanswered(result, page.get("Messages", ()))
            points = self._points.setdefault((result["Id"], result.get("Label", "")), {})
            moments = map(utc_moment, result.get("Timestamps", ()))
            points.update(zip(moments, map(float, result.get("Values", ())), strict=True))

    def series(self) -> dict[str, MetricSeries]:
        """Return all series by their query's id; where a query has several, by ``{id}/{label}``."""
        ids = [name for name, _ in self._points]
        return {
            name if ids.count(name) == 1 else f"{name}/{label}": MetricSeries(
                tuple(sorted(points)), tuple(points[moment] for moment in sorted(points)), label
            )
            for (name, label), points in self._points.items()
        }


def query_batches(queries: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the queries in batches that GetMetricData takes; an expression stays with all that it names.

    ValueError if more than 500 hang together.
    """
    batch: list[Mapping[str, Any]] = []
    for group in _together(queries):
        if len(group) > QUERIES_A_CALL:
            message = (
                f"expressions tie {len(group)} queries together ({group[0]['Id']} to {group[-1]['Id']}); GetMetricData "
                f"takes {QUERIES_A_CALL}: split them"
            )
            raise ValueError(message)
        if batch and len(batch) + len(group) > QUERIES_A_CALL:
            yield batch
            batch = []
        batch = batch + group
    if batch:
        yield batch


def _together(queries: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the queries in groups that no expression reaches out of, in the order given."""
    expressions = {query["Id"]: _QUOTED.sub("", str(query.get("Expression", ""))) for query in queries}
    if any(_ALL_METRICS.search(text) for text in expressions.values()):
        return [list(queries)]
    group_of = {name: name for name in expressions}

    def root(name: str) -> str:
        while group_of[name] != name:
            name = group_of[name]
        return name

    for name, text in expressions.items():
        for other in _WORD.findall(text):
            if other in group_of:
                group_of[root(other)] = root(name)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for query in queries:
        groups.setdefault(root(query["Id"]), []).append(query)
    return list(groups.values())


def _refuse_unanswered(result: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    status = result.get("StatusCode", "Complete")
    if status in {"Complete", "PartialData"}:  # PartialData: the rest comes with the next page
        return
    told = "; ".join(str(message.get("Value", "")) for message in (*result.get("Messages", ()), *messages))
    subject = f"metric query {result['Id']}"
    if status == "Forbidden":
        needed = "cloudwatch:GetMetricData"
        raise PermissionMissingError(
            needed, f"{subject} is forbidden ({told or 'no reason given'})", f"Allow {needed}."
        )
    raise ServiceAnswerError(
        subject, f"CloudWatch answered {status} ({told or 'no reason given'})", "Check its expression, or ask again."
    )
