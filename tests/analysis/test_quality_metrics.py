import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.quality_samples import BINARY, MULTICLASS, REGRESSION, SCORED, confused, raw_state, state_of
from tests.analysis.strategies import few
from watchkeeper.analysis.confusion_metrics import BINARY_METRICS
from watchkeeper.analysis.metric_resampling import confidence_intervals
from watchkeeper.analysis.quality_attributes import QualityAttributes
from watchkeeper.analysis.quality_metrics import measure
from watchkeeper.analysis.score_counts import ScoreCounts
from watchkeeper.analysis.score_curve import CURVE_POINTS, curves_of

# Data and values, written by scikit-learn (the file says which version).
ORACLE = json.loads((Path(__file__).parent / "scikit_learn_metrics.json").read_text())
ATTRIBUTES = {"binary": SCORED, "multiclass": MULTICLASS, "regression": REGRESSION}
ROLES = {"labels": "label", "predictions": "prediction", "probabilities": "probability"}


@pytest.mark.parametrize("problem", ATTRIBUTES)
def test_the_metrics_are_scikit_learns(problem: str) -> None:
    data = ORACLE[problem]
    columns = {role: data[name] for name, role in ROLES.items() if name in data}
    measured = measure(state_of(ATTRIBUTES[problem], **columns))
    for name, value in data["metrics"].items():
        assert measured[name].value == pytest.approx(value, rel=1e-12), name
        assert measured[name].standard_deviation is not None


@few
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    state = state_of(SCORED, label=[int(y) for y, _ in rows], probability=[s / 5 for _, s in rows])
    positives, negatives = [s for y, s in rows if y], [s for y, s in rows if not y]
    metric = measure(state)["auc"]
    if not positives or not negatives:
        assert metric.value is None
        assert metric.reason.startswith("no label of the ")
        return
    pairs = [(p > n) + (p == n) / 2 for p, n in product(positives, negatives)]
    assert metric.value == pytest.approx(sum(pairs) / len(pairs), rel=1e-12)


@few
@given(st.tuples(*[st.integers(0, 30)] * 4).filter(any))
def test_every_binary_metric_is_a_share_or_says_why_not(cells: tuple[int, int, int, int]) -> None:
    for name, metric in measure(confused(*cells)).items():
        if metric.value is None:
            assert metric.reason, name
        else:
            assert 0 <= metric.value <= 1, name


def test_one_class_only_is_said() -> None:
    positives = measure(confused(tp=5, fn=5))
    assert positives["recall"].value == 0.5
    assert positives["false_positive_rate"].value is None
    assert positives["false_positive_rate"].reason == "no label of the negative class"
    negatives = measure(confused(fp=2, tn=5))
    assert negatives["recall"].value is None
    assert negatives["f1"].reason == "no label of the positive class"
    assert negatives["precision"].value == 0.0
    assert negatives["accuracy"].value == 5 / 7


def test_nothing_predicted_positive_is_zero_by_convention_and_says_so() -> None:
    metrics = measure(confused(fn=3, tn=7))
    assert metrics["precision"].value == metrics["f1"].value == 0.0
    assert metrics["precision"].reason == metrics["f2"].reason == "0 by convention: nothing was predicted positive"


def test_equal_labels_have_no_r2() -> None:
    metrics = measure(state_of(REGRESSION, label=[0.1] * 5, prediction=[0.1, 0.2, 0.1, 0.3, 0.1]))
    assert metrics["r2"].value is None
    assert metrics["r2"].reason == "all labels are equal"
    assert metrics["mae"].value == pytest.approx(0.06)


def test_one_row() -> None:
    metrics = measure(state_of(REGRESSION, label=[2], prediction=[5]))
    assert (metrics["mae"].value, metrics["mse"].value, metrics["rmse"].value) == (3.0, 9.0, 3.0)
    assert metrics["r2"].value is None
    assert measure(confused(tp=1))["accuracy"].value == 1.0
    assert measure(state_of(MULTICLASS, label=["a"], prediction=["b"]))["weighted_f1"].value == 0.0


def test_no_row_at_all() -> None:
    metrics = measure(raw_state(SCORED, label=["1"], probability=["7"]))
    assert list(metrics) == list(BINARY_METRICS)
    assert {(metric.value, metric.reason) for metric in metrics.values()} == {(None, "no row can be judged")}


def test_a_number_whose_square_is_none_is_not_judged() -> None:
    state = state_of(REGRESSION, label=["1e300", 0, "1e140"], prediction=["-1e300", 0, "-1e140"])
    assert state.rejected_count == 1
    assert measure(state)["mse"].value == pytest.approx(2e280)


def test_r2_is_right_far_from_zero() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=500)
    labels = 1e9 + rng.normal(size=500)
    r2 = measure(state_of(REGRESSION, label=labels, prediction=labels + noise / 10))["r2"].value
    spread = float(((labels - labels.mean()) ** 2).sum())
    assert r2 == pytest.approx(1 - float((((labels + noise / 10) - labels) ** 2).sum()) / spread, rel=1e-6)


def test_probabilities_are_asked_for_before_there_is_an_auc() -> None:
    assert "auc" not in measure(confused(3, 2, 1, 4))


def test_the_best_constant_classifier_answers_what_is_most_frequent() -> None:
    state = confused(tp=10, fn=50, fp=0, tn=41)  # most are positive, most are predicted negative
    meant, compatible = measure(state), measure(state, most_predicted=True)
    name = "{}_best_constant_classifier".format
    assert meant[name("accuracy")].value == 60 / 101
    assert meant[name("recall")].value == 1.0
    assert compatible[name("accuracy")].value == 41 / 101
    assert compatible[name("precision")].value == compatible[name("f1")].value == 0.0


