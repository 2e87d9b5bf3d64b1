"""Linear models trained by scikit-learn, stored as JSON: what the sandbox's endpoints answer with.

No pickle: an artifact is a ``model.tar.gz`` holding one ``model.json`` with the fitted parameters,
and loading it sets them on a fresh scikit-learn estimator.
"""

import io
import json
import math
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from sandbox.model_archive import packed

Kind = Literal["probability", "quantity"]
Columns = Mapping[str, Sequence[object]]
"""Equally long columns by name; a value is a number, text, or None for missing."""

_MEMBER = "model.json"
_CLIP = 8.0  # standard deviations; keeps a garbled value from overflowing the exponential


@dataclass(frozen=True)
class LinearModel:
    """A fitted model: ``probability`` of a 0/1 target, or ``quantity`` (of a target modelled as log1p)."""

    kind: Kind
    output: str
    means: Mapping[str, float]
    scales: Mapping[str, float]
    categories: Mapping[str, Sequence[str]]
    inputs: tuple[str, ...]
    estimator: LogisticRegression | Ridge

    @classmethod
    def train(
        cls,
        columns: Columns,
        *,
        kind: Kind,
        inputs: Sequence[str],
        target: Sequence[float],
        output: str,
        ignored: Sequence[str] = (),
    ) -> "LinearModel":
        """Fit on columns without a missing value; a column of text is a category, any other a number.

        Those ``ignored`` are asked for as the others are, and not looked at.
        """
        used = [name for name in inputs if name not in ignored]
        text = {name for name in used if isinstance(columns[name][0], str)}
        numbers = {name: np.asarray(columns[name], dtype=float) for name in used if name not in text}
        model = cls(
            kind=kind,
            output=output,
            inputs=tuple(inputs),
            means={name: float(values.mean()) for name, values in numbers.items()},
            scales={name: float(values.std()) or 1.0 for name, values in numbers.items()},
            categories={name: sorted(set(map(str, columns[name]))) for name in used if name in text},
            estimator=LogisticRegression(max_iter=300) if kind == "probability" else Ridge(),
        )
        values = np.asarray(target, dtype=float)
        model.estimator.fit(model.design(columns), values if kind == "probability" else np.log1p(values))
        return model

    def design(self, columns: Columns) -> np.ndarray:
        """Return the design matrix. What is missing or no number counts as the training mean: the model never fails.

        That is what makes watching its input worthwhile.
        """
        height = len(next(iter(columns.values())))
        parts = []
        for name in self.inputs:
            values = columns.get(name) or [None] * height
            if name in self.means:
                numbers = np.array([_number(value) for value in values])
                scaled = (np.where(np.isnan(numbers), self.means[name], numbers) - self.means[name]) / self.scales[name]
                parts.append(np.clip(scaled, -_CLIP, _CLIP)[:, None])
            elif name in self.categories:
                place = {category: index for index, category in enumerate(self.categories[name])}
                hot = np.zeros((height, len(place)))
                known = [(row, place[value]) for row, value in enumerate(values) if value in place]
                hot[[row for row, _ in known], [index for _, index in known]] = 1.0
                parts.append(hot)
        return np.hstack(parts)

    def predict(self, columns: Columns) -> list[float]:
        """Return one prediction per row, rounded as the endpoints send it (six decimals)."""
        matrix = self.design(columns)
        if self.kind == "probability":
            values = self.estimator.predict_proba(matrix)[:, 1]
        else:
            values = np.expm1(np.clip(self.estimator.predict(matrix), 0.0, 12.0))
        return [round(float(value), 6) for value in values]

    def to_document(self) -> bytes:
        """Return ``model.json``: all that the fitted model is."""
        document = {
            "kind": self.kind,
            "output": self.output,
            "inputs": self.inputs,
            "means": self.means,
            "scales": self.scales,
            "categories": self.categories,
            "coefficients": np.ravel(self.estimator.coef_).tolist(),
            "intercept": float(np.ravel(self.estimator.intercept_)[0]),
        }
        return json.dumps(document, indent=1).encode()

    def to_artifact(self) -> bytes:
        """Return ``model.tar.gz``; the same model gives the same bytes."""
        return packed({_MEMBER: self.to_document()})

    @classmethod
    def from_artifact(cls, artifact: bytes) -> "LinearModel":
        """Return the model stored in ``artifact``; ``KeyError`` if it holds no ``model.json``."""
        with tarfile.open(fileobj=io.BytesIO(artifact), mode="r:gz") as archive:
            member = archive.extractfile(_MEMBER)
            if member is None:
                raise KeyError(_MEMBER)
            document = json.load(member)
        coefficients = np.asarray(document["coefficients"])
        if document["kind"] == "probability":
            estimator = LogisticRegression()
            estimator.classes_ = np.asarray([0, 1])
            estimator.coef_, estimator.intercept_ = coefficients[None, :], np.asarray([document["intercept"]])
        else:
            estimator = Ridge()
            estimator.coef_, estimator.intercept_ = coefficients, document["intercept"]
        return cls(
            kind=document["kind"],
            output=document["output"],
            means=document["means"],
            scales=document["scales"],
            categories=document["categories"],
            inputs=tuple(document["inputs"]),
            estimator=estimator,
        )


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        return math.nan
