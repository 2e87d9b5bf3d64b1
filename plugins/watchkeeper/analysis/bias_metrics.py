"""Clarify's bias metrics from counts, by the definitions of its documentation; for one sample or many at once.

``cells`` has the axes (…, group, label, prediction), each of size 2: group 1 is the facet ("disadvantaged"), group 0
all other rows; label and prediction 1 are positive. Leading axes are resamples. 0/0 is 0 and x/0 infinite, the
difference of two infinities 0; not-a-number is a metric that the counts do not define.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Formula = Callable[[Floats], Floats]

DESCRIPTIONS = {
    "AD": "Accuracy Difference (AD)",
    "CDDL": "Conditional Demographic Disparity in Labels (CDDL)",
    "CDDPL": "Conditional Demographic Disparity in Predicted Labels (CDDPL)",
    "CI": "Class Imbalance (CI)",
    "DAR": "Difference in Acceptance Rates (DAR)",
    "DCA": "Difference in Conditional Acceptance (DCA)",
    "DCR": "Difference in Conditional Rejection (DCR)",
    "DI": "Disparate Impact (DI)",
    "DPL": "Difference in Positive Proportions in Labels (DPL)",
    "DPPL": "Difference in Positive Proportions in Predicted Labels (DPPL)",
    "DRR": "Difference in Rejection Rates (DRR)",
    "FT": "Flip Test (FT)",
    "GE": "Generalized Entropy (GE)",
    "JS": "Jensen-Shannon Divergence (JS)",
    "KL": "Kullback-Liebler Divergence (KL)",
    "KS": "Kolmogorov-Smirnov Distance (KS)",
    "LP": "L-p Norm (LP)",
    "RD": "Recall Difference (RD)",
    "SD": "Specificity Difference (SD)",
    "TE": "Treatment Equality (TE)",
    "TVD": "Total Variation Distance (TVD)",
}
"""Metrics by name, as the documents describe them."""


def neutral_value(metric: str) -> float:
    """Return the metric's value where groups are treated alike."""
    return 1.0 if metric == "DI" else 0.0


def distance_from_neutral(metric: str, value: float) -> float:
    """Return how far a value is from the neutral one; a ratio (DI) by how far the smaller falls short of the larger."""
    if metric != "DI":
        return abs(value)
    return 1.0 - min(value, 1.0 / value) if value else 1.0


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return the quotient of two non-negative arrays; 0/0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = part / whole
    return np.where((part == 0) & (whole == 0), 0.0, quotient)


def difference(left: Floats, right: Floats) -> Floats:
    """Return left minus right; 0 for two infinities."""
    both = np.isinf(left) & np.isinf(right)
    with np.errstate(invalid="ignore"):
        return np.where(both, 0.0, left - right)


def _of_groups(formula: Formula) -> Formula:
    """Leave a metric undefined where one of the two groups is empty."""

    def defined(cells: Floats) -> Floats:
        sizes = cells.sum(axis=(-2, -1))
        return np.where((sizes > 0).all(axis=-1), formula(cells), np.nan)

    return defined


def _labels(cells: Floats) -> Floats:
    return cells.sum(axis=-1)  # (…, group, label)


def _predictions(cells: Floats) -> Floats:
    return cells.sum(axis=-2)  # (…, group, prediction)


def _apart(rates: Floats, outcome: int = 1) -> Floats:
    """Return others minus facet, for negative outcomes facet minus others: a disadvantage of the facet is above 0."""
    return difference(rates[..., 1 - outcome], rates[..., outcome])


