"""Waits until a window's capture has settled."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, conf

from watchkeeper.aws.capture_trigger import CaptureSettledTrigger
from watchkeeper.operators.run_window import read_scope
from watchkeeper.registry.capture_window import Period, moment_text, parse_moment
from watchkeeper.registry.monitor_spec import CAPTURE_MONITORS
from watchkeeper.registry.window_rules import settled_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class WaitForCaptureSensor(BaseSensorOperator):
    """Wait until a window is over and its capture's last files have had time to appear.

    Endpoints flush captured files a minute or two late. The sensor passes at once, without deferring, when that
    time is already over, as in a backfill.

    :param window_end: when the window ends, as ISO 8601 text with its offset; ``None`` for the end of the run's
        window (its params, else its data interval, else the last complete window). (templated)
    :param period: ``hourly`` or ``daily``: which window is meant when ``window_end`` is not given.
    :param grace_minutes: how long to wait after the window's end; ``None`` for the longest that any endpoint's file
        asks for. (templated)
    :param deferrable: wait in the triggerer rather than in a worker.
    """

    template_fields: "Sequence[str]" = ("window_end", "grace_minutes")

    def __init__(
        self,
        *,
        window_end: str | None = None,
        period: Period = "hourly",
        grace_minutes: float | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.window_end = window_end
        self.period = period
        self.grace_minutes = grace_minutes
        self.deferrable = deferrable

    def execute(self, context: "Context") -> None:
        """Return when the capture is settled; deferrable, unless it is settled already."""
        moment = self.settled_moment(context)
        if moment <= datetime.now(UTC):
            self.log.info("The capture settled at %s", moment_text(moment))
            return
        self.log.info("The capture settles at %s", moment_text(moment))
        if self.deferrable:
            # A laptop may sleep and a triggerer restart: the timeout is for what never comes back.
            self.defer(
                trigger=CaptureSettledTrigger(moment=moment_text(moment)),
                method_name="execute_complete",
                timeout=moment - datetime.now(UTC) + timedelta(hours=1),
            )
        super().execute(context)

    def poke(self, context: "Context") -> bool:
        """Return whether the capture is settled."""
        return self.settled_moment(context) <= datetime.now(UTC)

    def execute_complete(self, context: "Context", event: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Come back from the trigger."""
        if not event or event.get("status") != "success":
            message = f"Waiting for the capture ended with {event!r}; expected the status success"
            raise RuntimeError(message)
        self.log.info("The capture settled at %s", event.get("moment"))

    def settled_moment(self, context: "Context") -> datetime:
        """Return when the window's capture is settled."""
        grace = timedelta(minutes=self._grace())
        if self.window_end is not None:
            return parse_moment(self.window_end) + grace
        return settled_at(read_scope(context, self.period).windows[-1], grace.total_seconds() / 60)

    def _grace(self) -> float:
        if self.grace_minutes is not None:
            return float(self.grace_minutes)
        from watchkeeper.operators.monitor_base import open_deployment

        registry = open_deployment().registry
        watched = [spec for monitor in CAPTURE_MONITORS for spec in registry.watched(monitor, self.period)]
        return max((float(spec.grace_minutes) for spec in watched), default=0.0)
