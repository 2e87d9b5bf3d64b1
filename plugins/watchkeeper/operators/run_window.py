"""The windows of a run: from its params, its data interval or the clock, and those that were missed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from watchkeeper.registry.capture_window import Period, Window, utc_moment, windows_between
from watchkeeper.registry.window_rules import WindowChoice, missed_windows, run_window

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.monitor_spec import MonitorName


@dataclass(frozen=True)
class RunScope:
    """What a run is about: its windows, and whether it also makes good what was missed.

    ``now`` is when the run was due, not the clock: a task that is cleared later works out the same windows.
    ``choice`` is ``None`` where S3 says what there is to do, and not the run.
    """

    choice: WindowChoice | None
    windows: tuple[Window, ...]
    now: datetime
    makes_good: bool
    endpoints: tuple[str, ...]
    act: bool | None
    baseline: str
    run_id: str
    dag_id: str


@dataclass(frozen=True)
class DueWork:
    """One endpoint and the windows to judge, oldest first."""

    endpoint: str
    windows: tuple[Window, ...]


def read_scope(context: "Context", period: Period) -> RunScope:
    """Return what the run of a task's context is about; ValueError names the param that is wrong."""
    values = cast("Mapping[str, Any]", context)
    interval = (values.get("data_interval_start"), values.get("data_interval_end"))
    now = due_moment(context)
    choice = run_window(period, dict(values.get("params") or {}), interval, now)
    windows = windows_between(period, choice.window.start, choice.window.end)
    if not windows:
        message = f"got {choice}, which holds no whole {period} window; widen window_start and window_end"
        raise ValueError(message)
    return scope_of(context, choice, windows, makes_good=choice.source != "params" and not _is_backfill(context))


def due_moment(context: "Context") -> datetime:
    """Return when the run of a task's context was due; without a run, now."""
    due_at = getattr(context.get("dag_run"), "run_after", None)
    return utc_moment(due_at) if due_at is not None else datetime.now(UTC)


def scope_of(
    context: "Context", choice: WindowChoice | None, windows: tuple[Window, ...], *, makes_good: bool
) -> RunScope:
    """Return the scope of a run over ``windows``, with what its params say besides."""
    run = context.get("dag_run")
    params = dict(context.get("params") or {})
    act = params.get("act")
    return RunScope(
        choice=choice,
        windows=windows,
        now=due_moment(context),
        makes_good=makes_good,
        endpoints=tuple(params.get("endpoints") or ()),
        # A backfill pages nobody, however fresh its windows are, unless it is told to.
        act=False if act is None and _is_backfill(context) else act,
        baseline=str(params.get("baseline") or "in_force"),
        run_id=str(getattr(run, "run_id", "") or ""),
        dag_id=str(getattr(run, "dag_id", "") or ""),
    )


def _is_backfill(context: "Context") -> bool:
    return "backfill" in str(getattr(context.get("dag_run"), "run_type", "") or "").lower()


def due_work(
    scope: RunScope,
    period: Period,
    specs: Collection["EndpointSpec"],
    judged: Mapping[str, Collection[Window]],
    started: Collection[str],
) -> tuple[DueWork, ...]:
    """Return what each endpoint has to be judged for: the run's windows, and missed ones of the last 48 hours.

    ``judged`` holds the windows that every variant of an endpoint has a verdict for. Only endpoints that have
    ``started`` (a baseline, or a verdict) can have missed anything.
    """
    work = []
    for spec in specs:
        windows = set(scope.windows)
        if scope.makes_good and spec.registry_id in started:
            known = judged.get(spec.registry_id, ())
            windows |= set(missed_windows(period, scope.now, known, spec.grace_minutes))
        # Nothing younger than the run's own window: that is the next run's.
        last = scope.windows[-1].end
        work.append(DueWork(spec.registry_id, tuple(sorted(window for window in windows if window.end <= last))))
    return tuple(work)


def pack_monitors(
    work: Mapping["MonitorName", Collection[DueWork]],
    usual_rows: Mapping["MonitorName", Mapping[str, float]],
    limit: int,
) -> list[dict[str, Any]]:
    """Return the arguments of each mapped task, ``monitor`` and ``work``, at most ``limit`` in all.

    Each monitor has a share of the limit by how many endpoints it has to judge, and at least one task, so that none
    crowds another out.
    """
    due = {monitor: [item for item in items if item.windows] for monitor, items in work.items()}
    shares = _shares({monitor: len(items) for monitor, items in due.items() if items}, limit)
    return [
        {"monitor": monitor, "work": pack}
        for monitor, share in shares.items()
        for pack in pack_work(due[monitor], usual_rows.get(monitor, {}), share)
    ]


def _shares(counts: Mapping["MonitorName", int], limit: int) -> dict["MonitorName", int]:
    """Return how many tasks each monitor gets: one, then one by one who has most endpoints to a task (d'Hondt)."""
    shares = dict.fromkeys(counts, 1)
    for _ in range(min(limit, sum(counts.values())) - len(counts)):
        shares[max(counts, key=lambda monitor: counts[monitor] / shares[monitor])] += 1
    return shares


def pack_work(work: Collection[DueWork], usual_rows: Mapping[str, float], limit: int) -> list[dict[str, list[str]]]:
    """Return one mapping of endpoints to window names per mapped task, at most ``limit`` of them.

    Up to the limit each endpoint has a task of its own. Beyond it the largest endpoints (by their usual rows per
    window, times windows) are dealt out first, each to the pack that has least, so that packs end together.
    """
    names = {item.endpoint: [window.name for window in item.windows] for item in work if item.windows}
    if len(names) <= limit:
        return [{endpoint: windows} for endpoint, windows in names.items()]
    import heapq

    typical = sorted(usual_rows.values())[len(usual_rows) // 2] if usual_rows else 1.0
    cost = {endpoint: max(usual_rows.get(endpoint, typical), 1.0) * len(windows) for endpoint, windows in names.items()}
    packs: list[dict[str, list[str]]] = [{} for _ in range(limit)]
    heap = [(0.0, index) for index in range(limit)]
    for endpoint in sorted(names, key=lambda name: (-cost[name], name)):
        load, index = heapq.heappop(heap)
        packs[index][endpoint] = names[endpoint]
        heapq.heappush(heap, (load + cost[endpoint], index))
    return packs
