"""KernelSHAP: Shapley's values where they can be enumerated, shap's own numbers everywhere, few calls of the model."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from watchkeeper.analysis.explanation import Floats
from watchkeeper.analysis.kernel_shap import explain
from watchkeeper.analysis.shap_background import Background
from watchkeeper.analysis.shap_settings import ShapSettings
from watchkeeper.errors import ModelAnswerError

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def frame(values: NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=[f"f{position}" for position in range(values.shape[1])])


def evenly(values: NDArray[np.float64]) -> Background:
    return Background(frame(values), np.full(len(values), 1.0 / len(values)))


class Counted:
    """A model over numbers that remembers how it was asked."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.asked: list[int] = []

    def __call__(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        self.asked.append(len(rows))
        return self.function(rows.to_numpy().astype(np.float64))


def shapley(function: Function, row: Floats, background: Background) -> Floats:
    """Shapley's values by their definition: every order in which features may become known, by their subsets."""
    known = background.rows.to_numpy().astype(np.float64)
    features = range(len(row))

    def worth(subset: tuple[int, ...]) -> Floats:
        mixed = known.copy()
        mixed[:, list(subset)] = row[list(subset)]
        return np.asarray(background.weights @ function(mixed))

    found = np.zeros((len(row), function(known).shape[1]))
    for feature in features:
        others = [other for other in features if other != feature]
        for size in range(len(row)):
            weight = math.factorial(size) * math.factorial(len(row) - size - 1) / math.factorial(len(row))
            for subset in itertools.combinations(others, size):
                found[feature] += weight * (worth((*subset, feature)) - worth(subset))
    return found


cells = st.integers(-3, 3).map(float)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Function, Floats, Background]:
    """A model with linear and pairwise terms and two labels, some rows, and a weighted background."""
    width = draw(st.integers(1, 5))
    table = st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=3)
    linear = np.array(draw(st.lists(cells, min_size=width, max_size=width)))
    pairs = np.array(draw(st.lists(cells, min_size=width * width, max_size=width * width))).reshape(width, width)
    rows, known = np.array(draw(table)), np.array(draw(table))
    weights = np.array(draw(st.lists(st.integers(1, 4), min_size=len(known), max_size=len(known))), np.float64)

    def function(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([values @ linear, np.einsum("ni,ij,nj->n", values, pairs, values)], axis=1)

    return function, rows, Background(frame(known), weights / weights.sum())


@settings(max_examples=60, deadline=None)
@given(problems())
def test_few_features_get_exactly_the_values_of_shapleys_definition(
    problem: tuple[Function, Floats, Background],
) -> None:
    function, rows, background = problem
    found = explain(Counted(function), frame(rows), background)
    for place, row in enumerate(rows):
        assert found.values[place] == pytest.approx(shapley(function, row, background), abs=1e-8)
    answers = function(rows)
    assert found.values.sum(axis=1) + found.expected_values == pytest.approx(answers, abs=1e-8)


def wavy(values: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.linspace(-1.0, 1.0, values.shape[1] * 2).reshape(values.shape[1], 2)
    return np.tanh((values[:, :, None] * weights).sum(axis=1)) + (values[:, 0] * values[:, 1])[:, None]


@pytest.mark.parametrize(
    ("width", "known", "samples"), [(6, 1, None), (14, 1, 100), (18, 3, None), (20, 2, 300)], ids=str
)
def test_the_numbers_are_shaps_own_with_the_same_seed(width: int, known: int, samples: int | None) -> None:
    rng = np.random.default_rng(0)
    rows, background = rng.normal(size=(6, width)).round(1), rng.normal(size=(known, width)).round(1)
    rows[0] = background[0]  # nothing differs
    rows[1] = background[0]
    rows[1, 2] += 1.0  # one feature differs
    np.random.seed(7)
    theirs = shap.KernelExplainer(wavy, background)
    values = theirs.shap_values(rows, nsamples=samples or "auto", l1_reg=False, silent=True)
    ours = explain(Counted(wavy), frame(rows), evenly(background), ShapSettings(num_samples=samples, seed=7))
    assert ours.values == pytest.approx(values, abs=1e-12)
    assert ours.expected_values == pytest.approx(theirs.expected_value, abs=1e-12)


def test_log_odds_are_shaps_own() -> None:
    rng = np.random.default_rng(1)
    rows, known = rng.normal(size=(4, 5)).round(1), rng.normal(size=(2, 5)).round(1)

    def probability(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1.0 / (1.0 + np.exp(-values.sum(axis=1, keepdims=True)))

    theirs = shap.KernelExplainer(probability, known, link="logit")
    values = theirs.shap_values(rows, l1_reg=False, silent=True)
    ours = explain(Counted(probability), frame(rows), evenly(known), ShapSettings(use_logit=True))
    assert ours.values == pytest.approx(values, abs=1e-12)
    assert ours.values.sum(axis=1)[:, 0] + ours.expected_values[0] == pytest.approx(rows.sum(axis=1), abs=1e-9)


def test_log_odds_of_numbers_that_are_no_probabilities_are_refused() -> None:
    rows = frame(np.full((2, 3), 5.0))
    with pytest.raises(ModelAnswerError, match=r"outside 0\.\.1.*use_logit"):
        explain(
            Counted(lambda values: values.sum(axis=1)), rows, evenly(np.zeros((1, 3))), ShapSettings(use_logit=True)
        )


def test_a_run_with_a_seed_is_reproducible_and_leaves_other_peoples_draws_alone() -> None:
    rng = np.random.default_rng(2)
    rows, known = frame(rng.normal(size=(3, 16))), evenly(np.zeros((1, 16)))
    np.random.seed(5)
    expected = np.random.random(3).tolist()
    np.random.seed(5)
    first = explain(Counted(wavy), rows, known, ShapSettings(num_samples=60, seed=1))
    assert np.random.random(3).tolist() == expected
    again = explain(Counted(wavy), rows, known, ShapSettings(num_samples=60, seed=1))
    other = explain(Counted(wavy), rows, known, ShapSettings(num_samples=60, seed=2))
    assert first.values.tolist() == again.values.tolist()
    assert first.values.tolist() != other.values.tolist()


def test_the_model_is_called_once_for_many_rows_and_never_for_the_same_row_twice_in_a_call() -> None:
    rng = np.random.default_rng(3)
    rows = frame(rng.integers(0, 2, (40, 8)).astype(np.float64))
    model = Counted(wavy)
    found = explain(model, rows, evenly(np.zeros((1, 8))))
    assert len(model.asked) == found.call_count == 2
    assert sum(model.asked) == found.row_count_asked
    # Of eight features of two values there are 256 rows; asked naively, the coalitions of 40 rows are thousands.
    assert model.asked[1] <= 256
    assert found.coalition_count > 1000
    small = explain(Counted(wavy), rows, evenly(np.zeros((1, 8))), block_rows=300)
    assert small.call_count == 5
    assert small.values == pytest.approx(found.values, abs=1e-12)


def test_texts_missing_values_and_booleans_reach_the_model_as_they_are() -> None:
    rows = pl.DataFrame({"colour": ["red", None, "blue"], "size": [3, 1, 2], "new": [True, False, None]})
    known = Background(pl.DataFrame({"colour": ["blue"], "size": [2], "new": [False]}), np.ones(1))
    schemas = []

    def model(asked: pl.DataFrame) -> NDArray[np.float64]:
        schemas.append(asked.schema)
        value = asked.select(
            (pl.col("colour").eq_missing(pl.lit("red")) * 10.0)
            + pl.col("colour").is_null() * 5.0
            + pl.col("size") * 1.0
            + (pl.col("new").fill_null(value=False) * 100.0)
        )
        return value.to_numpy()

    found = explain(model, rows, known)
    assert set(map(str, schemas)) == {str(rows.schema)}
    assert found.expected_values.tolist() == [2.0]
    assert found.values[:, :, 0] == pytest.approx(np.array([[10, 1, 100], [5, -1, 0], [0, 0, 0]]), abs=1e-9)


def test_late_codes_that_lie_close_are_still_told_apart() -> None:
    # shap takes numbers within 1e-5 of each other for equal: two dates in seconds, say.
    rows = pl.DataFrame({"at": [1_700_000_000, 1_700_000_900], "other": [1, 2]})
    known = Background(pl.DataFrame({"at": [1_700_000_500], "other": [1]}), np.ones(1))
    found = explain(lambda asked: asked["at"].to_numpy() - 1.7e9, rows, known)
    assert found.values[:, :, 0] == pytest.approx(np.array([[-500.0, 0.0], [400.0, 0.0]]))


def test_a_constant_model_has_no_drivers() -> None:
    rng = np.random.default_rng(4)
    found = explain(
        Counted(lambda values: np.full(len(values), 0.3)), frame(rng.normal(size=(5, 14))), evenly(np.zeros((1, 14)))
    )
    assert not found.values.any()
    assert found.expected_values.tolist() == [0.3]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (lambda values: np.where(values[:, 0] > 0, np.nan, 1.0), "not finite"),
        (lambda values: np.full(len(values), np.inf), "not finite"),
        (lambda values: np.ones(len(values) + 1), "answers of 1 numbers to"),
        (lambda values: np.ones((len(values), 0)), "answers of 0 numbers to"),
        (lambda values: np.ones((len(values), 2, 2)), "an array of shape"),
        (lambda values: np.array(["yes"] * len(values)), "type <U3"),
        (lambda values: np.ones((len(values), 1 if len(values) > 5 else 2)), "for each row, 2 before"),
    ],
)
def test_answers_that_cannot_be_used_are_refused(answer: Function, found: str) -> None:
    rows = frame(np.arange(1.0, 13.0).reshape(3, 4))
    with pytest.raises(ModelAnswerError, match=found) as caught:
        explain(Counted(answer), rows, evenly(np.zeros((1, 4))))
    assert "12.0" not in str(caught.value)


def test_no_rows_are_no_values() -> None:
    found = explain(Counted(wavy), frame(np.zeros((0, 4))), evenly(np.zeros((1, 4))))
    assert found.values.shape == (0, 4, 2)
    assert found.call_count == 1
