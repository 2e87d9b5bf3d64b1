"""Model Monitor's ``statistics.json`` of a model's quality: derived from a state, written, and read back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.dataset_statistics import (
    DatasetStatistics,
    FeatureStatistics,
    StringStatistics,
    decode_statistics,
    statistics_document,
    statistics_of,
)
from watchkeeper.analysis.jackson_json import encode
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_metrics import METRICS, Metric, measure
from watchkeeper.analysis.quality_state import LABEL, PREDICTION, QualityState
from watchkeeper.analysis.score_curve import ScoreCurves, curves_of
from watchkeeper.errors import DocumentError


@dataclass(frozen=True)
class QualityStatistics:
    """The whole document.

    ``features`` are those of the label, the prediction and the probability, as data quality writes them: Model
    Monitor's own documents have none, and then drift of labels and predictions cannot be judged.
    """

    problem_type: ProblemType
    row_count: int
    metrics: Mapping[str, Metric]
    confusion: Mapping[str, Mapping[str, int]] | None = None
    curves: ScoreCurves | None = None
    features: Mapping[str, FeatureStatistics] = field(default_factory=dict)


def quality_statistics_of(state: QualityState, *, most_predicted: bool = False) -> QualityStatistics:
    """Return the statistics of labelled rows; ``most_predicted`` as `measure` has it."""
    confusion = None
    if state.confusion is not None and state.confusion.cells is not None:
        confusion = state.confusion.matrix(state.classes or ())
    return QualityStatistics(
        state.problem_type,
        state.row_count,
        measure(state, most_predicted=most_predicted),
        confusion,
        None if state.scores is None else curves_of(state.scores),
        quality_features(state),
    )


def quality_features(state: QualityState) -> dict[str, FeatureStatistics]:
    """Return the statistics of labels, predictions and probabilities; classes are text, whatever they look like."""
    if state.columns is None:
        return {}
    features = dict(statistics_of(state.columns).features)
    if state.problem_type is ProblemType.REGRESSION:
        return features
    for name in (LABEL, PREDICTION):
        column, found = state.columns.columns[name], features[name]
        categories = None if column.categories is None else dict(sorted(column.categories.items()))
        classes = StringStatistics(float(column.distinct.estimate()), categories)
        features[name] = FeatureStatistics(name, InferredType.STRING, found.present, found.missing, None, classes)
    return features


def encode_quality_statistics(statistics: QualityStatistics) -> bytes:
    """Return the document as the container writes it: ``{version, dataset, <kind>_metrics}``, then ``features``."""
    document: dict[str, object] = {
        "version": 0.0,
        "dataset": {"item_count": statistics.row_count},
        f"{statistics.problem_type.kind}_metrics": _metrics_document(statistics),
    }
    if statistics.features:
        features = DatasetStatistics(statistics.row_count, dict(statistics.features))
        document["features"] = statistics_document(features)["features"]
    return encode(document)


def _metrics_document(statistics: QualityStatistics) -> dict[str, object]:
    document: dict[str, object] = {}
    if statistics.confusion is not None:
        document["confusion_matrix"] = {actual: dict(row) for actual, row in statistics.confusion.items()}
    for name, metric in statistics.metrics.items():
        if name == "auc" and statistics.curves is not None:
            document |= _curves_document(statistics.curves)
        document[name] = {"value": metric.value, "standard_deviation": metric.standard_deviation}
    return document


def _curves_document(curves: ScoreCurves) -> dict[str, object]:
    return {
        _ROC: {
            "false_positive_rates": list(curves.false_positive_rates),
            "true_positive_rates": list(curves.true_positive_rates),
        },
        _PRECISION_RECALL: {"precisions": list(curves.precisions), "recalls": list(curves.recalls)},
    }


_ROC, _PRECISION_RECALL = "receiver_operating_characteristic_curve", "precision_recall_curve"
_Number = float | str | None


class _Metric(msgspec.Struct):
    value: _Number = None
    standard_deviation: _Number = None


class _Roc(msgspec.Struct):
    false_positive_rates: list[float] = []
    true_positive_rates: list[float] = []


class _PrecisionRecall(msgspec.Struct):
    precisions: list[float] = []
    recalls: list[float] = []


class _Dataset(msgspec.Struct):
    item_count: float = 0


class _Document(msgspec.Struct):
    dataset: _Dataset = msgspec.field(default_factory=_Dataset)
    regression_metrics: dict[str, Any] | None = None
    binary_classification_metrics: dict[str, Any] | None = None
    multiclass_classification_metrics: dict[str, Any] | None = None
    features: msgspec.Raw = msgspec.Raw()


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)
_REMEDY = "Expected Model Monitor's statistics.json: {version, dataset, binary_classification_metrics: {…}} or the like"


def decode_quality_statistics(data: bytes, source: str = "statistics.json") -> QualityStatistics:
    """Return the statistics in a document of ours or of Model Monitor's; unknown fields are ignored.

    Only the metrics need be there. A curve that is no list of numbers (a display's shortened text) is left out.

    Raises
    ------
    DocumentError
        when it is not such a document; the message says where and what was found.
    """
    try:
        document = _DOCUMENTS.decode(data)
        problem_type, found = _metrics_of(document)
        names = [name for name in METRICS[problem_type] if name in found]
        metrics = {name: _read_metric(found[name]) for name in names}
        confusion = msgspec.convert(found.get("confusion_matrix"), dict[str, dict[str, int]] | None)
        curves = _read_curves(found)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DocumentError(source, str(error), _REMEDY) from error
    features = decode_statistics(data, source).features if bytes(document.features) else {}
    return QualityStatistics(problem_type, int(document.dataset.item_count), metrics, confusion, curves, features)


def _metrics_of(document: _Document) -> tuple[ProblemType, dict[str, Any]]:
    for problem_type in ProblemType:
        found: dict[str, Any] | None = getattr(document, f"{problem_type.kind}_metrics")
        if found is not None:
            return problem_type, found
    message = "no metrics of a regression, a binary or a multiclass classification"
    raise ValueError(message)


def _read_metric(found: Any) -> Metric:
    metric = msgspec.convert(found, _Metric)
    return Metric(_float(metric.value), _float(metric.standard_deviation))


def _float(value: _Number) -> float | None:
    number = None if value is None else float(value)
    return None if number is None or number != number else number  # noqa: PLR0124 - not-a-number is "NaN" or null


def _read_curves(found: Mapping[str, Any]) -> ScoreCurves | None:
    try:
        roc = msgspec.convert(found.get(_ROC), _Roc | None)
        pr = msgspec.convert(found.get(_PRECISION_RECALL), _PrecisionRecall | None)
    except msgspec.ValidationError:
        return None
    if roc is None or pr is None:
        return None
    return ScoreCurves(
        tuple(roc.false_positive_rates), tuple(roc.true_positive_rates), tuple(pr.precisions), tuple(pr.recalls)
    )
