"""Model Monitor's ``constraints.json`` of a model's quality: a threshold per metric, read, written and overridden."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from watchkeeper.analysis.finding import Check
from watchkeeper.analysis.jackson_json import encode
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_metrics import METRICS, direction_of, is_constrained
from watchkeeper.analysis.quality_statistics import QualityStatistics
from watchkeeper.errors import DocumentError

OPERATORS = (Check.LESS_THAN_THRESHOLD, Check.GREATER_THAN_THRESHOLD)


@dataclass(frozen=True)
class MetricConstraint:
    """What is demanded of one metric: it is violated strictly beyond ``threshold``, on the operator's side.

    ``stated`` says that a person wrote the threshold down in an endpoint's file: it is taken at its word, where the
    baseline's own value leaves room for chance. ``evaluate`` is false where the file switches the metric off.
    """

    threshold: float
    operator: Check
    stated: bool = False
    evaluate: bool = True

    def is_violated_by(self, value: float) -> bool:
        """Say whether a value lies strictly beyond the threshold."""
        return value < self.threshold if self.operator is Check.LESS_THAN_THRESHOLD else value > self.threshold


@dataclass(frozen=True)
class QualityConstraints:
    """The whole document, metrics by their name in snake_case."""

    problem_type: ProblemType
    metrics: Mapping[str, MetricConstraint]


def suggest_quality_constraints(statistics: QualityStatistics) -> QualityConstraints:
    """Return the constraints that Model Monitor would suggest: the baseline's own values, without a margin.

    Undefined metrics, ``au_prc`` and those of the best constant classifier get none.
    """
    suggested = {
        name: MetricConstraint(metric.value, direction_of(name))
        for name, metric in statistics.metrics.items()
        if metric.value is not None and is_constrained(name)
    }
    return QualityConstraints(statistics.problem_type, suggested)


def with_metric_thresholds(
    constraints: QualityConstraints, thresholds: Mapping[str, float | None]
) -> QualityConstraints:
    """Return ``constraints`` under a registry file's thresholds, which win; ``None`` switches a metric off.

    A metric that the document does not constrain is judged from now on; one that the problem type does not have is
    ignored.
    """
    updated = dict(constraints.metrics)
    for name, threshold in thresholds.items():
        if name not in METRICS[constraints.problem_type]:
            continue
        known = updated.get(name)
        if threshold is not None:
            operator = known.operator if known else direction_of(name)
            updated[name] = MetricConstraint(threshold, operator, stated=True)
        elif known is not None:
            updated[name] = replace(known, evaluate=False)
    return replace(constraints, metrics=updated)


def encode_quality_constraints(constraints: QualityConstraints) -> bytes:
    """Return the document as the container writes it."""
    return encode(
        {
            "version": 0.0,
            f"{constraints.problem_type.kind}_constraints": {
                name: {"threshold": float(constraint.threshold), "comparison_operator": constraint.operator.value}
                for name, constraint in constraints.metrics.items()
            },
        }
    )


class _Constraint(msgspec.Struct):
    threshold: float | str
    comparison_operator: str


class _Document(msgspec.Struct):
    regression_constraints: dict[str, _Constraint] | None = None
    binary_classification_constraints: dict[str, _Constraint] | None = None
    multiclass_classification_constraints: dict[str, _Constraint] | None = None


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)
_REMEDY = (
    "Expected Model Monitor's constraints.json: "
    "{version, binary_classification_constraints: {<metric>: {threshold, comparison_operator}}} or the like"
)


def decode_quality_constraints(data: bytes, source: str = "constraints.json") -> QualityConstraints:
    """Return the constraints in a document of ours or of Model Monitor's; edited thresholds and operators stay.

    Raises
    ------
    DocumentError
        when it is not such a document, names an unknown metric or operator, or a threshold is no number.
    """
    try:
        document = _DOCUMENTS.decode(data)
        problem_type, found = _constraints_of(document)
        metrics = {name: _read(name, constraint, problem_type) for name, constraint in found.items()}
    except (msgspec.MsgspecError, ValueError) as error:
        raise DocumentError(source, str(error), _REMEDY) from error
    return QualityConstraints(problem_type, metrics)


def _constraints_of(document: _Document) -> tuple[ProblemType, dict[str, Any]]:
    for problem_type in ProblemType:
        found: dict[str, Any] | None = getattr(document, f"{problem_type.kind}_constraints")
        if found is not None:
            return problem_type, found
    message = "no constraints of a regression, a binary or a multiclass classification"
    raise ValueError(message)


def _read(name: str, constraint: _Constraint, problem_type: ProblemType) -> MetricConstraint:
    if name not in METRICS[problem_type]:
        message = f"{problem_type} has no metric {name!r}; it has {', '.join(METRICS[problem_type])}"
        raise ValueError(message)
    threshold = float(constraint.threshold)
    if threshold != threshold:  # noqa: PLR0124 - not a number
        message = f"{name}: the threshold is not a number"
        raise ValueError(message)
    if constraint.comparison_operator not in OPERATORS:
        message = f"{name}: got operator {constraint.comparison_operator!r}; use one of {', '.join(OPERATORS)}"
        raise ValueError(message)
    return MetricConstraint(threshold, Check(constraint.comparison_operator))
