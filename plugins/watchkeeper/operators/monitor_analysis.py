"""Which analysis a monitor is."""

from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
from watchkeeper.registry.monitor_spec import MonitorName


def analysis_of(monitor: MonitorName) -> type[EndpointAnalysis]:
    """Return the class that judges windows for a monitor; ValueError for one that is not there yet.

    Imported here and not above, so that a task loads what its own monitor needs.
    """
    if monitor == "data_quality":
        from watchkeeper.operators.capture_analysis import DataQualityAnalysis

        return DataQualityAnalysis
    if monitor == "model_quality":
        from watchkeeper.operators.quality_analysis import ModelQualityAnalysis

        return ModelQualityAnalysis
    message = f"got the monitor {monitor!r}; use 'data_quality' or 'model_quality'"
    raise ValueError(message)
