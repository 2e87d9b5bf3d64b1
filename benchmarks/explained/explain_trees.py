"""Exact TreeSHAP by Watchkeeper, from the model's file: nobody is asked."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from served_model import Asked, Matrix, run

from watchkeeper.analysis.shap_background import Background
from watchkeeper.analysis.tree_model import load_tree_model


def explained(_: Asked, rows: pl.DataFrame, background: pl.DataFrame) -> Matrix:
    """Return the attributions (rows × features)."""
    model = load_tree_model(Path(sys.argv[1]).read_bytes(), sys.argv[1])
    return model.explain(rows, Background(background, np.ones(1))).values[:, :, 0]


if __name__ == "__main__":
    run(explained)
