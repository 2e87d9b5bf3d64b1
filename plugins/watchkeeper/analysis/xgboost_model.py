"""XGBoost's own model files, JSON and UBJSON, to trees.

Read as https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html lays them out (schema of 1.7 to 3.x).
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from watchkeeper.analysis.tree_ensemble import Floats, Link, Tree, TreeEnsemble

_LINKS = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), Link.LOGISTIC),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), Link.SOFTMAX),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), Link.EXPONENTIAL),
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:linear",
            "reg:squaredlogerror",
            "reg:absoluteerror",
            "reg:pseudohubererror",
            "reg:quantileerror",
            "binary:logitraw",
            "rank:pairwise",
            "rank:ndcg",
            "rank:map",
        ),
        Link.IDENTITY,
    ),
}
_TO_MARGIN: dict[Link, Callable[[float], float]] = {
    Link.LOGISTIC: lambda score: math.log(score / (1.0 - score)),
    Link.EXPONENTIAL: math.log,
}


class UnsupportedModelError(ValueError):
    """A model file holds what cannot be explained exactly; the message says what."""


def xgboost_ensemble(document: Mapping[str, Any]) -> TreeEnsemble:
    """Return the trees of a model file's document.

    As SageMaker serves it, a model stopped early ends at its best iteration. DART's tree weights are in the leaves.

    Raises
    ------
    UnsupportedModelError
        for linear boosters, categorical splits, vectors in leaves, and objectives whose answer is not known.
    KeyError, TypeError, ValueError
        when the document is not laid out as XGBoost's.
    """
    learner = document["learner"]
    parameters = learner["learner_model_param"]
    link = _link(learner["objective"]["name"])
    booster = learner["gradient_booster"]
    model = booster.get("gbtree", booster).get("model")
    if model is None or "trees" not in model:
        message = f"the booster is {booster.get('name', 'unknown')}, which has no trees"
        raise UnsupportedModelError(message)
    labels = max(int(parameters["num_class"]), int(parameters.get("num_target", "1")), 1)
    weights = booster.get("weight_drop", model.get("weight_drop", ()))
    kept = _kept_count(learner, model, labels)
    trees = tuple(
        _tree(tree, int(label), float(weights[position]) if len(weights) else 1.0)
        for position, (tree, label) in enumerate(zip(model["trees"][:kept], model["tree_info"], strict=False))
    )
    return TreeEnsemble(
        trees,
        _offsets(parameters["base_score"], labels, link),
        link,
        int(parameters["num_feature"]),
        tuple(learner.get("feature_names", ())),
        single_precision=True,
    )


def _link(objective: str) -> Link:
    if objective not in _LINKS:
        message = f"the objective {objective}, whose answer is not known here"
        raise UnsupportedModelError(message)
    return _LINKS[objective]


def _kept_count(learner: Mapping[str, Any], model: Mapping[str, Any], labels: int) -> int:
    """Return how many trees serve: all, or those up to the best iteration of a model that was stopped early."""
    best = learner.get("attributes", {}).get("best_iteration")
    if best is None:
        return len(model["trees"])
    ends = model.get("iteration_indptr")
    if ends is None:
        return (int(best) + 1) * labels * int(model["gbtree_model_param"]["num_parallel_tree"])
    return int(ends[int(best) + 1])


def _offsets(base_score: str, labels: int, link: Link) -> Floats:
    # XGBoost 3 writes a list, one number a label or one for all; before it was a single number.
    scores = np.atleast_1d(np.asarray(json.loads(base_score), np.float64))
    to_margin = _TO_MARGIN.get(link, float)
    return np.broadcast_to([to_margin(float(score)) for score in scores], (labels,)).astype(np.float64)


def _tree(tree: Mapping[str, Any], label: int, weight: float) -> Tree:
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        message = "leaves that hold vectors (multi_output_tree)"
        raise UnsupportedModelError(message)
    if len(tree.get("categories_nodes", ())) or np.any(np.asarray(tree.get("split_type", ())) == 1):
        message = "categorical splits"
        raise UnsupportedModelError(message)
    left, right = (np.asarray(tree[side], np.int64) for side in ("left_children", "right_children"))
    leaf = left < 0
    conditions = np.asarray(tree["split_conditions"], np.float32)
    # XGBoost goes left below a threshold, here rows go left up to it: the next smaller float of its precision.
    thresholds = np.where(leaf, 0.0, np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64))
    default = np.where(np.asarray(tree["default_left"]) == 1, left, right)
    return Tree(
        np.where(leaf, -1, left),
        np.where(leaf, -1, right),
        np.where(leaf, -1, default),
        np.where(leaf, -1, np.asarray(tree["split_indices"], np.int64)),
        thresholds,
        np.where(leaf, conditions.astype(np.float64) * weight, 0.0),
        np.asarray(tree["sum_hessian"], np.float64),
        label,
    )
