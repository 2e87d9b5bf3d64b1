"""Clarify's ``analysis_config.json`` (schema 1.0), read as it is, and what it says of bias."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from watchkeeper.analysis.bias_definition import (
    POST_TRAINING_METRICS,
    PRE_TRAINING_METRICS,
    BiasAttributes,
    Facet,
    Value,
)
from watchkeeper.errors import DocumentError

DATASET_TYPES = ("text/csv", "application/json", "application/jsonlines", "application/x-parquet")
_JSON_TYPES = ("application/json", "application/jsonlines")
_RENAMED = {"DCAcc": "DCA"}
_REMEDY = "Expected Clarify's analysis_config.json, schema 1.0"


@dataclass(frozen=True)
class ClarifyConfig:
    """What an ``analysis_config.json`` says.

    ``headers`` are all columns, the label's among them. ``label``, ``predicted_label`` and ``features`` are a column's
    name or index, or a JSONPath. ``excluded_columns`` and ``joinsource`` are columns that are no features.
    ``pre_training_metrics`` and ``post_training_metrics`` are those asked for, ``None`` where that stage is
    not. ``shap``, ``pdp``, ``report`` and ``predictor`` are as they stand.
    """

    dataset_type: str
    dataset_uri: str | None = None
    headers: tuple[str, ...] | None = None
    label: str | None = None
    features: str | None = None
    label_values_or_threshold: tuple[Value, ...] = ()
    facets: tuple[Facet, ...] = ()
    group_variable: str | None = None
    excluded_columns: tuple[str, ...] = ()
    joinsource: str | None = None
    predicted_label: str | None = None
    probability_threshold: float = 0.5
    pre_training_metrics: tuple[str, ...] | None = None
    post_training_metrics: tuple[str, ...] | None = None
    shap: Mapping[str, Any] | None = None
    pdp: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    predictor: Mapping[str, Any] | None = None

    @property
    def asks_for_bias(self) -> bool:
        """Whether metrics of bias are asked for."""
        return bool(self.pre_training_metrics or self.post_training_metrics)

    @property
    def label_header(self) -> str | None:
        """What the label's column is called: its own name, or in JSON the header that follows the features'."""
        trailing = self._trailing_headers
        return self._header(self.label) or (trailing[0] if self.label is not None and trailing else None)

    @property
    def input_columns(self) -> tuple[str, ...] | None:
        """The features in order: the headers without those of the label and of the predicted label."""
        if self.headers is None:
            return None
        others = {self.label_header, self._header(self.predicted_label)}
        if self.predicted_label is not None:
            others |= set(self._trailing_headers[-1:])
        return tuple(name for name in self.headers if name not in others)

    @property
    def is_json(self) -> bool:
        """Whether the dataset is JSON or JSON Lines."""
        return self.dataset_type in _JSON_TYPES

    @property
    def _trailing_headers(self) -> tuple[str, ...]:
        """In JSON, whose columns have paths and no names: the headers after the features', of labels asked for."""
        asked = (self.label is not None) + (self.predicted_label is not None)
        return self.headers[-asked:] if self.is_json and self.headers and asked else ()

    def _header(self, name: str | None) -> str | None:
        return None if name is None or self.headers is None else self._named(name, self.headers)

    def _named(self, name: str, columns: Sequence[str]) -> str | None:
        if name in columns:
            return name
        return columns[int(name)] if name.isdigit() and int(name) < len(columns) and not self.is_json else None

    def with_columns(self, columns: Sequence[str]) -> "ClarifyConfig":
        """Return the same with names where it has indices: they count all of a table's columns, the label's too."""

        def name(given: str) -> str:
            return self._named(given, columns) or given

        return replace(
            self,
            label=self.label and name(self.label),
            predicted_label=self.predicted_label and name(self.predicted_label),
            facets=tuple(replace(facet, name=name(facet.name)) for facet in self.facets),
            group_variable=self.group_variable and name(self.group_variable),
            excluded_columns=tuple(map(name, self.excluded_columns)),
            joinsource=self.joinsource and name(self.joinsource),
        )

    def bias_attributes(self, **others: Any) -> BiasAttributes:
        """Return how rows are read and told apart; ``others`` are laid over, such as where an endpoint's answers stand.

        Raises
        ------
        DocumentError
            when no metric of bias is asked for.
        ValueError
            as `BiasAttributes` does.
        """
        if not self.asks_for_bias:
            found = "methods has neither pre_training_bias nor post_training_bias"
            raise DocumentError("analysis_config.json", found, "Ask for one of them, or do not monitor bias by it")
        own: dict[str, Any] = {
            "label_values_or_threshold": self.label_values_or_threshold,
            "facets": self.facets,
            "group_variable": self.group_variable,
            "inference_attribute": self.predicted_label,
            "probability_threshold": self.probability_threshold,
            "ground_truth_attribute": self.label,
            "input_columns": self.input_columns,
            "features_attribute": self.features if self.is_json else None,
            "label_name": self.label_header or "label",
            "excluded_columns": (*self.excluded_columns, *((self.joinsource,) if self.joinsource else ())),
            "pre_training_metrics": self.pre_training_metrics or (),
            "post_training_metrics": self.post_training_metrics or (),
        }
        return BiasAttributes(**(own | others))


