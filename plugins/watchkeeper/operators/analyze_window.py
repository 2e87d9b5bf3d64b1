"""Judges windows of endpoints against their baselines."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from watchkeeper.errors import (
    RegistryError,
    WatchkeeperError,
)
from watchkeeper.operators.monitor_base import LASTING_ERRORS, MonitorOperator, failing_at_once
from watchkeeper.registry.capture_window import Period, Window, parse_moment, windows_between
from watchkeeper.registry.monitor_spec import MonitorName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
    from watchkeeper.registry.endpoint_spec import EndpointSpec


class AnalyzeWindowOperator(MonitorOperator):
    """Judge windows of one or several endpoints, and write results, documents and states to the report store.

    Each endpoint, variant and window is judged for itself: one that cannot be judged is recorded as ``failed`` with
    its reason (at the last try, where another one may help), the others go on, and the task fails at its end. The
    verdict ``failed`` fails the task too; ``violated`` does not. The same verdict is never written twice.

    Give either ``endpoint`` with a range, or ``work``.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param window_start: Start of the range, as ISO 8601 text with its offset. (templated)
    :param window_end: End of the range. (templated)
    :param work: Window names by endpoint, as ``DueEndpointsOperator`` returns them. (templated)
    :param period: ``hourly`` or ``daily``: into which windows the range falls.
    :param monitor: Model Monitor's name of the monitor that judges.
    :param baseline: ``in_force`` for the baseline that was in force at the window, ``current`` for today's. (templated)
    """

    template_fields: "Sequence[str]" = (
        *MonitorOperator.template_fields,
        "endpoint",
        "window_start",
        "window_end",
        "work",
        "baseline",
    )
    ui_color = "#e6f4e1"

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        window_start: str | None = None,
        window_end: str | None = None,
        work: dict[str, list[str]] | None = None,
        period: Period = "hourly",
        monitor: MonitorName = "data_quality",
        baseline: str = "in_force",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.window_start = window_start
        self.window_end = window_end
        self.work = work
        self.period = period
        self.monitor = monitor
        self.baseline = baseline
        self._analysis: EndpointAnalysis | None = None
        self._is_killed = False

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI: its endpoint, how many others it carries, and the monitor."""
        names = list(self.work) if isinstance(self.work, dict) else [self.endpoint or ""]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"{names[0]}{more} {self.monitor}" if names else ""

    def execute(self, context: "Context") -> None:
        """Judge everything that is asked for; AirflowFailException where another try cannot help."""
        from watchkeeper.operators.monitor_analysis import analysis_of

        with failing_at_once():
            deployment = self.open_deployment()
            requested = self._requested()
        task_instance: Any = context.get("ti")
        last_try = task_instance is None or task_instance.try_number > task_instance.max_tries
        run = context.get("dag_run")
        run_id, dag_id = (str(getattr(run, name, "") or "") for name in ("run_id", "dag_id"))
        faults: list[str] = []
        may_pass_later = False
        for endpoint, windows in requested.items():
            try:
                spec = deployment.registry.require(endpoint)
            except RegistryError as error:
                faults.append(str(error))
                continue
            self._analysis = analysis = analysis_of(self.monitor)(
                deployment, spec, run_id, self.baseline, self.log.info, self.log.warning, dag_id
            )
            try:
                for variant, window in _each(spec, windows):
                    self._stop_if_killed()
                    fault, passing = self._analyze_one(analysis, variant, window, last_try=last_try)
                    if fault:
                        faults.append(fault)
                        may_pass_later = may_pass_later or passing
            finally:
                faults += self._closed(analysis)
        if faults:
            message = f"{len(faults)} of the windows failed:\n" + "\n".join(f"  {fault}" for fault in faults)
            raise (AirflowException if may_pass_later else AirflowFailException)(message)

    def _closed(self, analysis: "EndpointAnalysis") -> list[str]:
        """Give back what the analysis holds; return what went wrong, which must not take other endpoints with it."""
        try:
            analysis.close()
        except Exception as error:
            self.log.exception("%s: what the analysis held could not be given back", analysis.spec.registry_id)
            return [f"{analysis.spec.registry_id}: {failure_reason(error)}"]
        return []

    def on_kill(self) -> None:
        """Give back what the analysis holds: an endpoint of its own costs money until somebody deletes it.

        Airflow lets the task go on after this: it stops where it is, and records no failure of what was being judged.
        """
        self._is_killed = True
        if self._analysis is not None:
            self._analysis.kill()

    def _analyze_one(self, analysis: Any, variant: str, window: Window, *, last_try: bool) -> tuple[str | None, bool]:
        """Judge one window; return what went wrong, and whether another try may help."""
        name = f"{analysis.spec.registry_id}/{variant} {window}"
        try:
            skipped = analysis.skipped(variant, window)
            if skipped is not None:
                self.log.info("%s: %s", name, skipped.reason)
                return None, False
            result = analysis.analyze(variant, window)
        except Exception as error:
            self._stop_if_killed()
            # One window's failure must not take the others with it, whatever it is.
            reason = failure_reason(error)
            self.log.exception("%s could not be judged", name)
            lasting = isinstance(error, LASTING_ERRORS)
            if lasting or last_try:
                self._record_failure(analysis, variant, window, reason)
            return f"{name}: {reason}", not lasting
        if result.verdict == "failed":
            return f"{name}: {result.reason}", False
        return None, False

    def _stop_if_killed(self) -> None:
        if self._is_killed:
            message = "the task was killed"
            raise AirflowException(message)

    def _record_failure(self, analysis: Any, variant: str, window: Window, reason: str) -> None:
        try:
            analysis.record_failure(variant, window, reason)
        except Exception:
            # The store itself may be what fails; the report then says that there is no result.
            self.log.exception("The failure of %s %s could not be recorded", analysis.spec.registry_id, window)

    def _requested(self) -> dict[str, list[Window]]:
        if self.work is not None:
            return {name: [Window.from_name(window) for window in windows] for name, windows in self.work.items()}
        if not (self.endpoint and self.window_start and self.window_end):
            message = "give endpoint, window_start and window_end, or work"
            raise ValueError(message)
        start, end = parse_moment(self.window_start), parse_moment(self.window_end)
        windows = windows_between(self.period, start, min(end, datetime.now(UTC)))
        return {self.endpoint: list(windows)}


def failure_reason(error: Exception) -> str:
    """Return one line that says what went wrong; of foreign errors the kind and AWS's code, never payload text."""
    if isinstance(error, WatchkeeperError):
        return " ".join(str(error).split())
    code = getattr(error, "response", {}).get("Error", {}).get("Code") if hasattr(error, "response") else None
    operation = getattr(error, "operation_name", None)
    if code:
        return f"AWS answered {code}" + (f" to {operation}" if operation else "")
    return f"{type(error).__name__}; the task's log has the details"


def _each(spec: "EndpointSpec", windows: list[Window]) -> list[tuple[str, Window]]:
    return [(variant, window) for window in windows for variant in spec.variants]
