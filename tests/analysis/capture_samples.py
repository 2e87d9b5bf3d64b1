"""Windows and baselines for tests, built through the front door."""

from collections.abc import Iterable, Sequence

import polars as pl

from tests.golden.capture_lines import capture_file, capture_line
from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_profile import profile_frame
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.dataset_statistics import statistics_of

__all__ = ["baseline_of", "capture_file", "capture_line", "profile_lines", "state_of_columns"]


def profile_lines(lines: Iterable[bytes], schema: CaptureSchema | None = None, **options) -> CaptureProfile:
    """Return the profile of one captured file of these lines."""
    return profile_capture([capture_file(lines)], schema, **options)


def state_of_columns(**columns: Sequence[object]) -> DatasetState:
    """Return the state of columns given as values; ``None`` is missing."""
    texts = {name: [None if value is None else str(value) for value in values] for name, values in columns.items()}
    return profile_frame(pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String)))


def baseline_of(state: DatasetState) -> Baseline:
    """Return the baseline that Model Monitor's rules make of a dataset."""
    statistics = statistics_of(state)
    return Baseline(suggest_constraints(statistics), statistics)
