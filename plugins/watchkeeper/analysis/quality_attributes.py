"""What a model answers, where its answer and the truth stand, and how they are read."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from watchkeeper.analysis.attribute_path import AttributePath
from watchkeeper.analysis.class_label import class_label, opposite_label


class ProblemType(StrEnum):
    """Model Monitor's ``problem_type``."""

    REGRESSION = "Regression"
    BINARY = "BinaryClassification"
    MULTICLASS = "MulticlassClassification"

    @property
    def kind(self) -> str:
        """The first part of the keys in documents: ``binary_classification`` of ``binary_classification_metrics``."""
        return _KINDS[self]


_KINDS = {
    ProblemType.REGRESSION: "regression",
    ProblemType.BINARY: "binary_classification",
    ProblemType.MULTICLASS: "multiclass_classification",
}


@dataclass(frozen=True)
class QualityAttributes:
    """How a model's answers are read.

    Each attribute is a column's index as text, a name, or a simple JSONPath (see `AttributePath`). Without an
    ``inference_attribute`` a binary prediction is positive when the probability is strictly greater than
    ``probability_threshold``. Without a ``ground_truth_attribute`` the label is the only value there is.
    ``output_columns`` are the names of CSV output fields. ``negative_label`` may be left out where the positive one
    belongs to a well-known pair (1 and 0, true and false).

    Raises
    ------
    ValueError
        saying which attribute is missing or unreadable, and what to do.
    """

    problem_type: ProblemType
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    ground_truth_attribute: str | None = None
    probability_threshold: float = 0.5
    positive_label: str = "1"
    negative_label: str | None = None
    output_columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for path in (self.inference, self.probability, self.ground_truth):
            assert path is None or path.steps  # noqa: S101 - made here, so that a faulty path is told at once
        if self.problem_type is not ProblemType.BINARY:
            if self.inference_attribute is None:
                message = f"{self.problem_type} needs an inference_attribute: where the prediction stands"
                raise ValueError(message)
            return
        if self.inference_attribute is None and self.probability_attribute is None:
            message = "BinaryClassification needs an inference_attribute, a probability_attribute, or both"
            raise ValueError(message)
        if self.classes[0] == self.classes[1]:
            message = f"positive_label and negative_label are the same class {self.classes[0]!r}; name two"
            raise ValueError(message)

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

    @cached_property
    def classes(self) -> tuple[str, str]:
        """The positive and the negative class of a binary problem, as `class_label` writes them."""
        other = self.negative_label if self.negative_label is not None else opposite_label(self.positive_label)
        if other is None:
            message = f"positive_label {self.positive_label!r} has no well-known opposite; name the negative_label too"
            raise ValueError(message)
        positive = class_label(self.positive_label)
        return positive, class_label(other)

    def digest(self) -> str:
        """Return a short text that differs when rows would be read differently: only equal ones may be merged."""
        parts = (
            self.problem_type.value,
            self.inference_attribute,
            self.probability_attribute,
            self.ground_truth_attribute,
            self.probability_threshold,
            *(self.classes if self.problem_type is ProblemType.BINARY else ()),
            self.output_columns,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _path(text: str | None) -> AttributePath | None:
    return None if text is None else AttributePath(text)
