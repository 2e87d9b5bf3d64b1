"""Finds which endpoints have to be judged in a run, and for which windows."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.run_window import DueWork, RunScope, due_work, pack_monitors, read_scope
from watchkeeper.registry.capture_window import PERIOD_LENGTHS, Period, Window
from watchkeeper.registry.monitor_spec import CAPTURE_MONITORS, MonitorName
from watchkeeper.registry.window_rules import MAKE_GOOD_WITHIN, backfill_command, verdict_gaps

if TYPE_CHECKING:
    import polars as pl
    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: Airflow refuses to map a task over more than core.max_map_length (1,024) items; some are left for safety.
PACK_LIMIT = 1000
#: How far back gaps are looked for that are too old to be made good by themselves.
GAP_DAYS = 14


class DueEndpointsOperator(MonitorOperator):
    """Return the work of a run as a list of mappings: ``{"monitor": …, "work": {endpoint: [window, …]}}``, one a task.

    Reads the registry and the ledger, so that an endpoint is added by adding a file. Files with faults are logged
    and left out; the run's last task fails for them. Gaps older than 48 hours are logged with the command that
    fills them.

    :param period: ``hourly`` or ``daily``.
    :param monitors: The monitors that judge.
    :param pack_limit: how many tasks to map at most; more endpoints are packed, several to a task.
    """

    def __init__(
        self,
        *,
        period: Period,
        monitors: "Sequence[MonitorName]" = CAPTURE_MONITORS,
        pack_limit: int = PACK_LIMIT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.period = period
        self.monitors = tuple(monitors)
        self.pack_limit = pack_limit

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Return the work, ready for ``expand_kwargs``."""
        with failing_at_once():
            deployment = self.open_deployment()
            scope = read_scope(context, self.period)
            for name in scope.endpoints:
                deployment.registry.require(name)
        self.log.info("This run judges the %s (%s: %d)", scope.choice, self.period, len(scope.windows))
        for problem in deployment.registry.problems:
            self.log.error("Left out for a fault in its file: %s", problem)
        if deployment.settings.pool != "default_pool":
            self.log.info(
                "The analysis runs in pool %r. If it stays scheduled, the pool does not exist (Airflow shows a warning "
                "on the DAG); make it: airflow pools set %s 8 watchkeeper",
                deployment.settings.pool,
                deployment.settings.pool,
            )
        work: dict[MonitorName, tuple[DueWork, ...]] = {}
        rows: dict[MonitorName, dict[str, float]] = {}
        for monitor in self.monitors:
            work[monitor], verdicts = find_due_work(deployment, scope, self.period, monitor)
            rows[monitor] = usual_rows(verdicts)
            for item in work[monitor]:
                made_good = [window for window in item.windows if window not in scope.windows]
                if made_good:
                    told = (item.endpoint, monitor, len(made_good))
                    self.log.info("%s, %s: makes good %d windows without a verdict", *told)
            if work[monitor]:
                self._log_gaps(deployment, scope, monitor)
                self.log.info("%s: %d endpoints are due", monitor, len(work[monitor]))
        return pack_monitors(work, rows, self.pack_limit)

    def _log_gaps(self, deployment: Deployment, scope: RunScope, monitor: MonitorName) -> None:
        if not scope.makes_good:
            return
        until = scope.now - MAKE_GOOD_WITHIN - PERIOD_LENGTHS[self.period]
        recorded = {
            window
            for window in deployment.ledger.windows_recorded(monitor, until - timedelta(days=GAP_DAYS), until)
            if window.period == self.period
        }
        if not recorded:
            return
        for gap in verdict_gaps(self.period, min(recorded).start, until, recorded):
            self.log.warning(
                "No verdict between %s, too long ago to be made good by itself. Fill it: %s",
                gap,
                backfill_command(scope.dag_id, self.period, gap),
            )


def find_due_work(
    deployment: Deployment, scope: RunScope, period: Period, monitor: MonitorName
) -> tuple[tuple[DueWork, ...], "pl.DataFrame | None"]:
    """Return a monitor's work, and the ledger's newest verdicts of the period (``None`` where they were not needed)."""
    watched = deployment.registry.watched(monitor, period)
    specs = tuple(spec for spec in watched if not scope.endpoints or spec.registry_id in scope.endpoints)
    if not scope.makes_good or not specs:
        return due_work(scope, period, specs, {}, ()), None
    since = scope.now - MAKE_GOOD_WITHIN - 2 * PERIOD_LENGTHS[period]
    verdicts = deployment.ledger.read(monitor, since, scope.now, period=period)
    judged = _judged_windows(verdicts, specs)
    started = {
        spec.registry_id
        for spec in specs
        if spec.registry_id in judged or deployment.baselines.has_any(spec.registry_id, monitor)
    }
    return due_work(scope, period, specs, judged, started), verdicts


def usual_rows(verdicts: "pl.DataFrame | None") -> dict[str, float]:
    """Return each endpoint's mean rows per window, as the ledger has them."""
    import polars as pl

    if verdicts is None or verdicts.is_empty():
        return {}
    means = verdicts.group_by("endpoint").agg(pl.col("row_count").mean())
    return {endpoint: rows or 0.0 for endpoint, rows in means.iter_rows()}


def _judged_windows(verdicts: "pl.DataFrame", specs: Collection["EndpointSpec"]) -> dict[str, set[Window]]:
    seen: dict[str, dict[Window, set[str]]] = {}
    columns = ("endpoint", "variant", "window_start", "window_end")
    for endpoint, variant, start, end in verdicts.select(columns).iter_rows():
        seen.setdefault(endpoint, {}).setdefault(Window(start, end), set()).add(variant)
    return {
        spec.registry_id: {
            window for window, variants in seen[spec.registry_id].items() if variants >= set(spec.variants)
        }
        for spec in specs
        if spec.registry_id in seen
    }
