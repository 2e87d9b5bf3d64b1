"""A regression's metrics from its error sums, for the rows as they are or for many resamples at once."""

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.error_sums import ErrorSums

Floats = NDArray[np.float64]

REGRESSION_METRICS = ("mae", "mse", "rmse", "r2")
# Labels that differ by less than this share of their size differ by the rounding of their mean.
_SAME = 1e-13


def regression_metrics(sums: ErrorSums, weights: Floats | None = None) -> dict[str, Floats]:
    """Return mean absolute and squared error, its root, and the coefficient of determination.

    ``weights`` says how often each group of rows is taken, one row per resample; without it all are taken once. Each
    result has one value per resample, not-a-number where it is undefined: without rows, and r2 of equal labels.
    """
    if weights is None:
        weights = np.ones((1, len(sums.rows)))
    rows = weights @ sums.rows
    centre = float(sums.rows @ sums.label_mean) / max(sums.row_count, 1)
    offset = sums.label_mean - centre
    shift = weights @ (sums.rows * offset)
    squares = weights @ sums.squared
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = weights @ (sums.label_spread + sums.rows * offset**2) - shift**2 / rows
        mse = squares / rows
        varied = spread > rows * (_SAME * abs(centre)) ** 2
        r2 = np.where(varied, 1.0 - squares / np.where(varied, spread, 1.0), np.nan)
        return {"mae": weights @ sums.absolute / rows, "mse": mse, "rmse": np.sqrt(mse), "r2": r2}
