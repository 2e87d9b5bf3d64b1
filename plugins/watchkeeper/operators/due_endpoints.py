"""Finds which endpoints have to be judged in a run, and for which windows."""

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.run_window import DueWork, RunScope, due_work, pack_work, read_scope
from watchkeeper.registry.capture_window import PERIOD_LENGTHS, Period, Window
from watchkeeper.registry.window_rules import MAKE_GOOD_WITHIN, backfill_command, verdict_gaps

if TYPE_CHECKING:
    import polars as pl
    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: Airflow refuses to map a task over more than core.max_map_length (1,024) items; some are left for safety.
PACK_LIMIT = 1000
#: How far back gaps are looked for that are too old to be made good by themselves.
GAP_DAYS = 14
MONITOR: Final = "data_quality"


class DueEndpointsOperator(MonitorOperator):
    """Return the work of a run as a list of mappings, each ``{"work": {endpoint: [window, …]}}``, one per task.

    Reads the registry and the ledger, so that an endpoint is added by adding a file. Files with faults are logged
    and left out; the run's last task fails for them. Gaps older than 48 hours are logged with the command that
    fills them.

    :param period: ``hourly`` or ``daily``.
    :param pack_limit: how many tasks to map at most; more endpoints are packed, several to a task.
    """

    def __init__(self, *, period: Period, pack_limit: int = PACK_LIMIT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.period = period
        self.pack_limit = pack_limit

    def execute(self, context: "Context") -> list[dict[str, dict[str, list[str]]]]:
        """Return the work, ready for ``expand_kwargs``."""
        with failing_at_once():
            deployment = self.open_deployment()
            scope = read_scope(context, self.period)
            chosen_specs(deployment, scope.endpoints, self.period)
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
        work, verdicts = find_due_work(deployment, scope, self.period)
        for item in work:
            made_good = [window for window in item.windows if window not in scope.windows]
            if made_good:
                self.log.info("%s: makes good %d windows without a verdict", item.endpoint, len(made_good))
        self._log_gaps(deployment, scope)
        packs = pack_work(work, usual_rows(verdicts), self.pack_limit)
        self.log.info("Endpoints due: %d, in tasks: %d", len(work), len(packs))
        return [{"work": pack} for pack in packs]

    def _log_gaps(self, deployment: Deployment, scope: RunScope) -> None:
        if not scope.makes_good:
            return
        until = scope.now - MAKE_GOOD_WITHIN - PERIOD_LENGTHS[self.period]
        recorded = {
            window
            for window in deployment.ledger.windows_recorded(MONITOR, until - timedelta(days=GAP_DAYS), until)
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
    deployment: Deployment, scope: RunScope, period: Period
) -> tuple[tuple[DueWork, ...], "pl.DataFrame | None"]:
    """Return a run's work, and the ledger's newest verdicts of the period (``None`` where they were not needed)."""
    specs = chosen_specs(deployment, scope.endpoints, period)
    if not scope.makes_good:
        return due_work(scope, period, specs, {}, ()), None
    since = scope.now - MAKE_GOOD_WITHIN - 2 * PERIOD_LENGTHS[period]
    verdicts = deployment.ledger.read(MONITOR, since, scope.now, period=period)
    judged = _judged_windows(verdicts, specs)
    started = {
        spec.registry_id
        for spec in specs
        if spec.registry_id in judged or deployment.baselines.has_any(spec.registry_id, MONITOR)
    }
    return due_work(scope, period, specs, judged, started), verdicts


def chosen_specs(deployment: Deployment, names: Collection[str], period: Period) -> tuple["EndpointSpec", ...]:
    """Return the sound endpoints that are watched over a period; of these only ``names`` if any are given.

    RegistryError names an endpoint that was asked for and has no sound file.
    """
    wanted = {name: deployment.registry.require(name) for name in names}
    watched = deployment.registry.watched(MONITOR, period)
    return tuple(spec for spec in watched if not wanted or spec.registry_id in wanted)


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
