"""Model Monitor's ``constraints.json``: what a baseline demands of a window, read, written and overridden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec

from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.jackson_json import encode
from watchkeeper.errors import DocumentError


@dataclass(frozen=True)
class MonitoringConfig:
    """Which checks run, and their thresholds; the defaults are those of the container's own files."""

    evaluate_constraints: bool = True
    emit_metrics: bool = True
    datatype_check_threshold: float = 1.0
    domain_content_threshold: float = 1.0
    perform_comparison: bool = True
    comparison_threshold: float = 0.1
    comparison_method: str = "Robust"
    categorical_comparison_threshold: float = 0.1
    categorical_drift_method: str = "LInfinity"


CONFIG_FIELDS = frozenset(item.name for item in fields(MonitoringConfig))
_COMPARISON_FIELDS = (
    "perform_comparison",
    "comparison_threshold",
    "comparison_method",
    "categorical_comparison_threshold",
    "categorical_drift_method",
)


@dataclass(frozen=True)
class FeatureConstraints:
    """What is demanded of one feature; ``overrides`` are `MonitoringConfig` fields that hold for it alone.

    ``stated`` names the limits that a person wrote down, in an endpoint's file or as an override: they are taken at
    their word, where a limit that is only what the baseline happened to show leaves room for chance.
    """

    name: str
    inferred_type: InferredType
    completeness: float | None = None
    is_non_negative: bool | None = None
    domains: tuple[str, ...] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ConstraintSet:
    """The whole document, features in column order."""

    features: dict[str, FeatureConstraints]
    config: MonitoringConfig = MonitoringConfig()

    def config_of(self, feature: str) -> MonitoringConfig:
        """Return the configuration that holds for one feature: the document's under the feature's overrides."""
        return replace(self.config, **self.features[feature].overrides)

    def without(self, names: Sequence[str]) -> "ConstraintSet":
        """Return the constraints of the other features."""
        kept = {name: feature for name, feature in self.features.items() if name not in names}
        return replace(self, features=kept)


def with_overrides(
    constraints: ConstraintSet,
    thresholds: Mapping[str, Any],
    features: Mapping[str, Mapping[str, Any]],
) -> ConstraintSet:
    """Return ``constraints`` under a registry file's rules, which win over the document's.

    ``thresholds`` are `MonitoringConfig` fields for all features, above overrides inside the document;
    ``features`` holds such fields and ``completeness`` for single features, above everything else. A feature that
    the document does not know is ignored: the file may name columns that a later baseline brings.
    """
    updated = {}
    for name, feature in constraints.features.items():
        own = dict(features.get(name, {}))
        stated = feature.stated | thresholds.keys() | own.keys()
        completeness = own.pop("completeness", feature.completeness)
        kept = {key: value for key, value in feature.overrides.items() if key not in thresholds}
        updated[name] = replace(feature, completeness=completeness, overrides=kept | own, stated=stated)
    return ConstraintSet(updated, replace(constraints.config, **thresholds))


def encode_constraints(constraints: ConstraintSet) -> bytes:
    """Return the document as the container writes it; overrides are written at feature level."""
    return encode(
        {
            "version": 0.0,
            "features": [_feature_document(feature) for feature in constraints.features.values()],
            "monitoring_config": _config_document(vars(constraints.config)),
        }
    )


def _feature_document(feature: FeatureConstraints) -> dict[str, object]:
    document: dict[str, object] = {"name": feature.name, "inferred_type": feature.inferred_type.value}
    if feature.completeness is not None:
        document["completeness"] = feature.completeness
    if feature.is_non_negative is not None:
        document["num_constraints"] = {"is_non_negative": feature.is_non_negative}
    if feature.domains is not None:
        document["string_constraints"] = {"domains": list(feature.domains)}
    if feature.overrides:
        document["monitoringConfigOverrides"] = _config_document(feature.overrides)
    return document


