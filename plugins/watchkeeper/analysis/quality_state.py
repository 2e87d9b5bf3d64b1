"""Mergeable sufficient statistics of a model's quality: metrics and verdicts are derived from it, never stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from watchkeeper.analysis.confusion_counts import ConfusionCounts
from watchkeeper.analysis.dataset_state import DatasetState, merge_states
from watchkeeper.analysis.error_sums import ErrorSums
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.score_counts import ScoreCounts
from watchkeeper.errors import CaptureError

LABEL, PREDICTION, PROBABILITY = "label", "prediction", "probability"
"""The columns of a quality state's dataset state."""


@dataclass(frozen=True)
class QualityState:
    """What is remembered of labelled rows.

    ``row_count`` counts the rows that can be judged, ``rejected`` the others by reason. ``reading`` is the digest of
    the attributes the rows were read by. ``errors`` is of a regression, ``confusion`` of a classification, ``scores``
    of a binary one with probabilities; each is ``None`` where no row was seen. ``columns`` holds labels, predictions
    and probabilities as a dataset, for drift. ``classes`` are the positive and the negative one of a binary problem.
    """

    problem_type: ProblemType
    reading: str
    row_count: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    errors: ErrorSums | None = None
    confusion: ConfusionCounts | None = None
    scores: ScoreCounts | None = None
    columns: DatasetState | None = None
    classes: tuple[str, str] | None = None

    @property
    def rejected_count(self) -> int:
        """Rows that could not be judged."""
        return sum(self.rejected.values())

    @property
    def rejected_share(self) -> float:
        """Their share of all rows; 0 for no rows."""
        rows = self.row_count + self.rejected_count
        return self.rejected_count / rows if rows else 0.0


def merge_quality_states(states: Iterable[QualityState]) -> QualityState | None:
    """Return the state of all rows, folded in the order given; ``None`` for no states.

    Counts are exact under any split, sums to about 1e-12.

    Raises
    ------
    CaptureError
        when the parts were read by different attributes: their classes and predictions mean different things.
    """
    parts = list(states)
    return reduce(_merge_two, parts) if parts else None


def _merge_two(left: QualityState, right: QualityState) -> QualityState:
    if left.reading != right.reading or left.problem_type is not right.problem_type:
        raise CaptureError(
            "states cannot be merged",
            "their rows were read by different attributes of model_quality",
            "Rebuild the older one from its merged records, or judge these hours one by one",
        )
    rejected = dict(left.rejected)
    for reason, count in right.rejected.items():
        rejected[reason] = rejected.get(reason, 0) + count
    return QualityState(
        left.problem_type,
        left.reading,
        left.row_count + right.row_count,
        rejected,
        _merge_optional(left.errors, right.errors),
        _merge_optional(left.confusion, right.confusion),
        _merge_optional(left.scores, right.scores),
        merge_states([part for part in (left.columns, right.columns) if part is not None]),
        left.classes,
    )


def _merge_optional[S: (ErrorSums, ConfusionCounts, ScoreCounts)](left: S | None, right: S | None) -> S | None:
    if left is None or right is None:
        return right if left is None else left
    return left.merge(right)
