"""Finds which windows can be judged, or judged anew, by the labels that have come or the time that has passed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.run_window import DueWork, RunScope, due_moment, pack_monitors, scope_of
from watchkeeper.registry.capture_window import Window, hour_floor, windows_between
from watchkeeper.registry.monitor_spec import LABEL_MONITORS, MonitorName
from watchkeeper.registry.window_rules import MAKE_GOOD_WITHIN, run_window, settled_at

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from watchkeeper.aws.merged_store import MergedFolder
    from watchkeeper.registry.endpoint_spec import EndpointSpec

PACK_LIMIT = 1000
_READERS = 8

Known = Mapping[tuple[str, str, Window], tuple[str, str | None]]
"""Verdict and merge digest of the newest revision, by endpoint, variant and window."""


class RipeWindowsOperator(MonitorOperator):
    """Return the windows of label monitors that are due, as ``DueEndpointsOperator`` does for those of time.

    What there is to do is worked out from the merged hours and the ledger: windows of which labels have come since
    they were judged, whose waiting time is over, or that have no verdict yet. The run's params ``window_start`` and
    ``window_end`` name windows instead.

    :param monitors: The monitors that judge labels.
    :param pack_limit: how many tasks to map at most; more endpoints are packed, several to a task.
    """

    def __init__(
        self, *, monitors: Sequence[MonitorName] = LABEL_MONITORS, pack_limit: int = PACK_LIMIT, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.monitors = tuple(monitors)
        self.pack_limit = pack_limit

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Return the work, ready for ``expand_kwargs``."""
        with failing_at_once():
            deployment = self.open_deployment()
            scope = read_label_scope(context)
            for name in scope.endpoints:
                deployment.registry.require(name)
        for problem in deployment.registry.problems:
            self.log.error("Left out for a fault in its file: %s", problem)
        work = {monitor: find_ripe_work(deployment, scope, monitor) for monitor in self.monitors}
        for monitor, items in work.items():
            for item in items:
                told = (item.endpoint, monitor, len(item.windows), *_ends(item.windows))
                self.log.info("%s, %s: %d windows, from %s to %s", *told)
        if not any(work.values()):
            self.log.info("No window is due: no label has come and no waiting time has ended since the last run")
        return pack_monitors(work, {}, self.pack_limit)


def read_label_scope(context: "Context") -> RunScope:
    """Return what a run of a label monitor is about: the windows of its params, else whatever is due (``()``)."""
    params = dict(context.get("params") or {})
    if not (params.get("window_start") or params.get("window_end")):
        return scope_of(context, None, (), makes_good=True)
    choice = run_window("hourly", params, None, due_moment(context))
    windows = [
        window
        for period in ("hourly", "daily")
        for window in windows_between(period, choice.window.start, choice.window.end)
    ]
    if not windows:
        message = f"got {choice}, which holds no whole hour; widen window_start and window_end"
        raise ValueError(message)
    return scope_of(context, choice, tuple(windows), makes_good=False)


def find_ripe_work(deployment: Deployment, scope: RunScope, monitor: MonitorName) -> tuple[DueWork, ...]:
    """Return each endpoint's windows that are due, oldest first; endpoints without any are left out."""
    specs = [
        spec
        for spec in deployment.registry.labelled()
        if spec.periods_of(monitor) and (not scope.endpoints or spec.registry_id in scope.endpoints)
    ]
    if scope.windows:
        asked = [(spec, [w for w in scope.windows if w.period in spec.periods_of(monitor)]) for spec in specs]
        return tuple(DueWork(spec.registry_id, tuple(sorted(windows))) for spec, windows in asked if windows)
    if not specs:
        return ()
    longest = max(spec.labels.horizon_days for spec in specs)
    known = _known(deployment, monitor, scope.now - timedelta(days=longest + 1), scope.now)
    deployment.access.client("s3")  # made once here, not by several threads at once
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda spec: (spec, _due_windows(deployment, spec, monitor, known, scope.now)), specs)
        return tuple(DueWork(spec.registry_id, windows) for spec, windows in found if windows)


def merge_digest_of(hours: "Mapping[Window, MergedFolder]", window: Window) -> str | None:
    """Return a digest of a window's merged hours, by their manifests' entity tags; ``None`` if none is merged."""
    lines = [
        f"{hour.name} {hours[hour].manifest_etag}\n"
        for hour in window.hours()
        if hour in hours and hours[hour].manifest_etag
    ]
    return sha256("".join(lines).encode()).hexdigest()[:32] if lines else None


def _due_windows(
    deployment: Deployment, spec: "EndpointSpec", monitor: MonitorName, known: Known, now: "datetime"
) -> tuple[Window, ...]:
    since = hour_floor(now - timedelta(days=spec.labels.horizon_days))
    span = Window(since, hour_floor(now))
    due: set[Window] = set()
    for variant in spec.variants:
        hours = deployment.merged.list_hours(spec.registry_id, variant, span)
        for window in _settled_windows(spec, monitor, span, now):
            row = known.get((spec.registry_id, variant, window))
            if _is_due(spec, window, merge_digest_of(hours, window), row, now):
                due.add(window)
    ordered = sorted(due, key=lambda window: (window.end, window.start))
    if ordered and not deployment.baselines.has_any(spec.registry_id, monitor):
        # All would fail alike: the newest one says what is missing.
        ordered = ordered[-1:]
    return tuple(ordered)


def _settled_windows(spec: "EndpointSpec", monitor: MonitorName, span: Window, now: "datetime") -> Iterator[Window]:
    for period in spec.periods_of(monitor):
        for window in windows_between(period, span.start, span.end):
            if settled_at(window, spec.grace_minutes) <= now:
                yield window


def _is_due(
    spec: "EndpointSpec", window: Window, merged: str | None, row: tuple[str, str | None] | None, now: "datetime"
) -> bool:
    if row is None:
        return merged is not None or now - window.end <= MAKE_GOOD_WITHIN
    verdict, judged = row
    waited = window.end + timedelta(hours=spec.labels.waiting_hours) <= now
    return (merged is not None and merged != judged) or (verdict == "labels_pending" and waited)


def _known(deployment: Deployment, monitor: MonitorName, since: "datetime", until: "datetime") -> Known:
    rows = deployment.ledger.read(monitor, since, until)
    columns = ("endpoint", "variant", "window_start", "window_end", "verdict", "merge_digest")
    return {
        (endpoint, variant, Window(start, end)): (verdict, digest)
        for endpoint, variant, start, end, verdict, digest in rows.select(columns).iter_rows()
    }


def _ends(windows: tuple[Window, ...]) -> tuple[Window, Window]:
    return windows[0], windows[-1]
