"""What a bias monitor looks at: facets, the positive label, where the answers stand, which metrics are asked for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from watchkeeper.analysis.attribute_path import AttributePath

Value = str | int | float | bool
"""A facet's or a label's value as ``analysis_config.json`` spells it."""

PRE_TRAINING_METRICS = ("CDDL", "CI", "DPL", "JS", "KL", "KS", "LP", "TVD")
"""Of observed labels, in the order of Clarify's documents."""

POST_TRAINING_METRICS = ("AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "GE", "RD", "SD", "TE")
"""Of predictions, in the order of Clarify's documents."""

INTERSECTION = " & "
"""Stands between the names, and the values, of facets that are looked at together."""


@dataclass(frozen=True)
class Facet:
    """A feature by whose values rows are told apart.

    One numeric value is a threshold where the feature is continuous (its rows are those above); several values are one
    group. Without values each value of the feature is compared with all others.
    """

    name: str
    values_or_threshold: tuple[Value, ...] = ()


@dataclass(frozen=True)
class BiasAttributes:
    """How rows are read and told apart.

    ``label_values_or_threshold`` are the positive labels, or the threshold above which a continuous label is positive.
    ``intersections`` name facets that are looked at together too. Attributes are a column's index as text, a name, or a
    simple JSONPath; facets and ``group_variable`` are a feature's name, or its index as text. Without an
    ``inference_attribute`` a prediction is positive when the probability is strictly greater than
    ``probability_threshold``; without a ``probability_attribute`` either, there are no post-training metrics.
    ``input_columns`` are the features in order, ``output_columns`` the names of CSV output fields.
    ``features_attribute`` is where the features stand in a JSON payload. ``excluded_columns`` (names, or indices as
    text) are no features of the model: the Flip Test leaves them out. ``label_name`` is what documents call the
    label. ``pre_training_metrics`` and ``post_training_metrics`` are those asked for, ``None`` for all.

    Raises
    ------
    ValueError
        saying which attribute is missing or unreadable, and what to do.
    """

    label_values_or_threshold: tuple[Value, ...]
    facets: tuple[Facet, ...]
    intersections: tuple[tuple[str, ...], ...] = ()
    group_variable: str | None = None
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    probability_threshold: float = 0.5
    ground_truth_attribute: str | None = None
    input_columns: tuple[str, ...] | None = None
    output_columns: tuple[str, ...] | None = None
    features_attribute: str | None = None
    excluded_columns: tuple[str, ...] = ()
    label_name: str = "label"
    pre_training_metrics: tuple[str, ...] | None = None
    post_training_metrics: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for path in (self.inference, self.probability, self.ground_truth, self.features):
            assert path is None or path.steps  # noqa: S101 - made here, so that a faulty path is told at once
        _require(self.label_values_or_threshold, "no label_values_or_threshold: name the positive labels")
        _require(self.facets, "no facet: name at least one feature to compare by")
        names = [facet.name for facet in self.facets]
        twice = sorted({name for name in names if names.count(name) > 1})
        _require(not twice, f"facets named twice: {', '.join(twice)}; give each once, its values together")
        for parts in self.intersections:
            unknown = sorted(set(parts) - set(names))
            _require(not unknown, f"an intersection of {', '.join(unknown)}, which are no facets; add them as facets")
            _require(len(set(parts)) == len(parts) > 1, "an intersection needs two facets or more, each once")
        _known(self.pre_training_metrics, PRE_TRAINING_METRICS, "pre_training_metrics")
        _known(self.post_training_metrics, POST_TRAINING_METRICS, "post_training_metrics")

    @property
    def inference(self) -> AttributePath | None:
        """Where the prediction stands."""
        return _path(self.inference_attribute)

    @property
    def probability(self) -> AttributePath | None:
        """Where the probability of the positive class stands."""
        return _path(self.probability_attribute)

    @property
    def ground_truth(self) -> AttributePath | None:
        """Where the label stands."""
        return _path(self.ground_truth_attribute)

    @property
    def features(self) -> AttributePath | None:
        """Where the features stand in a JSON payload."""
        return _path(self.features_attribute)

    @property
    def has_predictions(self) -> bool:
        """Whether rows come with a prediction."""
        return self.inference_attribute is not None or self.probability_attribute is not None

    @cached_property
    def pre_training(self) -> tuple[str, ...]:
        """The metrics of observed labels that are asked for, in the documents' order."""
        return _chosen(self.pre_training_metrics, PRE_TRAINING_METRICS)

    @cached_property
    def post_training(self) -> tuple[str, ...]:
        """The metrics of predictions that are asked for, in the documents' order; none without predictions."""
        return _chosen(self.post_training_metrics, POST_TRAINING_METRICS) if self.has_predictions else ()

    def digest(self) -> str:
        """Return a short text that differs when rows would be counted differently: only equal ones may be merged."""
        shown = ("label_name", "pre_training_metrics", "post_training_metrics")
        parts = [(part.name, getattr(self, part.name)) for part in fields(self) if part.name not in shown]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def feature_named(name: str, columns: Sequence[str]) -> str | None:
    """Return which of a table's columns a facet's or a group variable's name or index means, ``None`` for none."""
    if name in columns:
        return name
    if name.isascii() and name.isdigit() and int(name) < len(columns):
        return columns[int(name)]
    return None


def _path(text: str | None) -> AttributePath | None:
    return None if text is None else AttributePath(text)


def _require(holds: object, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _known(asked: tuple[str, ...] | None, known: tuple[str, ...], field: str) -> None:
    unknown = sorted(set(asked or ()) - set(known))
    _require(not unknown, f"{field} has {', '.join(unknown)}; known are {', '.join(known)}")


def _chosen(asked: tuple[str, ...] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    return known if asked is None else tuple(name for name in known if name in asked)
