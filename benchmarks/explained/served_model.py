"""The rows that are explained, and the model that is asked: the same for every contender.

``served_model.py MODEL`` trains the model and writes its file.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import shap  # noqa: F401 - so that its import is before the clock for everybody
from numpy.typing import NDArray

from watchkeeper.analysis.tree_model import TreeModel, load_tree_model

#: The model's features; its answer, a probability, depends on half of them.
FEATURES = 20
SEED = 20
#: What asking an endpoint costs, in seconds a request and a row; requests hold up to so many bytes of CSV.
REQUEST_SECONDS, ROW_SECONDS = 0.02, 5e-6
REQUEST_BYTES, ROW_BYTES = 5_000_000, 160
TREES = 100

Matrix = NDArray[np.float64]


def make_model(path: Path) -> None:
    """Train the model and write its file, once."""
    import lightgbm

    if path.exists():
        return
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(20_000, FEATURES))
    score = values[:, :10] @ np.linspace(2.0, 0.2, 10) + values[:, 0] * values[:, 1]
    options = {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1, "seed": SEED}
    booster = lightgbm.train(options, lightgbm.Dataset(values, score > 0), TREES)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(booster.model_to_string())


def rows_of(count: int) -> pl.DataFrame:
    """Return the rows to explain; the same for every run."""
    values = np.random.default_rng(SEED + 1).normal(size=(count, FEATURES)).round(3)
    return pl.DataFrame(values, schema=[f"f{position}" for position in range(FEATURES)])


def background_rows() -> pl.DataFrame:
    """Return the one row that they are explained against."""
    return pl.DataFrame(np.zeros((1, FEATURES)), schema=[f"f{position}" for position in range(FEATURES)])


class Asked:
    """The model as a function of a matrix, which counts how it is asked; an endpoint's takes an endpoint's time."""

    def __init__(self, model: TreeModel, *, endpoint: bool) -> None:
        self._model = model
        self._endpoint = endpoint
        self.calls = self.requests = self.rows = 0

    def __call__(self, values: Matrix) -> Matrix:
        """Return the answers (rows × 1)."""
        self.calls += 1
        self.rows += len(values)
        requests = math.ceil(len(values) * ROW_BYTES / REQUEST_BYTES)
        self.requests += requests
        if self._endpoint:
            time.sleep(requests * REQUEST_SECONDS + len(values) * ROW_SECONDS)
            # It answers elsewhere: what is measured here is who asks. The sum stands for its prediction.
            return np.tanh(values[:, :10].sum(axis=1, keepdims=True) / 4)
        return self._model.predict(pl.DataFrame(values, schema=[f"f{position}" for position in range(FEATURES)]))


def run(explain: Callable[[Asked, pl.DataFrame, pl.DataFrame], Matrix]) -> None:
    """Explain what the command line says (model file, cpu or endpoint, rows, output) and write values and counts."""
    path, kind, count, output = sys.argv[1:]
    asked = Asked(load_tree_model(Path(path).read_bytes(), path), endpoint=kind == "endpoint")
    rows, background = rows_of(int(count)), background_rows()
    started = time.perf_counter()
    values = explain(asked, rows, background)
    seconds = time.perf_counter() - started
    facts = {"seconds": seconds, "calls": asked.calls, "requests": asked.requests, "rows": asked.rows}
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "values.npy", values)
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    make_model(Path(sys.argv[1]))
