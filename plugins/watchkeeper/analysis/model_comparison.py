"""Champion against challenger on the same labelled rows: the difference, how sure it is, and what the gate says."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.metric_sums import (
    LABEL_METRICS,
    SCORE_METRICS,
    binary_sums,
    multiclass_sums,
    regression_sums,
    score_sums,
)
from watchkeeper.analysis.metric_sums import (
    MULTICLASS as MULTICLASS_METRICS,
)
from watchkeeper.analysis.metric_sums import (
    REGRESSION as REGRESSION_METRICS,
)
from watchkeeper.analysis.paired_bootstrap import GROUPS, SCORE_BINS, Improvement, PairedModels, improvement_interval
from watchkeeper.analysis.scored_rows import (
    BINARY,
    CLASS_LIMIT,
    MULTICLASS,
    NO_CHALLENGER,
    REGRESSION,
    ScoredRows,
    UsableRows,
    segment_values,
    usable_rows,
)

METRICS: Mapping[str, tuple[str, ...]] = {
    REGRESSION: REGRESSION_METRICS,
    BINARY: (*SCORE_METRICS, *LABEL_METRICS),
    MULTICLASS: MULTICLASS_METRICS,
}
DEFAULT_METRICS: Mapping[str, str] = {REGRESSION: "rmse", BINARY: "auc", MULTICLASS: "weighted_f1"}
MAXIMUM_UNANSWERED = 0.05
"""A challenger that leaves a greater share of the labelled rows unanswered is not compared."""
_SEGMENT_GROUPS = 500


class Decision(StrEnum):
    """What the comparison says is to be done."""

    PROMOTE = "promote"
    KEEP = "keep"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class GateRules:
    """What the challenger must do; see the endpoint file's ``gate``.

    ``metric`` is by default the problem type's. ``probabilities`` says that a binary model's answers are the positive
    class's probability (positive above ``probability_threshold``); otherwise they are classes.
    """

    metric: str | None = None
    minimum_improvement: float = 0.0
    confidence: float = 0.95
    minimum_rows: int = 200
    segment_minimum_rows: int = 100
    segment_tolerance: float = 0.0
    positive_label: str = "1"
    negative_label: str | None = None
    probabilities: bool = True
    probability_threshold: float = 0.5


@dataclass(frozen=True)
class RuleOutcome:
    """One rule of the gate: kept, broken, or not to be said (``None``), and why."""

    rule: str
    passed: bool | None
    reason: str


@dataclass(frozen=True)
class SegmentComparison:
    """Both models on the rows of one value of a column; ``worse`` is ``None`` where the metric is undefined there."""

    column: str
    value: str | None
    row_count: int
    improvement: Improvement
    worse: bool | None


@dataclass(frozen=True)
class ComparisonResult:
    """What came of the comparison, with everything it rests on.

    ``metrics`` holds every metric of the problem type, (champion, challenger), ``None`` where undefined. ``reason`` is
    a sentence for people; it holds no captured value, the segments in the document do.
    """

    decision: Decision
    reason: str
    problem_type: str
    metric: str
    improvement: Improvement
    row_count: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    segments: tuple[SegmentComparison, ...] = ()
    rules: tuple[RuleOutcome, ...] = ()
    gate: GateRules = field(default_factory=GateRules)

    def document(self) -> dict[str, Any]:
        """Return the evidence as plain values."""
        return {"version": 1, **msgspec.to_builtins(self)}

    def encoded(self) -> bytes:
        """Return the evidence as JSON."""
        return msgspec.json.format(msgspec.json.encode(self.document()), indent=2)


def compare_models(rows: ScoredRows, problem_type: str, gate: GateRules | None = None) -> ComparisonResult:
    """Return which of two models is to serve, by the gate.

    ``keep`` when the challenger is surely not better by enough, or worse on a segment; ``undecided``, with the reason,
    when the rows do not say: too few, one class only, not the same rows, answers missing, or an interval that holds the
    improvement asked for.

    Raises
    ------
    ValueError
        for an unknown problem type, or a metric that it does not have.
    """
    gate = gate or GateRules()
    metric = _metric(problem_type, gate)
    if rows.mismatch is not None:
        return _undecided(problem_type, metric, gate, f"the models did not answer the same rows: {rows.mismatch}")
    usable = usable_rows(
        rows,
        problem_type,
        positive_label=gate.positive_label,
        probabilities=gate.probabilities,
        negative_label=gate.negative_label,
    )
    why = _not_comparable(usable, len(rows.labels), metric, gate)
    metrics = _all_metrics(usable, problem_type, gate)
    if why is not None:
        return _undecided(problem_type, metric, gate, why, usable, metrics)
    with np.errstate(over="ignore", invalid="ignore"):
        improvement = _improvement(usable, problem_type, metric, gate, gate.confidence, GROUPS)
        segments = tuple(_segments(rows, usable, problem_type, metric, gate))
    rules = (
        RuleOutcome("minimum_rows", passed=True, reason=f"{usable.count:,} rows"),
        _judge_improvement(improvement, metric, usable, problem_type, gate),
        *_judge_segments(segments, rows),
    )
    decision = _decide(rules)
    return ComparisonResult(
        decision,
        _sentence(decision, improvement, metric, usable.count, rules),
        problem_type,
        metric,
        improvement,
        usable.count,
        usable.dropped,
        metrics,
        segments,
        rules,
        gate,
    )


def _metric(problem_type: str, gate: GateRules) -> str:
    if problem_type not in METRICS:
        message = f"got the problem type {problem_type!r}; expected one of {', '.join(METRICS)}"
        raise ValueError(message)
    metric = gate.metric or (DEFAULT_METRICS[problem_type] if gate.probabilities or problem_type != BINARY else "f1")
    if metric not in METRICS[problem_type]:
        message = f"{problem_type} has no metric {metric!r}; use one of {', '.join(METRICS[problem_type])}"
        raise ValueError(message)
    return metric


def _not_comparable(usable: UsableRows, given: int, metric: str, gate: GateRules) -> str | None:
    """Return why nothing can be said, ``None`` if something can."""
    unanswered = usable.dropped.get(NO_CHALLENGER, 0)
    if unanswered > MAXIMUM_UNANSWERED * (usable.count + unanswered):
        return f"the challenger left {unanswered:,} of {usable.count + unanswered:,} rows without a usable answer"
    if usable.count < gate.minimum_rows:
        lost = f" ({given - usable.count:,} of {given:,} cannot be used)" if given > usable.count else ""
        return f"{usable.count:,} rows{lost}, and at least {gate.minimum_rows:,} are needed"
    if usable.class_count > CLASS_LIMIT:
        return f"more than {CLASS_LIMIT} different classes: these labels or answers are no classes"
    if metric in SCORE_METRICS and not gate.probabilities:
        return f"{metric} needs probabilities, and the models answer classes"
    return None


def _sums(usable: UsableRows, problem_type: str, metric: str, gate: GateRules) -> PairedModels:
    labels = usable.labels
    if problem_type == REGRESSION:
        return PairedModels(regression_sums(labels, usable.champion), regression_sums(labels, usable.challenger))
    if problem_type == MULTICLASS:
        kinds = labels.astype(np.int64)
        answers = (usable.champion.astype(np.int64), usable.challenger.astype(np.int64))
        return PairedModels(*(multiclass_sums(kinds, answer, usable.class_count) for answer in answers))
    positive = labels > 0.5
    if metric in SCORE_METRICS:
        scores = (usable.champion, usable.challenger)
        exact = [score_sums(positive, score) for score in scores]
        rough = [score_sums(positive, score, SCORE_BINS) for score in scores]
        return PairedModels(*exact, *rough)
    threshold = gate.probability_threshold if gate.probabilities else 0.5
    return PairedModels(*(binary_sums(positive, score > threshold) for score in (usable.champion, usable.challenger)))


def _improvement(
    usable: UsableRows, problem_type: str, metric: str, gate: GateRules, confidence: float, groups: int
) -> Improvement:
    models = _sums(usable, problem_type, metric, gate)
    return improvement_interval(models, metric, usable.count, confidence, seed=_seed(usable), groups=groups)


def _seed(usable: UsableRows) -> int:
    """Return a seed from the rows: the same rows give the same interval, anywhere and at any time."""
    digest = hashlib.sha256()
    for column in (usable.labels, usable.champion, usable.challenger):
        digest.update(column.tobytes())
    return int.from_bytes(digest.digest()[:8], "big")


def _all_metrics(
    usable: UsableRows, problem_type: str, gate: GateRules
) -> dict[str, tuple[float | None, float | None]]:
    if not usable.count or usable.class_count > CLASS_LIMIT:
        return {}
    measured: dict[str, tuple[float | None, float | None]] = {}
    kinds = METRICS[problem_type][:1] if problem_type != BINARY else ("auc", "f1") if gate.probabilities else ("f1",)
    with np.errstate(over="ignore", invalid="ignore"):
        for kind in kinds:
            models = _sums(usable, problem_type, kind, gate)
            champion, challenger = models.champion.whole(), models.challenger.whole()
            measured |= {name: (_finite(champion[name]), _finite(challenger[name])) for name in champion}
    return measured


def _segments(
    rows: ScoredRows, usable: UsableRows, problem_type: str, metric: str, gate: GateRules
) -> Iterator[SegmentComparison]:
    """Yield the comparison on every value with enough rows.

    The intervals are widened so that all of them together hold with the gate's confidence: among many values one or
    the other is worse by chance.
    """
    parts: list[tuple[str, str | None, NDArray[np.bool_]]] = []
    for name, column in rows.segments.items():
        values, place = segment_values(column, usable.kept)
        counts = np.bincount(place, minlength=len(values))
        parts += [
            (name, value, place == index)
            for index, value in enumerate(values)
            if counts[index] >= gate.segment_minimum_rows
        ]
    confidence = 1 - (1 - gate.confidence) / max(len(parts), 1)
    for name, value, chosen in parts:
        part = UsableRows(
            usable.labels[chosen],
            usable.champion[chosen],
            usable.challenger[chosen],
            chosen,
            {},
            usable.class_count,
        )
        found = _improvement(part, problem_type, metric, gate, confidence, _SEGMENT_GROUPS)
        worse = None
        if found.value is not None and found.upper is not None:
            worse = found.value < -gate.segment_tolerance and found.upper < 0
        yield SegmentComparison(name, value, part.count, found, worse)


def _judge_improvement(
    found: Improvement, metric: str, usable: UsableRows, problem_type: str, gate: GateRules
) -> RuleOutcome:
    rule, wanted = "minimum_improvement", gate.minimum_improvement
    if found.value is None or found.lower is None or found.upper is None:
        one = problem_type != REGRESSION and len(np.unique(usable.labels)) == 1
        why = "all labels are of one class" if one else "all labels are equal, or too large"
        return RuleOutcome(rule, passed=None, reason=f"{metric} is undefined: {why}")
    bounds = f"{100 * gate.confidence:.4g} % interval {found.lower:.4g} to {found.upper:.4g}"
    if found.lower > wanted:
        return RuleOutcome(rule, passed=True, reason=f"better by {found.value:.4g} ({bounds})")
    if found.upper <= wanted:
        if found.value == found.lower == found.upper == 0:
            return RuleOutcome(rule, passed=False, reason="both models do equally well on every sample of the rows")
        how = f"better by only {found.value:.4g}" if found.value > 0 else f"worse by {-found.value:.4g}"
        return RuleOutcome(rule, passed=False, reason=f"{how}, where {wanted:.4g} is asked for ({bounds})")
    by = f" by {wanted:.4g}" if wanted else ""
    return RuleOutcome(rule, passed=None, reason=f"whether it is better{by} is not sure ({bounds})")


def _judge_segments(segments: tuple[SegmentComparison, ...], rows: ScoredRows) -> Iterator[RuleOutcome]:
    for column in rows.segments:
        found = [segment for segment in segments if segment.column == column]
        worse = [segment for segment in found if segment.worse]
        unknown = sum(segment.worse is None for segment in found)
        told = f"; undefined on {unknown}" if unknown else ""
        if worse:
            least = min(segment.improvement.value or 0.0 for segment in worse)
            reason = f"worse on {len(worse)} of {len(found)} values of {column}, by up to {-least:.4g}{told}"
        elif found:
            reason = f"not worse on any of {len(found)} values of {column}{told}"
        else:
            reason = f"no value of {column} has enough rows"
        yield RuleOutcome(f"segment {column}", passed=not worse if found else None, reason=reason)


def _decide(rules: tuple[RuleOutcome, ...]) -> Decision:
    if any(rule.passed is False for rule in rules):
        return Decision.KEEP
    # A segment of which nothing can be said holds nothing up: there is too little of it.
    undecided = any(rule.passed is None for rule in rules if not rule.rule.startswith("segment"))
    return Decision.UNDECIDED if undecided else Decision.PROMOTE


_WORDS = {Decision.PROMOTE: "Promote", Decision.KEEP: "Keep the champion", Decision.UNDECIDED: "Undecided"}


def _sentence(
    decision: Decision,
    found: Improvement,
    metric: str,
    count: int,
    rules: tuple[RuleOutcome, ...],
) -> str:
    figures = (
        f"{metric} {found.champion:.4g} → {found.challenger:.4g} on {count:,} rows"
        if found.champion is not None and found.challenger is not None
        else f"{metric} on {count:,} rows"
    )
    told = [rule.reason for rule in rules[1:] if decision is Decision.PROMOTE or rule.passed is not True]
    return f"{_WORDS[decision]}: {figures}; {'; '.join(told)}."


def _undecided(
    problem_type: str,
    metric: str,
    gate: GateRules,
    why: str,
    usable: UsableRows | None = None,
    metrics: Mapping[str, tuple[float | None, float | None]] | None = None,
) -> ComparisonResult:
    measured = (metrics or {}).get(metric, (None, None))
    return ComparisonResult(
        Decision.UNDECIDED,
        f"{_WORDS[Decision.UNDECIDED]}: {why}.",
        problem_type,
        metric,
        Improvement(*measured, None),
        usable.count if usable else 0,
        usable.dropped if usable else {},
        metrics or {},
        rules=(RuleOutcome("comparable rows", passed=None, reason=why),),
        gate=gate,
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
