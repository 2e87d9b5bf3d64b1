"""The metric points of a window: a summary under our namespace, Model Monitor's own per feature by option."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.analysis.metric_name import dimension_value
from watchkeeper.aws.report_store import ReportStore
from watchkeeper.aws.window_result import WindowResult
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from watchkeeper.analysis.feature_metrics import StatisticSet

_SUMMARY_NAMES = {
    "data_quality": "DataQuality",
    "model_quality": "ModelQuality",
    "bias": "Bias",
    "explainability": "Explainability",
}
_RUN_NAME = "Runs"
#: Model Monitor's own, so that existing dashboards and alarms go on.
FEATURE_NAMESPACES = {
    "data_quality": "aws/sagemaker/Endpoints/data-metrics",
    "model_quality": "aws/sagemaker/Endpoints/model-metrics",
    "bias": "aws/sagemaker/Endpoints/bias-metrics",
    "explainability": "aws/sagemaker/Endpoints/explainability-metrics",
}
#: CloudWatch refuses older points.
OLDEST_POINT = timedelta(weeks=2)


def summary_namespace(root: str, monitor: str) -> str:
    """Return the namespace of a monitor's summaries, such as ``Watchkeeper/DataQuality``."""
    return f"{root}/{_SUMMARY_NAMES[monitor]}"


def run_namespace(root: str) -> str:
    """Return the namespace of what is said about runs rather than windows."""
    return f"{root}/{_RUN_NAME}"


def schedule_dimensions(
    endpoint: str, endpoint_name: str, variant: str, monitor: str, period: str
) -> list[dict[str, str]]:
    """Return the dimensions of a monitor's summaries: of one variant, over hours or days."""
    schedule = ReportStore.schedule(endpoint, monitor, period)
    return _dimensions(Endpoint=endpoint_name, Variant=variant, MonitoringSchedule=schedule)


def summary_points(result: WindowResult) -> list[dict[str, Any]]:
    """Return the window's summary: rows, violations, worst distance and its feature's rank, coverage, NDCG, time taken.

    Dimensions are Endpoint, Variant and MonitoringSchedule; the timestamp is the window's start, as Model Monitor's.
    What is not known is left out, never sent as a zero.
    """
    figures = (
        ("RowCount", result.row_count, "Count"),
        ("ViolationCount", result.violated_count if result.verdict in {"ok", "violated"} else None, "Count"),
        ("WorstDistance", result.worst_distance, "None"),
        ("LabelCoverage", result.label_coverage, "None"),
        ("NDCG", result.metrics.get("ndcg"), "None"),
        ("WorstDistanceFeatureRank", result.worst_distance_rank, "None"),
        ("AnalysisTime", result.analysis_seconds, "Seconds"),
    )
    dimensions = schedule_dimensions(
        result.endpoint, result.endpoint_name, result.variant, result.monitor, result.period
    )
    return [
        _point(name, dimensions, result, Value=float(value), Unit=unit)
        for name, value, unit in figures
        if value is not None
    ]


def feature_points(result: WindowResult, statistics: bytes | None) -> list[dict[str, Any]]:
    """Return Model Monitor's metrics per feature, from the window's ``statistics.json`` and its distances.

    Names and figures are those of `feature_metrics`; dimensions Endpoint and MonitoringSchedule, as Model Monitor's.
    """
    # Here and not above: the triggerer and the parser import this module, and numpy is heavy.
    from watchkeeper.analysis.dataset_statistics import DatasetStatistics, decode_statistics
    from watchkeeper.analysis.feature_metrics import feature_metrics

    schedule = ReportStore.schedule(result.endpoint, result.monitor, result.period)
    dimensions = _dimensions(Endpoint=result.endpoint_name, MonitoringSchedule=schedule)
    known = decode_statistics(statistics) if statistics else DatasetStatistics(0, {})
    return [
        _point(metric.name, dimensions, result, **_figures(metric.value))
        for metric in feature_metrics(known, result.distances)
    ]


def model_points(result: WindowResult) -> list[dict[str, Any]]:
    """Return Model Monitor's metrics of a judged model: every metric, and the number of violations."""
    from watchkeeper.analysis.quality_points import quality_points

    if result.verdict not in {"ok", "violated"}:
        return []
    schedule = ReportStore.schedule(result.endpoint, result.monitor, result.period)
    dimensions = _dimensions(Endpoint=result.endpoint_name, MonitoringSchedule=schedule)
    found = quality_points(result.metrics, result.violated_count)
    return [_point(point.name, dimensions, result, Value=point.value) for point in found]


def clarify_points(result: WindowResult, analysis: bytes | None) -> list[dict[str, Any]]:
    """Return SageMaker Clarify's metrics of a window, from its ``analysis.json``; none without one."""
    from watchkeeper.analysis.clarify_metrics import attribution_points, bias_points

    if analysis is None:
        return []
    schedule = ReportStore.schedule(result.endpoint, result.monitor, result.period)
    dimensions = {"Endpoint": result.endpoint_name, "MonitoringSchedule": schedule}
    points = bias_points if result.monitor == "bias" else attribution_points
    return points(analysis, dimensions, Window.from_name(result.window).start)


def _figures(value: "float | StatisticSet") -> dict[str, Any]:
    if isinstance(value, float):
        return {"Value": value}
    return {
        "StatisticValues": {
            "SampleCount": value.sample_count,
            "Sum": value.total,
            "Minimum": value.minimum,
            "Maximum": value.maximum,
        }
    }


def heartbeat_point(dag_id: str, moment: datetime) -> dict[str, Any]:
    """Return the point that says that a run of a DAG came to its end; its absence is what to alarm on."""
    return {
        "MetricName": "Heartbeat",
        "Dimensions": _dimensions(Dag=dag_id),
        "Timestamp": moment,
        "Value": 1.0,
        "Unit": "Count",
    }


def is_too_old(result: WindowResult, now: datetime) -> bool:
    """Return whether CloudWatch would refuse points of this window for their age (two weeks)."""
    return now - Window.from_name(result.window).start >= OLDEST_POINT


def _point(name: str, dimensions: list[dict[str, str]], result: WindowResult, **figures: Any) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": dimensions,
        "Timestamp": Window.from_name(result.window).start,
        **figures,
    }


def _dimensions(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": dimension_value(value)} for name, value in values.items()]
