"""Which analysis a monitor is."""

from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
from watchkeeper.registry.monitor_spec import MonitorName


def analysis_of(monitor: MonitorName) -> type[EndpointAnalysis]:
    """Return the class that judges windows for a monitor.

    Imported here and not above, so that a task loads what its own monitor needs.
    """
    if monitor == "data_quality":
        from watchkeeper.operators.capture_analysis import DataQualityAnalysis

        return DataQualityAnalysis
    if monitor == "model_quality":
        from watchkeeper.operators.quality_analysis import ModelQualityAnalysis

        return ModelQualityAnalysis
    if monitor == "bias":
        from watchkeeper.operators.bias_analysis import BiasAnalysis

        return BiasAnalysis
    from watchkeeper.operators.explainability_analysis import ExplainabilityAnalysis

    return ExplainabilityAnalysis
