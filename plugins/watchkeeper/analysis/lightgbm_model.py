"""LightGBM's text models to trees, as `Booster.save_model` writes them (version v3 and v4)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.tree_ensemble import Integers, Link, Tree, TreeEnsemble
from watchkeeper.analysis.xgboost_model import UnsupportedModelError

_LINKS = {
    **dict.fromkeys(("binary", "cross_entropy", "multiclassova"), Link.LOGISTIC),
    "multiclass": Link.SOFTMAX,
    **dict.fromkeys(("poisson", "gamma", "tweedie"), Link.EXPONENTIAL),
    **dict.fromkeys(
        ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"),
        Link.IDENTITY,
    ),
}
# Bits of decision_type: the split is categorical, missing values go left, and (two bits) what counts as missing.
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1


def lightgbm_ensemble(text: str) -> TreeEnsemble:
    """Return the trees of a text model.

    Raises
    ------
    UnsupportedModelError
        for categorical splits, linear leaves, and objectives whose answer is not known.
    KeyError, ValueError
        when the text is not laid out as LightGBM's.
    """
    head, *blocks = text.split("\nTree=")
    fields = _fields(head)
    objective, *options = fields["objective"].split() if "objective" in fields else ["custom"]
    if objective not in _LINKS or "sqrt" in options:
        message = f"the objective {' '.join([objective, *options])}, whose answer is not known here"
        raise UnsupportedModelError(message)
    labels = int(fields["num_tree_per_iteration"])
    share = labels / len(blocks) if "average_output" in head.split("\n") else 1.0
    zeros: dict[int, bool] = {}
    trees = tuple(
        _tree(_fields(block.partition("\nend of trees")[0]), position % labels, share, zeros)
        for position, block in enumerate(blocks)
    )
    scale = next((float(option.partition(":")[2]) for option in options if option.startswith("sigmoid:")), 1.0)
    names = tuple(fields["feature_names"].split(" "))
    return TreeEnsemble(
        trees,
        np.zeros(labels),
        _LINKS[objective],
        int(fields["max_feature_idx"]) + 1,
        names,
        scale,
        frozenset(feature for feature, is_missing in zeros.items() if is_missing),
    )


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _tree(fields: Mapping[str, str], label: int, share: float, zeros: dict[int, bool]) -> Tree:
    if fields.get("is_linear", "0") == "1":
        message = "linear models in its leaves"
        raise UnsupportedModelError(message)
    leaves = int(fields["num_leaves"])
    leaf_values = _floats(fields["leaf_value"]) * share
    if leaves == 1:
        # A tree that found nothing to split: a constant.
        alone = np.full(1, -1, np.int64)
        return Tree(alone, alone, alone, alone, np.zeros(1), leaf_values, np.ones(1), label)
    decisions = _integers(fields["decision_type"])
    if np.any(decisions & _CATEGORICAL):
        message = "categorical splits"
        raise UnsupportedModelError(message)
    inner = leaves - 1
    # Children below zero are leaves, counted -1, -2, …: here they come after the inner nodes.
    left, right = (
        np.where(child < 0, inner - 1 - child, child)
        for child in (_integers(fields["left_child"]), _integers(fields["right_child"]))
    )
    features, thresholds = _integers(fields["split_feature"]), _floats(fields["threshold"])
    kinds = (decisions >> 2) & 3
    for feature, kind in zip(features.tolist(), kinds.tolist(), strict=True):
        if zeros.setdefault(feature, kind == _MISSING_ZERO) != (kind == _MISSING_ZERO):
            message = "a feature whose zeros are missing values in some splits only"
            raise UnsupportedModelError(message)
    # Where nothing counts as missing, a missing value is taken for zero.
    goes_left = np.where(kinds == _MISSING_NONE, thresholds >= 0, (decisions & _DEFAULT_LEFT) > 0)
    covers = np.concatenate([_floats(fields["internal_count"]), _floats(fields["leaf_count"])])
    return Tree(
        _padded(left, leaves),
        _padded(right, leaves),
        _padded(np.where(goes_left, left, right), leaves),
        _padded(features, leaves),
        np.concatenate([thresholds, np.zeros(leaves)]),
        np.concatenate([np.zeros(inner), leaf_values]),
        covers,
        label,
    )


def _padded(inner: Integers, leaves: int) -> Integers:
    return np.concatenate([inner, np.full(leaves, -1, np.int64)])


def _floats(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), np.float64)


def _integers(text: str) -> Integers:
    return np.array(text.split(), np.int64)
