"""Clarify's ``analysis.json`` of attributions: one number a feature and label, summed up over rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from watchkeeper.analysis.explanation import Explanation, Floats
from watchkeeper.analysis.shap_settings import Aggregation, ShapSettings
from watchkeeper.errors import DocumentError


@dataclass(frozen=True)
class LabelAttribution:
    """Of one label: each feature's global attribution, in the features' order, and the answer to the background."""

    global_shap_values: Mapping[str, float]
    expected_value: float


@dataclass(frozen=True)
class AttributionReport:
    """The whole document, by label."""

    labels: Mapping[str, LabelAttribution]


def attribution_report_of(
    explanation: Explanation, settings: ShapSettings | None = None, label_headers: Sequence[str] | None = None
) -> AttributionReport:
    """Return the report of local attributions; labels are ``label_headers``, else ``label0``, ``label1``, …

    Raises
    ------
    DocumentError
        when there are other headers than labels, a feature to explain is unknown, or there are no rows.
    """
    settings = settings or ShapSettings()
    if not explanation.row_count:
        raise DocumentError("analysis.json", "no row was explained", "Explain at least one row")
    headers = list(label_headers or (f"label{label}" for label in range(explanation.label_count)))
    if len(headers) != explanation.label_count:
        text = f"{len(headers)} label headers, where the model answers {explanation.label_count} numbers"
        raise DocumentError("label_headers", text, "Name each number that the model answers for a row")
    shown = shown_features(explanation.features, settings)
    values = aggregated(explanation.values, settings.agg_method)
    return AttributionReport(
        {
            header: LabelAttribution(
                {explanation.features[feature]: float(values[feature, label]) for feature in shown},
                float(explanation.expected_values[label]),
            )
            for label, header in enumerate(headers)
        }
    )


def shown_features(features: Sequence[str], settings: ShapSettings) -> list[int]:
    """Return the places of the features that ``settings`` have reported, in the features' order.

    Raises
    ------
    DocumentError
        when it names one that there is not.
    """
    wanted = settings.features_to_explain
    if wanted is None:
        return list(range(len(features)))
    known: dict[str | int, int] = {name: place for place, name in enumerate(features)}
    known |= {place: place for place in range(len(features))}
    unknown = [str(feature) for feature in wanted if feature not in known]
    if unknown:
        raise DocumentError("features_to_explain", f"no such feature: {', '.join(unknown)}", "Use names or positions")
    return sorted({known[feature] for feature in wanted})


def aggregated(values: Floats, method: Aggregation) -> Floats:
    """Return (rows × features × labels) summed up over rows as Clarify does."""
    match method:
        case Aggregation.MEAN_ABS:
            found = np.abs(values).mean(axis=0)
        case Aggregation.MEDIAN:
            found = np.median(values, axis=0)
        case Aggregation.MEAN_SQ:
            found = np.square(values).mean(axis=0)
    return np.asarray(found)


def attribution_document(report: AttributionReport) -> dict[str, Any]:
    """Return the document's value, whose ``explanations`` may be joined with bias metrics, as Clarify does.

    The key is ``kernel_shap`` however the numbers were found: readers of these files know no other.
    """
    labels = {
        label: {"global_shap_values": dict(found.global_shap_values), "expected_value": found.expected_value}
        for label, found in report.labels.items()
    }
    return {"version": "1.0", "explanations": {"kernel_shap": labels}}


def encode_attribution_report(report: AttributionReport) -> bytes:
    """Return the document as Clarify writes it: Python's JSON, indented by four."""
    return json.dumps(attribution_document(report), indent=4, ensure_ascii=False, allow_nan=False).encode()


class _Label(msgspec.Struct):
    global_shap_values: dict[str, float]
    expected_value: float


class _Explanations(msgspec.Struct):
    kernel_shap: dict[str, _Label]


class _Document(msgspec.Struct):
    explanations: _Explanations


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)


def decode_attribution_report(data: bytes, source: str = "analysis.json") -> AttributionReport:
    """Return the report in a document of ours or of Clarify's; what else it holds (bias, text, pdp) is passed over.

    Raises
    ------
    DocumentError
        when it is not such a document.
    """
    remedy = (
        "Expected Clarify's analysis.json: "
        "{version, explanations: {kernel_shap: {<label>: {global_shap_values: {<feature>: …}, expected_value}}}}"
    )
    try:
        labels = _DOCUMENTS.decode(data).explanations.kernel_shap
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DocumentError(source, str(error), remedy) from error
    empty = [label for label, found in labels.items() if not found.global_shap_values]
    if empty or not labels:
        raise DocumentError(source, "a label without features" if empty else "no label", remedy)
    if not all(math.isfinite(value) for found in labels.values() for value in found.global_shap_values.values()):
        raise DocumentError(source, "an attribution that is no finite number", remedy)
    return AttributionReport(
        {label: LabelAttribution(found.global_shap_values, found.expected_value) for label, found in labels.items()}
    )