def test_classes_are_compared_as_numbers_where_both_are() -> None:
    state = state_of(MULTICLASS, label=["1", "2.0", " 3", "x", "1e1"], prediction=["1.0", "2", "3", "X", "10"])
    assert measure(state)["accuracy"].value == 4 / 5
    assert state.confusion is not None
    assert state.confusion.labels == ("1", "2", "3", "10", "X", "x")


def test_no_deviation_under_200_rows() -> None:
    few_rows, enough = measure(confused(50, 49, 50, 50)), measure(confused(50, 50, 50, 50))
    assert {metric.standard_deviation for metric in few_rows.values()} == {None}
    assert all(metric.standard_deviation is not None for metric in enough.values())


def test_the_deviation_is_that_of_subsamples_of_four_fifths() -> None:
    """sqrt(p(1-p)/n * (1-f)/f) with f = 0.8, known to a factor of about two from five samples."""
    n = 4000
    expected = math.sqrt(0.25 / n * 0.25)
    deviations = [
        measure(confused(n // 2 + shift, n // 2 - shift, 0, 1))["recall"].standard_deviation for shift in range(20)
    ]
    assert np.mean(deviations) == pytest.approx(expected, rel=0.25)
    labels = np.random.default_rng(2).normal(size=n)
    rough = state_of(REGRESSION, label=labels, prediction=[0] * n)
    deviation = measure(rough)["mse"].standard_deviation
    assert deviation is not None
    assert math.sqrt(2 / n * 0.25) / 4 < deviation < math.sqrt(2 / n * 0.25) * 3


def test_equal_states_give_equal_numbers() -> None:
    one, two = confused(50, 60, 70, 80), confused(50, 60, 70, 80)
    assert measure(one) == measure(two)
    assert confidence_intervals(one) == confidence_intervals(two)


@pytest.mark.parametrize(("rows", "share"), [(40, 0.5), (1000, 0.1)])
def test_intervals_of_shares_are_the_binomials(rows: int, share: float) -> None:
    hits = round(rows * share)
    interval = confidence_intervals(confused(tp=hits, tn=rows - hits, fn=0))["accuracy"]
    assert interval.upper == 1.0
    interval = confidence_intervals(confused(tp=hits, fn=rows - hits))["recall"]
    half = 2.97 * math.sqrt(share * (1 - share) / rows)
    assert interval.lower == pytest.approx(share - half, abs=half / 4)
    assert interval.upper == pytest.approx(share + half, abs=half / 4)


def test_an_empty_cell_leaves_room_for_chance() -> None:
    interval = confidence_intervals(confused(fn=30, tn=30))["recall"]
    assert interval.lower == 0.0
    assert 0.02 < interval.upper < 0.3


def test_the_interval_of_auc_is_hanley_and_mcneils() -> None:
    rng = np.random.default_rng(11)
    n = 2000
    labels = rng.integers(0, 2, n)
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + labels)))
    state = state_of(SCORED, label=labels, probability=scores)
    auc = measure(state)["auc"].value
    assert auc is not None
    positives = int(labels.sum())
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (n - positives - 1) * (q2 - auc**2)) / (
        positives * (n - positives)
    )
    interval = confidence_intervals(state)["auc"]
    assert interval.upper - interval.lower == pytest.approx(2 * 2.97 * math.sqrt(variance), rel=0.2)
    assert interval.lower < auc < interval.upper


def test_the_interval_of_an_error_is_the_means() -> None:
    rng = np.random.default_rng(4)
    errors = rng.normal(size=5000)
    interval = confidence_intervals(state_of(REGRESSION, label=[0] * 5000, prediction=errors))["mae"]
    half = 2.97 * np.abs(errors).std() / math.sqrt(5000)
    assert (interval.upper - interval.lower) / 2 == pytest.approx(half, rel=0.2)


def test_curves_begin_and_end_where_sparks_do() -> None:
    curves = curves_of(ScoreCounts.of(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, False, True, False])))
    assert curves is not None
    assert curves.false_positive_rates == (0.0, 0.0, 0.5, 1.0, 1.0)
    assert curves.true_positive_rates == (0.0, 0.5, 1.0, 1.0, 1.0)
    assert curves.recalls == (0.0, 0.5, 1.0, 1.0)
    assert curves.precisions == (1.0, 1.0, 2 / 3, 0.5)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    scores = np.linspace(0, 1, 5000)
    curves = curves_of(ScoreCounts.of(scores, scores > 0.3))
    assert curves is not None
    assert len(curves.recalls) <= CURVE_POINTS
    assert (curves.true_positive_rates[0], curves.true_positive_rates[-1]) == (0.0, 1.0)
    assert curves_of(ScoreCounts.of(scores, scores > 2)) is None


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"problem_type": BINARY.problem_type}, "an inference_attribute, a probability_attribute, or both"),
        ({"problem_type": REGRESSION.problem_type, "probability_attribute": "0"}, "needs an inference_attribute"),
        (
            {"problem_type": BINARY.problem_type, "inference_attribute": "0", "positive_label": "fraud"},
            "negative_label",
        ),
        (
            {
                "problem_type": BINARY.problem_type,
                "inference_attribute": "0",
                "positive_label": "1",
                "negative_label": "1.0",
            },
            "the same class",
        ),
        ({"problem_type": MULTICLASS.problem_type, "inference_attribute": "a[b"}, "a path such as"),
        ({"problem_type": MULTICLASS.problem_type, "inference_attribute": ""}, "a column's index"),
    ],
)
def test_attributes_that_cannot_be_read_say_what_to_do(attributes: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        QualityAttributes(**attributes)
