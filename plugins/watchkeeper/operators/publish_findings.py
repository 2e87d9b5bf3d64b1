"""Tells people of a judged window, through SNS."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from watchkeeper.operators.monitor_base import MonitorOperator
from watchkeeper.operators.put_metrics import window_results
from watchkeeper.registry.capture_window import Period, Window
from watchkeeper.registry.monitor_spec import MonitorName
from watchkeeper.registry.window_rules import may_act

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class PublishFindingsOperator(MonitorOperator):
    """Publish the findings of a judged window to SNS: one message per endpoint, variant and window.

    Quiet where the window before told the very same findings, for windows that are too old to act on, and where the
    same result was told already. When a window is ok after one that was told of, a recovery is published.

    :param endpoint: The endpoint's registry id. (templated)
    :param window_start: Start of the window, as ISO 8601 text with its offset. (templated)
    :param window_end: End of the window. (templated)
    :param period: ``hourly`` or ``daily``.
    :param monitor: The monitor whose findings these are.
    :param act: ``True`` to publish however old the window is, ``False`` to publish nothing; ``None`` for windows
        that ended within ``act_within_hours`` only. (templated)
    """

    template_fields: "Sequence[str]" = (
        *MonitorOperator.template_fields,
        "endpoint",
        "window_start",
        "window_end",
        "act",
    )

    def __init__(
        self,
        *,
        endpoint: str,
        window_start: str,
        window_end: str,
        period: Period = "hourly",
        monitor: MonitorName = "data_quality",
        act: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.window_start = window_start
        self.window_end = window_end
        self.period = period
        self.monitor = monitor
        self.act = act

    def execute(self, context: "Context") -> dict[str, list[str]]:
        """Publish, and return which alerts were sent and which kept quiet; RuntimeError if one could not be sent."""
        from watchkeeper.operators.finding_alerts import AlertPublisher

        deployment = self.open_deployment()
        spec = deployment.registry.require(self.endpoint)
        hours = spec.alerts.act_within_hours
        within = deployment.settings.act_within_hours if hours is None else hours
        window = Window.parse(self.window_start, self.window_end)
        if not may_act(window, datetime.now(UTC), within, _switch(self.act)):
            self.log.info("%s ended more than %s hours ago: recorded silently", window, within)
            return {"sent": [], "quiet": []}
        run: Any = context.get("dag_run")
        publisher = AlertPublisher(
            deployment,
            dag_id=str(getattr(run, "dag_id", "") or ""),
            run_id=str(getattr(run, "run_id", "") or ""),
            airflow_url=conf.get("api", "base_url", fallback=None),
            tell=self.log.info,
        )
        report = publisher.publish(
            window_results(deployment, self.endpoint, self.window_start, self.window_end, self.period, self.monitor)
        )
        if report.faults:
            message = "; ".join(report.faults)
            raise RuntimeError(message)
        if report.without_topic:
            self.log.warning("No topic: set alerts.topic_arn in the endpoint's file, or WATCHKEEPER_TOPIC_ARN")
        return {"sent": list(report.sent), "quiet": list(report.quiet)}


def _switch(given: bool | str | None) -> bool | None:
    """Return what a templated switch says; ValueError for anything but true, false and none."""
    if given is None or isinstance(given, bool):
        return given
    known = {"true": True, "false": False, "none": None, "": None}
    text = given.strip().lower()
    if text not in known:
        message = f"act: got {given!r}; use true, false, or none for fresh windows only"
        raise ValueError(message)
    return known[text]
