"""NDCG: AWS's example, and scikit-learn's numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from watchkeeper.analysis.rank_agreement import ndcg, ndcg_of_each

values = st.integers(0, 6).map(lambda number: number / 4)


def test_the_example_of_the_documentation() -> None:
    found = ndcg(np.array([0.70, 0.50, 0.05]), np.array([0.10, 0.20, 0.70]))
    assert found == pytest.approx((0.05 + 0.50 / np.log2(3) + 0.70 / 2) / (0.70 + 0.50 / np.log2(3) + 0.05 / 2))
    assert round(found or 0.0, 2) == 0.69


@given(st.lists(st.tuples(values, values), min_size=2, max_size=12))
def test_it_is_scikit_learns_ties_included(pairs: list[tuple[float, float]]) -> None:
    baseline, live = np.array(pairs).T
    found = ndcg(baseline, live)
    if not baseline.any() or not live.any():
        assert found is None
    else:
        assert found == pytest.approx(ndcg_score(baseline[None], live[None]), abs=1e-12)
        assert found <= 1 + 1e-12


@given(st.lists(st.tuples(values, values, st.sampled_from([-1, 1]), st.sampled_from([-1, 1])), min_size=2, max_size=9))
def test_a_feature_drives_whichever_way_it_moves_the_answer(rows: list[tuple[float, float, int, int]]) -> None:
    baseline, live, first, second = np.array(rows).T
    assert ndcg(baseline * first, live * second) == ndcg(baseline, live)


@given(st.lists(values, min_size=2, max_size=9, unique=True).filter(any), st.floats(0.1, 10))
def test_the_same_order_is_one_whatever_the_size(attributions: list[float], factor: float) -> None:
    found = np.array(attributions)
    assert ndcg(found, found * factor) == pytest.approx(1.0)


def test_each_ranking_is_measured_by_itself() -> None:
    baseline, live = np.array([3.0, 2.0, 1.0]), np.array([[3.0, 2.0, 1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    assert ndcg_of_each(baseline, live) == [1.0, None, ndcg(baseline, live[2])]
