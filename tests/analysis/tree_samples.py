"""Trained tree models of all kinds that are read, with the rows they were trained on."""

import io
import tarfile
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import xgboost
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROWS, FEATURES = 300, 5


@dataclass(frozen=True)
class Sample:
    """A model's parameters: its library, objective and what else is particular about it."""

    library: str
    objective: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.library, self.objective, *map(str, self.options)])


XGBOOST = (
    Sample("xgboost", "binary:logistic"),
    Sample("xgboost", "reg:squarederror"),
    Sample("xgboost", "multi:softprob", {"num_class": 3}),
    Sample("xgboost", "count:poisson"),
    Sample("xgboost", "binary:logistic", {"booster": "dart", "rate_drop": 0.5}),
    Sample("xgboost", "binary:logistic", {"num_parallel_tree": 3, "subsample": 0.5}),
)
LIGHTGBM = (
    Sample("lightgbm", "binary"),
    Sample("lightgbm", "binary", {"sigmoid": 2.0}),
    Sample("lightgbm", "regression"),
    Sample("lightgbm", "multiclass", {"num_class": 3}),
    Sample("lightgbm", "multiclassova", {"num_class": 3}),
    Sample("lightgbm", "poisson"),
    Sample("lightgbm", "regression", {"zero_as_missing": True}),
    Sample("lightgbm", "regression", {"use_missing": False}),
)


def matrix() -> Floats:
    """Return rows with missing values and many zeros."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, FEATURES)).round(2)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 4] = np.where(rng.random(ROWS) < 0.5, 0.0, values[:, 4])
    return values


def frame() -> pl.DataFrame:
    """Return the same rows as a model is asked: missing values are null."""
    return pl.DataFrame(matrix(), schema=list("abcde")).with_columns(pl.all().fill_nan(None))


def target(sample: Sample) -> Floats:
    """Return what the model is to learn."""
    values = matrix()
    score = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 1] * values[:, 2]) + 0.5 * np.isnan(values[:, 3])
    if "num_class" in sample.options:
        return np.digitize(score, [-0.5, 0.5]).astype(np.float64)
    if "binary" in sample.objective:
        return (score > 0).astype(np.float64)
    return np.exp(score / 2).round() if "poisson" in sample.objective else score


def trained(sample: Sample) -> Any:
    """Return the trained model, a Booster of its library."""
    if sample.library == "xgboost":
        parameters = {"objective": sample.objective, "max_depth": 4, "seed": 1, "verbosity": 0, **sample.options}
        return xgboost.train(parameters, xgboost.DMatrix(matrix(), target(sample)), 8)
    parameters = {"objective": sample.objective, "verbose": -1, "min_data_in_leaf": 5, "seed": 1, **sample.options}
    return lightgbm.train(parameters, lightgbm.Dataset(matrix(), target(sample)), 8)


def saved(model: Any, form: str = "json") -> bytes:
    """Return the model's file."""
    return bytes(model.save_raw(form)) if isinstance(model, xgboost.Booster) else model.model_to_string().encode()


def answers(model: Any, *, margin: bool = False) -> Floats:
    """Return the library's own answers (rows × labels)."""
    if isinstance(model, xgboost.Booster):
        found = model.predict(xgboost.DMatrix(matrix()), output_margin=margin)
    else:
        found = model.predict(matrix(), raw_score=margin)
    return np.asarray(found, np.float64).reshape(ROWS, -1)


def contributions(model: Any, labels: int) -> Floats:
    """Return the library's own attributions (rows × labels × features and the expected value)."""
    if isinstance(model, xgboost.Booster):
        found = model.predict(xgboost.DMatrix(matrix()), pred_contribs=True)
    else:
        found = model.predict(matrix(), pred_contrib=True)
    return np.asarray(found, np.float64).reshape(ROWS, labels, FEATURES + 1)


def archive(**files: bytes) -> bytes:
    """Return a model.tar.gz of these files; ``__`` in a name is a dot."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
