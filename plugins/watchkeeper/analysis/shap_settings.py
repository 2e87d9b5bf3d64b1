"""How a model's attributions are computed and summed up: Clarify's ``methods.shap``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from watchkeeper.analysis.capture_records import Payload
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.errors import DocumentError

Cell = str | int | float | bool | None
BaselineRow = tuple[Cell, ...]


class Aggregation(StrEnum):
    """Clarify's ``agg_method``: how the attributions of all rows become one number a feature."""

    MEAN_ABS = "mean_abs"
    MEDIAN = "median"
    MEAN_SQ = "mean_sq"


@dataclass(frozen=True)
class ShapSettings:
    """Clarify's options, by its names.

    A row's attributions say how it comes to another prediction than a *background*: the ``baseline`` rows, or as many
    prototypes of the data as ``num_clusters`` says, found by k-means and weighted by the rows that each stands for.
    Without either, Clarify chooses how many prototypes; here it is one, `DEFAULT_CLUSTERS`.

    ``num_samples`` is how many coalitions of features are tried for each row; ``None`` is Clarify's and shap's own
    min(2·features + 2048, 2^features - 2). Where that is all there are (up to 11 features), the result is exact.
    ``use_logit`` gives attributions in log-odds; the model must then answer probabilities. ``seed`` makes a run
    reproducible; a run without one uses 0, because a verdict must not be a matter of luck. ``features_to_explain`` are
    those that reports show (all are computed; the others' shares would be wrong otherwise).

    Raises
    ------
    ValueError
        saying which option is wrong and what to do.
    """

    baseline: tuple[BaselineRow, ...] | None = None
    num_clusters: int | None = None
    num_samples: int | None = None
    agg_method: Aggregation = Aggregation.MEAN_ABS
    use_logit: bool = False
    seed: int = 0
    features_to_explain: tuple[str | int, ...] | None = None
    save_local_shap_values: bool = False

    def __post_init__(self) -> None:
        faults = [*self._background_faults()]
        if self.num_samples is not None and self.num_samples < 1:
            faults.append(f"num_samples: got {self.num_samples}; use 1 or more")
        if not 0 <= self.seed < 2**32:
            faults.append(f"seed: got {self.seed}; use a number from 0 to 4294967295")
        if self.features_to_explain == ():
            faults.append("features_to_explain is empty; leave it out to explain all features")
        if faults:
            raise ValueError("; ".join(faults))

    def _background_faults(self) -> list[str]:
        faults = []
        if self.baseline is not None and self.num_clusters is not None:
            faults.append("baseline and num_clusters exclude each other; keep one")
        if self.baseline == ():
            faults.append("baseline has no row; give at least one, or num_clusters")
        if len({len(row) for row in self.baseline or ()}) > 1:
            faults.append("baseline rows differ in length; give each all features and no label")
        if self.num_clusters is not None and self.num_clusters < 1:
            faults.append(f"num_clusters: got {self.num_clusters}; use 1 or more")
        return faults

    @classmethod
    def from_config(
        cls, shap: Mapping[str, Any], source: str = "methods.shap", *, features: str | None = None
    ) -> "ShapSettings":
        """Return the settings of ``methods.shap`` in an analysis_config.json.

        ``baseline`` may be rows, or JSON documents as the dataset has them; ``features`` is then the configuration's
        own, the JSONPath to a document's features. Options for text and images are ignored, and where files go.

        Raises
        ------
        DocumentError
            with every fault, where an option has another type or the options contradict each other.
        """
        faults: list[str] = []
        found = {key: value for key, value in shap.items() if key in {"baseline", *_READERS} and value is not None}
        values: dict[str, Any] = {}
        for key, value in found.items():
            try:
                values[key] = _baseline(value, features) if key == "baseline" else _READERS[key](value)
            except ValueError as error:
                faults.append(f"{key}: {error}")
        if not faults:
            try:
                return cls(**values)
            except ValueError as error:
                faults.append(str(error))
        remedy = "Correct methods.shap; the options are those of Clarify's analysis_config.json"
        raise DocumentError(source, "; ".join(faults), remedy)


DEFAULT_CLUSTERS = 1


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"got {value!r}; use a whole number"
        raise ValueError(message)
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        message = f"got {value!r}; use true or false"
        raise ValueError(message)
    return value


def _aggregation(value: object) -> Aggregation:
    if value not in tuple(Aggregation):
        message = f"got {value!r}; use one of {', '.join(Aggregation)}"
        raise ValueError(message)
    return Aggregation(str(value))


def _baseline(value: object, features: str | None) -> tuple[BaselineRow, ...]:
    documents = value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else [value]
    if value and all(isinstance(document, dict) for document in documents):
        reader = FeatureReader(path=features)
        payloads = [Payload(json.dumps(document), "JSON") for document in documents]
        return tuple(tuple(row) for payload in payloads for row in reader.rows(payload))
    # One row may stand for itself: [1, 2] for [[1, 2]].
    rows = [value] if isinstance(value, list) and value and not isinstance(value[0], list) else value
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        message = "no list of rows; give rows of feature values, each a list, and no label"
        raise ValueError(message)
    if not all(isinstance(cell, str | int | float | None) for row in rows for cell in row):
        message = "a value is neither text nor a number; give rows of plain values"
        raise ValueError(message)
    return tuple(tuple(row) for row in rows)


def _features(value: object) -> tuple[str | int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str | int) for v in value):
        message = "no list of feature names or positions"
        raise ValueError(message)
    return tuple(value)


_READERS = {
    "num_clusters": _whole,
    "num_samples": _whole,
    "agg_method": _aggregation,
    "use_logit": _switch,
    "seed": _whole,
    "features_to_explain": _features,
    "save_local_shap_values": _switch,
}