def read_clarify_config(document: bytes | Mapping[str, Any], source: str = "analysis_config.json") -> ClarifyConfig:
    """Return what a configuration says, as bytes or already decoded.

    Raises
    ------
    DocumentError
        listing every fault found; ``source`` names the document.
    """
    if not isinstance(document, Mapping):
        try:
            document = msgspec.json.decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DocumentError(source, f"it is no JSON ({error})", _REMEDY) from error
        if not isinstance(document, Mapping):
            raise DocumentError(source, "it is no JSON object", _REMEDY)
    reader = _Reader(document)
    config = reader.config()
    if reader.faults:
        found = "; ".join(reader.faults)
        count = len(reader.faults)
        raise DocumentError(source, found if count == 1 else f"{count} faults: {found}", _REMEDY)
    return config


class _Reader:
    """Reads field by field and notes what is wrong, so that all of it is told at once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.faults: list[str] = []

    def config(self) -> ClarifyConfig:
        methods = self._mapping(self._document, "methods") or {}
        if not methods:
            self.faults.append("methods is missing or empty: name at least one method")
        before = self._metrics(methods, "pre_training_bias", PRE_TRAINING_METRICS)
        after = self._metrics(methods, "post_training_bias", POST_TRAINING_METRICS)
        config = ClarifyConfig(
            self._dataset_type(),
            self._text("dataset_uri"),
            self._headers(),
            self._column("label"),
            self._text("features"),
            self._values(self._document.get("label_values_or_threshold"), "label_values_or_threshold"),
            self._facets(),
            self._column("group_variable"),
            self._columns("excluded_columns"),
            self._column("joinsource_name_or_index"),
            self._column("predicted_label"),
            self._probability_threshold(),
            before,
            after,
            self._mapping(methods, "shap", "methods."),
            self._mapping(methods, "pdp", "methods."),
            self._mapping(methods, "report", "methods."),
            self._mapping(self._document, "predictor"),
        )
        if before or after:
            self._require("label", config.label)
            self._require("label_values_or_threshold", config.label_values_or_threshold)
            self._require("facet", config.facets)
        return config

    def _require(self, field: str, value: object) -> None:
        if not value and field not in self._document:
            self.faults.append(f"{field} is missing, which bias needs")
        elif not value and self._document[field] in ([], None):
            self.faults.append(f"{field} is empty, which bias needs")

    def _fault(self, field: str, expected: str) -> None:
        self.faults.append(f"{field} is not {expected}")

    def _dataset_type(self) -> str:
        kind = self._document.get("dataset_type", "text/csv")
        if kind not in DATASET_TYPES:
            self._fault("dataset_type", f"one of {', '.join(DATASET_TYPES)}")
        return str(kind)

    def _text(self, field: str) -> str | None:
        value = self._document.get(field)
        if value is not None and not isinstance(value, str):
            self._fault(field, "text")
            return None
        return value

    def _name(self, value: object, field: str) -> str | None:
        """Return a column's name or index as text."""
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return str(value)
        self._fault(field, "a column's name or index")
        return None

    def _column(self, field: str) -> str | None:
        value = self._document.get(field)
        return None if value is None else self._name(value, field)

    def _columns(self, field: str) -> tuple[str, ...]:
        value = self._document.get(field)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            value = [value]
        names = [self._name(item, f"{field}[{position}]") for position, item in enumerate(value)]
        return tuple(name for name in names if name is not None)

    def _headers(self) -> tuple[str, ...] | None:
        value = self._document.get("headers")
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
            self._fault("headers", "a list of names")
            return None
        if len(set(value)) != len(value):
            self._fault("headers", "a list of different names")
        return tuple(value)

    def _values(self, value: object, field: str) -> tuple[Value, ...]:
        if value is None:
            return ()
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float | bool) for item in values):
            self._fault(field, "a list of plain values")
            return ()
        return tuple(values)

    def _facets(self) -> tuple[Facet, ...]:
        given = self._document.get("facet", [])
        given = [given] if isinstance(given, Mapping) else given
        if not isinstance(given, list):
            self._fault("facet", "a list of objects with a name_or_index")
            return ()
        facets: dict[str, Facet] = {}
        for position, item in enumerate(given):
            field = f"facet[{position}]"
            if not isinstance(item, Mapping):
                self._fault(field, "an object with a name_or_index")
                continue
            name = self._name(item.get("name_or_index"), f"{field}.name_or_index")
            values = self._values(item.get("value_or_threshold"), f"{field}.value_or_threshold")
            if name in facets:
                self._fault(f"{field}.name_or_index", "a facet of its own: it is named twice")
            if name is not None:
                facets[name] = Facet(name, values)
        return tuple(facets.values())

    def _probability_threshold(self) -> float:
        value = self._document.get("probability_threshold", 0.5)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            self._fault("probability_threshold", "a number from 0 to 1")
            return 0.5
        return float(value)

    def _mapping(self, document: Mapping[str, Any], field: str, prefix: str = "") -> Mapping[str, Any] | None:
        value = document.get(field)
        if value is not None and not isinstance(value, Mapping):
            self._fault(prefix + field, "an object")
            return None
        return value

    def _metrics(self, methods: Mapping[str, Any], field: str, known: tuple[str, ...]) -> tuple[str, ...] | None:
        stage = self._mapping(methods, field, "methods.")
        if stage is None:
            return None
        asked = stage.get("methods", "all")
        if asked in ("all", ["all"]):
            return known
        place = f"methods.{field}.methods"
        if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
            self._fault(place, "'all' or a list of metrics")
            return None
        names = {_RENAMED.get(str(name), str(name)) for name in asked}
        unknown = sorted(names - set(known))
        if unknown:
            self._fault(place, f"a list of known metrics: {', '.join(unknown)}; known are {', '.join(known)}")
        return tuple(name for name in known if name in names)