def _positive_share(outcomes: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return outcomes[..., 1] / outcomes.sum(axis=-1)


def _class_imbalance(cells: Floats) -> Floats:
    sizes = cells.sum(axis=(-2, -1))
    return (sizes[..., 0] - sizes[..., 1]) / sizes.sum(axis=-1)


def _distributions(cells: Floats) -> tuple[Floats, Floats]:
    """Return P_a and P_d over the labels that occur in both groups, 0 for the others; (…, label)."""
    labels = _labels(cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = labels / labels.sum(axis=-1, keepdims=True)
    shared = (labels > 0).all(axis=-2, keepdims=True)
    shares = np.where(shared, shares, 0.0)
    shares = np.where(shared.any(axis=-1, keepdims=True), shares, np.nan)
    return shares[..., 0, :], shares[..., 1, :]


def _divergence(p: Floats, q: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == 0, 0.0, p * np.log(p / q))
    return np.sum(terms, axis=-1)


def _kullback_leibler(cells: Floats) -> Floats:
    return _divergence(*_distributions(cells))


def _jensen_shannon(cells: Floats) -> Floats:
    p, q = _distributions(cells)
    middle = 1 / 2 * (p + q)
    return 0.5 * (_divergence(p, middle) + _divergence(q, middle))


def _norm(order: float) -> Formula:
    def formula(cells: Floats) -> Floats:
        p, q = _distributions(cells)
        return np.linalg.norm(p - q, order, axis=-1)

    return formula


def _total_variation(cells: Floats) -> Floats:
    return 0.5 * _norm(1)(cells)


def _disparate_impact(cells: Floats) -> Floats:
    shares = _positive_share(_predictions(cells))
    return ratio(shares[..., 1], shares[..., 0])


def _conditional_outcome(outcome: int) -> Formula:
    """Observed for each predicted positive (DCA), facet minus others for negatives (DCR)."""

    def formula(cells: Floats) -> Floats:
        return _apart(ratio(_labels(cells)[..., outcome], _predictions(cells)[..., outcome]), outcome)

    return formula


def _label_rate(outcome: int) -> Formula:
    """Of those predicted so, the share that is (DAR, DRR)."""

    def formula(cells: Floats) -> Floats:
        return _apart(ratio(cells[..., outcome, outcome], _predictions(cells)[..., outcome]), outcome)

    return formula


def _label_accuracy(outcome: int) -> Formula:
    """Of those that are so, the share predicted so (RD, SD)."""

    def formula(cells: Floats) -> Floats:
        return _apart(ratio(cells[..., outcome, outcome], _labels(cells)[..., outcome]), outcome)

    return formula


def _accuracy(cells: Floats) -> Floats:
    return _apart(ratio(cells[..., 1, 1] + cells[..., 0, 0], cells.sum(axis=(-2, -1))))


def _treatment_equality(cells: Floats) -> Floats:
    return _apart(ratio(cells[..., 1, 0], cells[..., 0, 1]), 0)


def _entropy(cells: Floats) -> Floats:
    """Benefit is prediction minus label plus 1; half the squared coefficient of variation (alpha 2)."""
    together = cells.sum(axis=-3)
    counts = np.stack(
        (together[..., 1, 0], together[..., 0, 0] + together[..., 1, 1], together[..., 0, 1]), axis=-1
    )  # of benefit 0, 1 and 2
    benefits = np.arange(3.0)
    rows = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (counts * benefits).sum(axis=-1) / rows
        terms = (benefits / mean[..., None]) ** 2 - 1
        return np.where(mean > 0, (counts * terms).sum(axis=-1) / (rows * 2), np.nan)


PRE_TRAINING: dict[str, Formula] = {
    "CI": _of_groups(_class_imbalance),
    "DPL": _of_groups(lambda cells: _apart(_positive_share(_labels(cells)))),
    "JS": _of_groups(_jensen_shannon),
    "KL": _of_groups(_kullback_leibler),
    "KS": _of_groups(_norm(np.inf)),
    "LP": _of_groups(_norm(2)),
    "TVD": _of_groups(_total_variation),
}
POST_TRAINING: dict[str, Formula] = {
    "AD": _of_groups(_accuracy),
    "DAR": _of_groups(_label_rate(1)),
    "DCA": _of_groups(_conditional_outcome(1)),
    "DCR": _of_groups(_conditional_outcome(0)),
    "DI": _of_groups(_disparate_impact),
    "DPPL": _of_groups(lambda cells: _apart(_positive_share(_predictions(cells)))),
    "DRR": _of_groups(_label_rate(0)),
    "GE": _entropy,
    "RD": _of_groups(_label_accuracy(1)),
    "SD": _of_groups(_label_accuracy(0)),
    "TE": _of_groups(_treatment_equality),
}
FORMULAS = PRE_TRAINING | POST_TRAINING
"""All metrics of counts: all but those of a group variable (CDDL, CDDPL) and of rows (FT)."""

CONDITIONAL = ("CDDL", "CDDPL")
"""The metrics that need a group variable."""


def conditional_disparity(groups: Floats, everything: Floats) -> Floats:
    """Return the conditional demographic disparity of observed (CDDL) or predicted labels (CDDPL).

    ``groups`` has the axes (…, value of the group variable, group, outcome), ``everything`` (…, group, outcome) of all
    rows, also those without a value. In each value, the facet's share of the rejected minus its share of the accepted
    (0 where there are none), weighted by rows. Not-a-number where all outcomes are one.
    """
    outcomes = groups.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(outcomes == 0, 0.0, groups[..., 1, :] / outcomes)
    apart = shares[..., 0] - shares[..., 1]
    rows = outcomes.sum(axis=-1)
    weighted = _weighted_mean(np.sum(rows * apart, axis=-1), np.sum(rows, axis=-1))
    both = (everything.sum(axis=-2) > 0).all(axis=-1)
    return np.where(both, weighted, np.nan)


def _weighted_mean(total: Floats, weight: Floats) -> Floats:
    """Return a weighted mean, 0 where there is no weight."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight == 0, 0.0, total / weight)
