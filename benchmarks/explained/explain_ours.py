"""KernelSHAP by Watchkeeper: shap's numbers, many rows' coalitions asked at once."""

import numpy as np
import polars as pl
from served_model import Asked, Matrix, run

from watchkeeper.analysis.kernel_shap import explain
from watchkeeper.analysis.shap_background import Background


def explained(model: Asked, rows: pl.DataFrame, background: pl.DataFrame) -> Matrix:
    """Return the attributions (rows × features)."""
    found = explain(lambda asked: model(asked.to_numpy()), rows, Background(background, np.ones(1)))
    return found.values[:, :, 0]


if __name__ == "__main__":
    run(explained)
