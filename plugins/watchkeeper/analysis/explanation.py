"""What a model's answers are made of: one number for each row, feature and label."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.errors import ModelAnswerError

Floats = NDArray[np.float64]
# From rows of features to (rows × labels); one label may come as (rows,).
Model = Callable[[pl.DataFrame], NDArray[np.floating]]


@dataclass(frozen=True)
class Explanation:
    """Local attributions.

    ``values`` are (rows × ``features`` × labels). A row's values and the label's ``expected_values`` (the model's
    answer to the background) add up to its answer: in the model's unit, or in log-odds where that was asked for.
    ``call_count`` is how often the model was called, ``row_count_asked`` with how many rows in all, and
    ``coalition_count`` how many rows it would have been if equal ones were asked again.
    """

    features: tuple[str, ...]
    values: Floats
    expected_values: Floats
    call_count: int = 0
    row_count_asked: int = 0
    coalition_count: int = 0

    @property
    def row_count(self) -> int:
        """Rows explained."""
        return len(self.values)

    @property
    def label_count(self) -> int:
        """Numbers that the model answers for each row."""
        return int(self.values.shape[2])


def checked_answers(answers: NDArray[np.floating], row_count: int, label_count: int | None = None) -> Floats:
    """Return a model's answers as (rows × labels).

    Raises
    ------
    ModelAnswerError
        when there is another number of answers than rows, another number of labels than ``label_count``, or an answer
        is no finite number.
    """
    found = np.asarray(answers)
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2 or found.dtype.kind not in "fiub":
        kind = f"an array of shape {found.shape} and type {found.dtype}"
        raise ModelAnswerError("the model's answer", kind, "A model must answer numbers, (rows × labels)")
    if len(found) != row_count or not found.shape[1]:
        counts = f"{len(found)} answers of {found.shape[1]} numbers to {row_count} rows"
        raise ModelAnswerError("the model's answer", counts, "A model must answer each row, in order")
    if label_count is not None and found.shape[1] != label_count:
        labels = f"{found.shape[1]} numbers for each row, {label_count} before"
        raise ModelAnswerError("the model's answer", labels, "A model must always answer the same labels")
    broken = int((~np.isfinite(found)).any(axis=1).sum())
    if broken:
        text = f"{broken} of {row_count} answers are not finite numbers"
        raise ModelAnswerError("the model's answer", text, "Look at how the model handles missing and unusual values")
    return found.astype(np.float64)
