"""Decision trees whose leaves add up, however a library wrote them down."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Link(StrEnum):
    """How the sum of the leaves becomes the model's answer."""

    IDENTITY = "identity"
    LOGISTIC = "logistic"
    SOFTMAX = "softmax"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True)
class Tree:
    """One tree as arrays over its nodes, the root first.

    Inner nodes send a row to ``left`` where its value of ``feature`` is at most ``threshold``, else to ``right``, and
    to ``default`` where it is missing; leaves have -1 in all four. ``value`` counts for leaves, ``cover`` is how much
    of the training data came by. ``label`` is the output that the tree adds to.
    """

    left: Integers
    right: Integers
    default: Integers
    feature: Integers
    threshold: Floats
    value: Floats
    cover: Floats
    label: int = 0


@dataclass(frozen=True)
class TreeEnsemble:
    """Trees and what makes an answer of them.

    ``offsets`` hold one number a label, added to the leaves' sum. ``scale`` multiplies that sum within the logistic
    link. ``feature_names`` are the library's, empty where it knows none. ``zero_is_missing`` names the features whose
    zeros go the way of missing values; ``single_precision`` says that values are compared as 32-bit floats.
    """

    trees: tuple[Tree, ...]
    offsets: Floats
    link: Link
    feature_count: int
    feature_names: tuple[str, ...] = ()
    scale: float = 1.0
    zero_is_missing: frozenset[int] = frozenset()
    single_precision: bool = False