def _config_document(values: Mapping[str, Any]) -> dict[str, object]:
    text = {key: _switch(value) if isinstance(value, bool) else value for key, value in values.items()}
    document: dict[str, object] = {key: value for key, value in text.items() if key not in _COMPARISON_FIELDS}
    comparison = {key: text[key] for key in _COMPARISON_FIELDS if key in text}
    return document | ({"distribution_constraints": comparison} if comparison else {})


def _switch(value: bool) -> str:
    return "Enabled" if value else "Disabled"


class _Limits(msgspec.Struct):
    is_non_negative: bool | None = None
    domains: list[str] | None = None
    monitoring_config_overrides: dict[str, Any] | None = None
    camel_overrides: dict[str, Any] | None = msgspec.field(default=None, name="monitoringConfigOverrides")


class _Feature(msgspec.Struct):
    name: str
    inferred_type: str
    completeness: float | None = None
    num_constraints: _Limits | None = None
    string_constraints: _Limits | None = None
    monitoring_config_overrides: dict[str, Any] | None = None
    camel_overrides: dict[str, Any] | None = msgspec.field(default=None, name="monitoringConfigOverrides")


class _Document(msgspec.Struct):
    features: list[_Feature]
    monitoring_config: dict[str, Any] = {}


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)


def decode_constraints(data: bytes, source: str = "constraints.json") -> ConstraintSet:
    """Return the constraints in a document of ours or of Model Monitor's; unknown keys are ignored.

    Overrides are taken in both spellings (``monitoringConfigOverrides``, ``monitoring_config_overrides``), at
    feature level and inside ``num_constraints`` and ``string_constraints``.

    Raises
    ------
    DocumentError
        when it is not such a document; the message says where and what was found.
    """
    try:
        document = _DOCUMENTS.decode(data)
        features = {feature.name: _read_feature(feature) for feature in document.features}
        config = MonitoringConfig(**_read_config(document.monitoring_config))
    except (msgspec.MsgspecError, ValueError) as error:
        remedy = "Expected Model Monitor's constraints.json: {version, features: [{name, inferred_type, …}], …}"
        raise DocumentError(source, str(error), remedy) from error
    return ConstraintSet(features, config)


def _read_feature(feature: _Feature) -> FeatureConstraints:
    overrides: dict[str, Any] = {}
    numbers, strings = feature.num_constraints, feature.string_constraints
    for place in (numbers, strings, feature):
        if place is not None:
            overrides |= _read_config(place.monitoring_config_overrides or {})
            overrides |= _read_config(place.camel_overrides or {})
    domains = strings.domains if strings else None
    return FeatureConstraints(
        feature.name,
        InferredType(feature.inferred_type),
        feature.completeness,
        numbers.is_non_negative if numbers else None,
        None if domains is None else tuple(domains),
        overrides,
        frozenset(overrides),
    )


_SWITCHES = frozenset({"evaluate_constraints", "emit_metrics", "perform_comparison"})
_CHOICES = {"comparison_method": ("Robust", "Simple"), "categorical_drift_method": ("LInfinity", "ChiSquared")}


def _read_config(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known fields of a ``monitoring_config`` or an override, checked."""
    nested = found.get("distribution_constraints") or {}
    flat = {**found, **nested} if isinstance(nested, Mapping) else dict(found)
    return {key: _read_value(key, value) for key, value in flat.items() if key in CONFIG_FIELDS}


def _read_value(key: str, value: object) -> object:
    if key in _SWITCHES:
        if value not in ("Enabled", "Disabled", True, False):
            message = f"{key}: got {value!r}; use 'Enabled' or 'Disabled'"
            raise ValueError(message)
        return value in ("Enabled", True)
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            message = f"{key}: got {value!r}; use one of {', '.join(_CHOICES[key])}"
            raise ValueError(message)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{key}: got {value!r}; use a number"
        raise ValueError(message)
    return float(value)
