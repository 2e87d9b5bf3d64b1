"""Labelled rows, merged records and states for tests of model quality."""

import json
from collections.abc import Iterable, Sequence

import polars as pl

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.merged_profile import QualityProfile, profile_merged
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_constraints import suggest_quality_constraints
from watchkeeper.analysis.quality_dataset import quality_of_frame
from watchkeeper.analysis.quality_evaluation import QualityBaseline
from watchkeeper.analysis.quality_profiler import QualityProfiler
from watchkeeper.analysis.quality_state import QualityState
from watchkeeper.analysis.quality_statistics import quality_statistics_of

REGRESSION = QualityAttributes(ProblemType.REGRESSION, "prediction", None, "label")
BINARY = QualityAttributes(ProblemType.BINARY, "prediction", None, "label")
SCORED = QualityAttributes(ProblemType.BINARY, None, "probability", "label")
MULTICLASS = QualityAttributes(ProblemType.MULTICLASS, "prediction", None, "label")


def state_of(attributes: QualityAttributes, **columns: Sequence[object]) -> QualityState:
    """Return the state of columns given as values, by the roles' names; ``None`` is missing."""
    texts = {name: [None if value is None else str(value) for value in values] for name, values in columns.items()}
    return quality_of_frame(pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String)), attributes)


def raw_state(attributes: QualityAttributes, **columns: Sequence[str | None]) -> QualityState:
    """Return a state that may hold no row that can be judged."""
    series = {name: pl.Series(values, dtype=pl.String) for name, values in columns.items()}
    profiler = QualityProfiler(attributes)
    profiler.update(series["label"], series.get("prediction"), series.get("probability"))
    state = profiler.freeze()
    assert state is not None
    return state


def confused(tp: int = 0, fn: int = 0, fp: int = 0, tn: int = 0) -> QualityState:
    """Return a binary state of so many rows of each kind."""
    labels = [1] * (tp + fn) + [0] * (fp + tn)
    return state_of(BINARY, label=labels, prediction=[1] * tp + [0] * fn + [1] * fp + [0] * tn)


def quality_baseline(state: QualityState, *, most_predicted: bool = False) -> QualityBaseline:
    """Return the baseline that Model Monitor's rules make of labelled rows."""
    statistics = quality_statistics_of(state, most_predicted=most_predicted)
    return QualityBaseline(suggest_quality_constraints(statistics), statistics)


def merged_line(
    output: str | None,
    truth: str | None,
    *,
    encoding: str = "CSV",
    truth_encoding: str | None = None,
    batch: bool = False,
) -> bytes:
    """Return one merged record as the merge job writes it."""
    side = "batchTransformOutput" if batch else "endpointOutput"
    record: dict[str, object] = {
        "captureData": {} if output is None else {side: {"data": output, "encoding": encoding}}
    }
    record |= {"eventMetadata": {"eventId": "4f2f2a0c"}, "eventVersion": "0"}
    if truth is not None:
        record["groundTruthData"] = {"data": truth, "encoding": truth_encoding or encoding}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def profile_of(attributes: QualityAttributes, lines: Iterable[bytes], **options) -> QualityProfile:
    """Return the profile of one file of merged lines."""
    return profile_merged([CaptureFile("part-00000.jsonl", [b"".join(lines)])], attributes, **options)
