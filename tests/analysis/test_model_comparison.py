"""Champion against challenger: metrics against brute force, intervals against theory, answers to bad rows."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.metric_sums import score_sums
from watchkeeper.analysis.model_comparison import (
    DEFAULT_METRICS,
    METRICS,
    ComparisonResult,
    Decision,
    GateRules,
    compare_models,
)
from watchkeeper.analysis.scored_rows import (
    BINARY,
    MULTICLASS,
    NO_CHALLENGER,
    NO_CHAMPION,
    NO_LABEL,
    REGRESSION,
    ScoredRows,
    usable_rows,
)
from watchkeeper.registry.gate_spec import GateSpec

FEW = GateRules(minimum_rows=2)


def binary(count: int = 600, better: float = 0.3, seed: int = 1) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    noise = rng.normal(0, 0.15, (2, count))
    champion = np.clip(0.5 + 0.1 * (labels - 0.5) + noise[0], 0, 1)
    challenger = np.clip(0.5 + (0.1 + better) * (labels - 0.5) + noise[1], 0, 1)
    return labels.tolist(), champion.round(4).tolist(), challenger.round(4).tolist()


def rules(result: ComparisonResult) -> dict[str, bool | None]:
    return {rule.rule: rule.passed for rule in result.rules}


def area(labels: Any, scores: Any) -> float:
    """Return the chance that a positive row has the higher score: what the area under the ROC curve is."""
    ones = [score for score, label in zip(scores, labels, strict=True) if label]
    others = [score for score, label in zip(scores, labels, strict=True) if not label]
    wins = sum((one > other) + 0.5 * (one == other) for one in ones for other in others)
    return wins / (len(ones) * len(others))


def shares(labels: Any, answers: Any, kind: object) -> tuple[float, float, int]:
    """Return precision, recall and support of one class, by counting."""
    pairs = list(zip(labels, answers, strict=True))
    hits = sum(label == answer == kind for label, answer in pairs)
    answered, support = sum(answer == kind for _, answer in pairs), sum(label == kind for label, _ in pairs)
    return hits / answered if answered else 0.0, hits / support if support else math.nan, support


def f_score(precision: float, recall: float, beta: float) -> float:
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def test_a_challenger_that_is_surely_better_is_promoted() -> None:
    labels, champion, challenger = binary()
    result = compare_models(ScoredRows(labels, champion, challenger), BINARY)
    assert result.decision is Decision.PROMOTE
    assert result.metric == "auc"
    assert result.improvement.champion == pytest.approx(area(labels, champion))
    assert result.improvement.challenger == pytest.approx(area(labels, challenger))
    assert result.reason.startswith("Promote: auc 0.6")
    turned = compare_models(ScoredRows(labels, challenger, champion), BINARY)
    assert turned.decision is Decision.KEEP
    assert turned.improvement.value == pytest.approx(-result.improvement.value)
    assert rules(turned)["minimum_improvement"] is False


def test_the_same_rows_give_the_same_interval_and_equal_models_are_kept() -> None:
    labels, champion, challenger = binary(better=0.02)
    first, second = (compare_models(ScoredRows(labels, champion, challenger), BINARY) for _ in range(2))
    assert first == second
    assert first.decision is Decision.UNDECIDED
    assert "whether it is better is not sure" in first.reason
    same = compare_models(ScoredRows(labels, champion, champion), BINARY)
    assert (same.decision, same.improvement.lower, same.improvement.upper) == (Decision.KEEP, 0.0, 0.0)
    assert "equally well" in same.reason


def test_more_is_asked_for_or_less() -> None:
    labels, champion, challenger = binary()
    rows = ScoredRows(labels, champion, challenger)
    assert compare_models(rows, BINARY, GateRules(minimum_improvement=0.9)).decision is Decision.KEEP
    close = binary(better=0.02)
    assert compare_models(ScoredRows(*close), BINARY, GateRules(minimum_improvement=-0.1)).decision is Decision.PROMOTE


@quick
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
def test_binary_metrics_are_what_counting_gives(cells: list[tuple[bool, int, int]]) -> None:
    labels, champion, challenger = (list(column) for column in zip(*cells, strict=True))
    rows = ScoredRows([int(label) for label in labels], [n / 4 for n in champion], [n / 4 for n in challenger])
    result = compare_models(rows, BINARY, FEW)
    predicted = [n / 4 > 0.5 for n in champion]
    found = {name: pair[0] for name, pair in result.metrics.items()}
    assert set(found) == set(METRICS[BINARY])
    precision, recall, _ = shares(labels, predicted, True)
    hits = sum(label == answer for label, answer in zip(labels, predicted, strict=True))
    assert found["accuracy"] == pytest.approx(hits / len(labels))
    assert found["precision"] == pytest.approx(precision)
    if any(labels):
        assert found["recall"] == pytest.approx(recall)
        assert found["f1"] == pytest.approx(f_score(precision, recall, 1))
        assert found["f2"] == pytest.approx(f_score(precision, recall, 2))
    else:
        assert found["recall"] is found["f1"] is None
    if any(labels) and not all(labels):
        assert found["auc"] == pytest.approx(area(labels, champion))
    else:
        assert found["auc"] is None
        assert result.decision is Decision.UNDECIDED
        assert "all labels are of one class" in result.reason


@quick
@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=2, max_size=40))
def test_multiclass_metrics_are_what_counting_gives(cells: list[tuple[str, str, str]]) -> None:
    labels, champion, challenger = (list(column) for column in zip(*cells, strict=True))
    found = compare_models(ScoredRows(labels, champion, challenger), MULTICLASS, FEW).metrics
    parts = [shares(labels, challenger, kind) for kind in sorted(set(labels))]
    for name, values in (
        ("weighted_precision", [precision for precision, _, _ in parts]),
        ("weighted_recall", [recall for _, recall, _ in parts]),
        ("weighted_f1", [f_score(precision, recall, 1) for precision, recall, _ in parts]),
    ):
        expected = sum(value * support for value, (_, _, support) in zip(values, parts, strict=True)) / len(labels)
        assert found[name][1] == pytest.approx(expected), name
    assert found["accuracy"][0] == pytest.approx(np.mean([a == b for a, b in zip(labels, champion, strict=True)]))


@quick
@given(st.lists(st.tuples(*[st.floats(-100, 100)] * 3), min_size=2, max_size=40))
def test_regression_metrics_are_what_counting_gives(cells: list[tuple[float, float, float]]) -> None:
    labels, champion, challenger = (list(column) for column in zip(*cells, strict=True))
    found = compare_models(ScoredRows(labels, champion, challenger), REGRESSION, FEW).metrics
    assert found["mae"][0] == pytest.approx(np.abs(np.subtract(labels, champion)).mean())
    assert found["rmse"][1] == pytest.approx(np.sqrt((np.subtract(labels, challenger) ** 2).mean()))
    if len(set(labels)) > 1 and np.var(labels) > 1e-6:
        assert found["r2"][0] == pytest.approx(
            1 - (np.subtract(labels, champion) ** 2).mean() / np.var(labels), rel=1e-6
        )
    if len(set(labels)) == 1:
        assert found["r2"][0] is None


def test_the_interval_of_a_mean_error_is_the_normal_one() -> None:
    rng = np.random.default_rng(3)
    labels = rng.normal(0, 1, 4000)
    champion, challenger = labels + rng.normal(0, 1, 4000), labels + rng.normal(0, 0.95, 4000)
    gate = GateRules(metric="mae")
    found = compare_models(ScoredRows(labels, champion, challenger), REGRESSION, gate).improvement
    paired = np.abs(labels - champion) - np.abs(labels - challenger)
    spread = 1.96 * paired.std(ddof=1) / math.sqrt(len(paired))
    assert found.value == pytest.approx(paired.mean())
    assert found.lower == pytest.approx(paired.mean() - spread, abs=0.15 * spread)
    assert found.upper == pytest.approx(paired.mean() + spread, abs=0.15 * spread)


def test_the_interval_of_the_area_is_that_of_delong() -> None:
    labels, champion, challenger = (np.array(column) for column in binary(3000, better=0.05))
    parts = []
    for scores in (champion, challenger):
        wins = (scores[labels == 1][:, None] > scores[labels == 0]) + 0.5 * (
            scores[labels == 1][:, None] == scores[labels == 0]
        )
        parts.append((wins.mean(axis=1), wins.mean(axis=0)))
    positive, negative = parts[1][0] - parts[0][0], parts[1][1] - parts[0][1]
    spread = 1.96 * math.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative))
    found = compare_models(ScoredRows(labels, champion, challenger), BINARY).improvement
    assert (found.upper - found.lower) / 2 == pytest.approx(spread, rel=0.12)
    assert (found.upper + found.lower) / 2 == pytest.approx(found.value, abs=0.15 * spread)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    # Errors of a normal with deviation s have the mean absolute error s √(2/π).
    truth = (1.0 - 0.9) * math.sqrt(2 / math.pi)
    covered, tries = 0, 100
    for seed in range(tries):
        rng = np.random.default_rng(seed)
        labels = rng.normal(0, 1, 250)
        rows = ScoredRows(labels, labels + rng.normal(0, 1, 250), labels + rng.normal(0, 0.9, 250))
        found = compare_models(rows, REGRESSION, GateRules(metric="mae")).improvement
        covered += found.lower <= truth <= found.upper
    assert 0.88 <= covered / tries <= 0.99


def test_joining_scores_hardly_moves_the_area() -> None:
    labels, champion, _ = binary(5000)
    positive = np.array(labels) == 1
    exact = score_sums(positive, np.array(champion)).whole()
    rough = score_sums(positive, np.array(champion), 512).whole()
    assert rough["auc"] == pytest.approx(exact["auc"], abs=1e-4)
    assert rough["au_prc"] == pytest.approx(exact["au_prc"], abs=3e-3)


def test_a_segment_on_which_the_challenger_is_worse_keeps_the_champion() -> None:
    labels, champion, challenger = binary(1200, better=0.4)
    plan = ["basic"] * 1000 + ["gold"] * 190 + [None] * 10
    challenger[1000:1190] = [1 - answer for answer in challenger[1000:1190]]
    rows = ScoredRows(labels, champion, challenger, {"plan": plan})
    result = compare_models(rows, BINARY)
    assert result.decision is Decision.KEEP
    assert rules(result) == {"minimum_rows": True, "minimum_improvement": True, "segment plan": False}
    assert [(part.value, part.row_count, part.worse) for part in result.segments] == [
        ("basic", 1000, False),
        ("gold", 190, True),
    ]
    assert "worse on 1 of 2 values of plan" in result.reason
    assert "gold" not in result.reason
    tolerant = compare_models(rows, BINARY, GateRules(segment_tolerance=0.9))
    assert tolerant.decision is Decision.PROMOTE
    assert compare_models(rows, BINARY, GateRules(segment_minimum_rows=200)).decision is Decision.PROMOTE


def test_a_segment_of_one_class_is_not_judged_and_many_values_raise_no_false_alarm() -> None:
    labels, champion, challenger = binary(4000, better=0.3, seed=5)
    only = ["one" if label else "other" for label in labels]
    many = [str(number % 30) for number in range(4000)]
    result = compare_models(ScoredRows(labels, champion, challenger, {"only": only, "many": many}), BINARY)
    assert result.decision is Decision.PROMOTE
    assert [part.worse for part in result.segments if part.column == "only"] == [None, None]
    assert len([part for part in result.segments if part.column == "many"]) == 30
    assert "not worse on any of 30 values of many" in result.reason


@pytest.mark.parametrize(
    ("rows", "problem_type", "gate", "told"),
    [
        pytest.param(ScoredRows([], [], []), BINARY, FEW, "0 rows, and at least 2 are needed", id="nothing"),
        pytest.param(ScoredRows([1], [1], [1]), REGRESSION, FEW, "1 rows, and at least 2", id="one row"),
        pytest.param(ScoredRows([1, 0], [1, 0], [1]), BINARY, FEW, "2 labels, but 1 rows of challenger", id="mismatch"),
        pytest.param(
            ScoredRows([1, 0], [1, 0], [1, 0], {"plan": ["a"]}),
            BINARY,
            FEW,
            "2 labels, but 1 rows of plan",
            id="segment",
        ),
        pytest.param(
            ScoredRows([1, 1, 1], [1, 0, 1], [1, 1, 1]), BINARY, FEW, "all labels are of one class", id="class"
        ),
        pytest.param(
            ScoredRows([5, 5, 5], [5, 4, 6], [5, 5, 5]),
            REGRESSION,
            GateRules(metric="r2", minimum_rows=2),
            "all labels are equal",
            id="variance",
        ),
        pytest.param(
            ScoredRows([1, 0, 1], [1, 0, 1], [1, None, 0]),
            BINARY,
            FEW,
            "the challenger left 1 of 3 rows without a usable answer",
            id="missing",
        ),
        pytest.param(
            ScoredRows([1, 0, 1], [1, 0, 1], [1, 1.5, 0]),
            BINARY,
            FEW,
            "the challenger left 1 of 3",
            id="not a probability",
        ),
        pytest.param(
            ScoredRows(["1", "x", None], [1, "nan", 1], [1, 1, 1]),
            REGRESSION,
            FEW,
            "2 of 3 cannot be used",
            id="no numbers",
        ),
        pytest.param(
            ScoredRows(["a", "b"], ["a", "b"], ["a", "b"]),
            BINARY,
            GateRules(metric="auc", probabilities=False, minimum_rows=2, positive_label="a"),
            "auc needs probabilities",
            id="classes",
        ),
        pytest.param(
            ScoredRows(range(600), range(600), range(600)),
            MULTICLASS,
            FEW,
            "more than 500 different classes",
            id="numbers",
        ),
        pytest.param(ScoredRows([1e200, 0], [0, 0], [0, 1e200]), REGRESSION, FEW, "rmse is undefined", id="overflow"),
    ],
)
def test_rows_that_do_not_say_leave_it_undecided(
    rows: ScoredRows, problem_type: str, gate: GateRules, told: str
) -> None:
    result = compare_models(rows, problem_type, gate)
    assert result.decision is Decision.UNDECIDED
    assert told in result.reason
    assert json.loads(result.encoded())["decision"] == "undecided"


def test_unusable_rows_are_counted_by_their_first_reason() -> None:
    rows = ScoredRows([None, "1", "1", "0"] * 100, ["", None, "0.9", "0.1"] * 100, ["x", "x", "0.8", "0.2"] * 100)
    result = compare_models(rows, BINARY)
    assert result.dropped == {NO_LABEL: 100, NO_CHAMPION: 100}
    assert result.row_count == 200
    assert NO_CHALLENGER not in result.dropped


def test_classes_are_compared_by_what_they_name() -> None:
    labels, gate = ["1.0", "0", "true", "false"] * 60, GateRules(metric="accuracy", probabilities=False)
    result = compare_models(ScoredRows(labels, ["1", "1", "1", "1"] * 60, ["1", "0.0", "true", "0"] * 60), BINARY, gate)
    assert result.metrics["accuracy"] == (0.5, 1.0)
    yes = GateRules(metric="f1", probabilities=False, positive_label="yes")
    named = compare_models(ScoredRows(["yes", "no"] * 120, ["no"] * 240, ["yes", "no"] * 120), BINARY, yes)
    assert (named.improvement.champion, named.improvement.challenger, named.decision) == (0.0, 1.0, Decision.PROMOTE)


def test_the_evidence_is_json_with_all_that_was_decided_on() -> None:
    labels, champion, challenger = binary()
    rows = ScoredRows(labels, champion, challenger, {"plan": ["a", "b"] * 300})
    document = json.loads(compare_models(rows, BINARY).encoded())
    assert document["decision"] == "promote"
    assert set(document["improvement"]) == {"champion", "challenger", "value", "lower", "upper"}
    assert [rule["rule"] for rule in document["rules"]] == ["minimum_rows", "minimum_improvement", "segment plan"]
    assert document["segments"][0]["row_count"] == 300
    assert document["gate"]["confidence"] == 0.95
    assert set(document["metrics"]) == set(METRICS[BINARY])


def test_the_wrong_question_is_an_error() -> None:
    rows = ScoredRows([1, 0], [1, 0], [1, 0])
    with pytest.raises(ValueError, match="expected one of Regression"):
        compare_models(rows, "Ranking")
    with pytest.raises(ValueError, match="Regression has no metric 'auc'; use one of rmse"):
        compare_models(rows, REGRESSION, GateRules(metric="auc"))


def test_an_endpoints_file_may_name_every_metric_and_the_gates_defaults_agree() -> None:
    annotation = str(GateSpec.model_json_schema()["properties"]["metric"])
    for names in METRICS.values():
        assert all(f"'{name}'" in annotation for name in names)
    assert all(metric in METRICS[kind] for kind, metric in DEFAULT_METRICS.items())
    spec, gate = GateSpec(), GateRules()
    shared = ("minimum_improvement", "confidence", "minimum_rows", "segment_minimum_rows", "segment_tolerance")
    assert [getattr(spec, name) for name in shared] == [getattr(gate, name) for name in shared]


def test_a_label_of_neither_class_is_no_negative() -> None:
    labels = ["1", "0", "true", "False", "maybe", "2", None, "1.0"]
    scores = ["0.5"] * len(labels)
    found = usable_rows(ScoredRows(labels, scores, scores), BINARY, positive_label="1", probabilities=True)
    assert found.labels.tolist() == [1, 0, 1, 0, 1]
    assert found.dropped == {NO_LABEL: 3}
    named = ["churned", "stayed", "unknown"]
    rows = ScoredRows(named, ["stayed", "churned", "stayed"], ["stayed", "oops", "stayed"])
    strict = usable_rows(rows, BINARY, positive_label="churned", negative_label="stayed", probabilities=False)
    assert (strict.count, strict.dropped) == (1, {NO_LABEL: 1, NO_CHALLENGER: 1})
    loose = usable_rows(rows, BINARY, positive_label="churned", probabilities=False)
    assert loose.labels.tolist() == [1, 0, 0]
