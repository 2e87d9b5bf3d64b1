"""KernelSHAP as shap is called: it asks the model twice for each row."""

import numpy as np
import polars as pl
import shap
from served_model import Asked, Matrix, run


def explained(model: Asked, rows: pl.DataFrame, background: pl.DataFrame) -> Matrix:
    """Return the attributions (rows × features)."""
    np.random.seed(0)
    explainer = shap.KernelExplainer(model, background.to_numpy())
    return explainer.shap_values(rows.to_numpy(), l1_reg=False, silent=True)[:, :, 0]


if __name__ == "__main__":
    run(explained)
