"""Clarify's ``analysis.json`` of bias: metrics of each facet's value, before and after training."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from watchkeeper.analysis.bias_metrics import (
    CONDITIONAL,
    DESCRIPTIONS,
    FORMULAS,
    Floats,
    conditional_disparity,
)
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.facet_group import FacetGroup, facet_groups, label_reading
from watchkeeper.analysis.flip_test import flip_test
from watchkeeper.errors import DocumentError

NO_COMMON_LABEL = "No instance of common facet found, dataset may be too small"
NO_POSITIVES = "No positive labels in set"
NO_NEGATIVES = "No negative labels in set"
ALL_FALSE_NEGATIVES = (
    "All predicted labels are false negatives. There should be at least one prediction that is not false negative."
)


@dataclass(frozen=True)
class BiasMetric:
    """One metric of one facet's value: its value, or the error that says why there is none."""

    name: str
    description: str
    value: float | None
    error: str | None = None


@dataclass(frozen=True)
class FacetMetrics:
    """The metrics of one facet's value, in the documents' order."""

    value_or_threshold: str
    metrics: tuple[BiasMetric, ...]

    def metric(self, name: str) -> BiasMetric | None:
        """Return a metric by name."""
        return next((metric for metric in self.metrics if metric.name == name), None)


@dataclass(frozen=True)
class BiasStage:
    """Metrics before training (of observed labels) or after it (of predictions), by facet."""

    label: str
    label_value_or_threshold: str
    facets: Mapping[str, tuple[FacetMetrics, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BiasReport:
    """A whole ``analysis.json``, as far as it is about bias."""

    pre_training: BiasStage | None = None
    post_training: BiasStage | None = None

    @property
    def stages(self) -> tuple[BiasStage, ...]:
        """The stages there are, in the documents' order."""
        return tuple(stage for stage in (self.post_training, self.pre_training) if stage is not None)

    @property
    def facet_values(self) -> dict[str, list[str]]:
        """Each facet's values, as the document spells them."""
        return {
            name: [entry.value_or_threshold for entry in entries]
            for stage in self.stages
            for name, entries in stage.facets.items()
        }


def bias_report_of(state: BiasState, baseline: BiasReport | None = None) -> BiasReport:
    """Return the metrics of a state's rows.

    Whether facets and labels are continuous is told from the rows by Clarify's rule, or is as in ``baseline``.
    """
    return report_of_groups(state, *groups_of(state, baseline))


def groups_of(state: BiasState, baseline: BiasReport | None = None) -> tuple[list[FacetGroup], str]:
    """Return the groups that are compared, and the label's values as documents spell them; see `bias_report_of`."""
    stages = baseline.stages if baseline else ()
    label = label_reading(state, stages[0].label_value_or_threshold if stages else None)
    return facet_groups(state, baseline.facet_values if baseline else None, label), label.text


def report_of_groups(state: BiasState, groups: Iterable[FacetGroup], label_text: str) -> BiasReport:
    """Return the metrics of groups that were told apart already."""
    found = list(groups)

    def stage(names: tuple[str, ...]) -> BiasStage | None:
        if not names:
            return None
        facets: dict[str, tuple[FacetMetrics, ...]] = {}
        for group in found:
            entry = FacetMetrics(group.value, tuple(measure_group(group, name) for name in names))
            facets[group.facet] = (*facets.get(group.facet, ()), entry)
        return BiasStage(state.attributes.label_name, label_text, facets)

    return BiasReport(stage(state.attributes.pre_training), stage(state.attributes.post_training))


def measure_group(group: FacetGroup, name: str) -> BiasMetric:
    """Return one metric of a group."""
    value, error = _measure(group, name)
    return BiasMetric(name, DESCRIPTIONS[name], value, error)


def _measure(group: FacetGroup, name: str) -> tuple[float | None, str | None]:
    if group.fault or (group.empty and name != "GE" and name not in CONDITIONAL):
        return None, group.empty
    if name in CONDITIONAL:
        return _conditional(group, name)
    if name == "FT":
        return (None, group.flips) if isinstance(group.flips, str) else (float(flip_test(group.flips.cells)), None)
    return _counted(group, name)


def _counted(group: FacetGroup, name: str) -> tuple[float | None, str | None]:
    if name == "GE" and group.entropy is not None:
        return group.entropy, None
    value = float(FORMULAS[name](group.cells))
    if math.isnan(value):
        return None, ALL_FALSE_NEGATIVES if name == "GE" else NO_COMMON_LABEL
    # Where two infinities meet, Clarify writes an integer.
    if value == 0 and name in {"DCA", "DCR"} and _both_infinite(group.cells, 1 if name == "DCA" else 0):
        return 0, None
    return value, None


def _both_infinite(cells: Floats, outcome: int) -> bool:
    observed, predicted = cells.sum(axis=-1)[:, outcome], cells.sum(axis=-2)[:, outcome]
    return bool(((observed > 0) & (predicted == 0)).all())


def _conditional(group: FacetGroup, name: str) -> tuple[float | None, str | None]:
    if isinstance(group.by_group, str):
        return None, group.by_group
    over = outcome_axis(name)
    everything = group.cells.sum(axis=over)
    value = float(conditional_disparity(group.by_group.sum(axis=over), everything))
    if math.isnan(value):
        return None, NO_POSITIVES if not everything[:, 1].any() else NO_NEGATIVES
    return value, None


def outcome_axis(name: str) -> int:
    """Return the axis of cells that a conditional metric does not look at: predictions (CDDL) or labels (CDDPL)."""
    return -1 if name == "CDDL" else -2


def bias_document(report: BiasReport) -> dict[str, Any]:
    """Return the document's value, which may be joined with explanations, as Clarify does; infinities are text."""
    document: dict[str, Any] = {"version": "1.0"}
    for key, stage in (
        ("post_training_bias_metrics", report.post_training),
        ("pre_training_bias_metrics", report.pre_training),
    ):
        if stage is not None:
            document[key] = {
                "label": stage.label,
                "facets": {name: [_entry(entry) for entry in entries] for name, entries in stage.facets.items()},
                "label_value_or_threshold": stage.label_value_or_threshold,
            }
    return document


def encode_bias_report(report: BiasReport) -> bytes:
    """Return the document as Clarify writes it: Python's JSON, four spaces."""
    return json.dumps(bias_document(report), indent=4, ensure_ascii=False).encode()


def _entry(entry: FacetMetrics) -> dict[str, Any]:
    metrics: list[dict[str, Any]] = []
    for metric in entry.metrics:
        found = {"name": metric.name, "description": metric.description, "value": json_value(metric.value)}
        metrics.append(found if metric.error is None else found | {"error": metric.error})
    return {"value_or_threshold": entry.value_or_threshold, "metrics": metrics}


def json_value(value: float | None) -> float | str | None:
    """Return a value as documents hold it: infinities are text."""
    if value is None or math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"


class _Metric(msgspec.Struct):
    name: str
    value: float | int | str | None = None
    description: str = ""
    error: str | None = None


class _Entry(msgspec.Struct):
    value_or_threshold: str
    metrics: list[_Metric]


class _Stage(msgspec.Struct):
    facets: dict[str, list[_Entry]]
    label: str = ""
    label_value_or_threshold: str = ""


class _Document(msgspec.Struct):
    pre: _Stage | None = msgspec.field(default=None, name="pre_training_bias_metrics")
    post: _Stage | None = msgspec.field(default=None, name="post_training_bias_metrics")


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)


def decode_bias_report(body: bytes, source: str = "analysis.json") -> BiasReport:
    """Return the report in a document of ours or of Clarify's; what is not about bias is ignored.

    Raises
    ------
    DocumentError
        when it is no such document, or holds no bias metrics.
    """
    remedy = "Expected Clarify's {pre_training_bias_metrics, post_training_bias_metrics: {facets: {…}}}"
    try:
        document = _DOCUMENTS.decode(body)
        report = BiasReport(_stage(document.pre), _stage(document.post))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise DocumentError(source, str(error), remedy) from error
    if not report.stages:
        raise DocumentError(source, "it holds no bias metrics", remedy)
    return report


def _stage(stage: _Stage | None) -> BiasStage | None:
    if stage is None:
        return None
    facets = {
        name: tuple(FacetMetrics(entry.value_or_threshold, tuple(map(_metric, entry.metrics))) for entry in entries)
        for name, entries in stage.facets.items()
    }
    return BiasStage(stage.label, stage.label_value_or_threshold, facets)


def _metric(metric: _Metric) -> BiasMetric:
    value = metric.value
    if isinstance(value, str):
        if value not in {"Infinity", "-Infinity"}:
            message = f"the value of {metric.name} is neither a number, null nor Infinity"
            raise ValueError(message)
        value = np.inf if value == "Infinity" else -np.inf
    return BiasMetric(metric.name, metric.description or DESCRIPTIONS.get(metric.name, ""), value, metric.error)
