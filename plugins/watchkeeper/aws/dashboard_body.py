"""Dashboards as CloudWatch takes them: of an endpoint, model beside infrastructure, and of the whole fleet."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.monitor_metrics import run_namespace, schedule_dimensions, summary_namespace
from watchkeeper.aws.owner_mark import OwnerMark
from watchkeeper.registry.alarm_condition import ENDPOINT_NAMESPACE, INSTANCE_NAMESPACE
from watchkeeper.registry.alarm_name import FLEET
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_WIDTH, _HALF, _HEIGHT, _TITLE_HEIGHT = 24, 12, 6, 3
#: CloudWatch's limits: metrics in one graph and on one dashboard, alarms in one widget.
_MOST_LINES, _MOST_METRICS, _MOST_ALARMS = 500, 2500, 100
#: So many of a large fleet are shown: those that stand out.
_WORST = 20
_PLAIN_NAMESPACE = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")
_PERCENTILES = ("p50", "p90", "p95", "p99")
_MONITOR_TITLES = {
    "data_quality": "Data quality",
    "model_quality": "Model quality",
    "bias": "Bias",
    "explainability": "Explainability",
}

Line = list[Any]
"""One metric of a graph, as CloudWatch writes it: namespace, name, dimensions and their values, options."""


def endpoint_dashboard(
    spec: "EndpointSpec",
    alarm_arns: Sequence[str],
    deployment: str,
    metrics_namespace: str,
    home_region: str,
    endpoint_region: str,
) -> dict[str, Any]:
    """Return an endpoint's dashboard: on the left what its model says, on the right what it runs on."""
    quality = [
        _graph(f"{_MONITOR_TITLES[monitor]}: {title}", lines, home_region)
        for monitor in MONITOR_NAMES
        for title, lines in _verdict_lines([spec], monitor, metrics_namespace)
    ]
    running = [
        _graph("Model latency", list(_latency(spec, "ModelLatency")), endpoint_region),
        _graph("Overhead latency", list(_latency(spec, "OverheadLatency")), endpoint_region),
        _graph("Invocations and errors", list(_traffic(spec)), endpoint_region, statistic="Sum"),
        _graph("Requests at once", list(_of_variants(spec, "ConcurrentRequestsPerModel")), endpoint_region, "Maximum"),
        _graph("Utilization", list(_utilization(spec)), endpoint_region),
    ]
    title = f"# {spec.registry_id}\n{spec.description}\n\nEndpoint `{spec.endpoint_name}`, owner {spec.owner}."
    return {
        "widgets": [
            *_heading(title, OwnerMark(deployment, spec.registry_id)),
            *_alarm_widgets(alarm_arns, _TITLE_HEIGHT),
            *_side_by_side(quality, running, _TITLE_HEIGHT + (_HEIGHT if alarm_arns else 0)),
        ]
    }


def fleet_dashboard(
    specs: "Sequence[EndpointSpec]",
    regions: Mapping[str, str],
    dag_ids: Iterable[str],
    alarm_arns: Sequence[str],
    deployment: str,
    metrics_namespace: str,
    home_region: str,
) -> dict[str, Any]:
    """Return the fleet's dashboard: every endpoint's worst figures side by side, and our DAGs' heartbeats.

    ``regions`` says where each endpoint is. Of a fleet with more metrics than a dashboard may have, each graph searches
    for the twenty variants that stand out.
    """
    quality, running = _fleet_graphs(specs, regions, metrics_namespace, home_region)
    if sum(len(one["properties"]["metrics"]) for one in (*quality, *running)) > _MOST_METRICS - _MOST_LINES:
        quality, running = map(_searching, (quality, running))
    beats = [[run_namespace(metrics_namespace), "Heartbeat", "Dag", name, {"label": name}] for name in sorted(dag_ids)]
    running.append(_graph("Runs of our DAGs that came to their end", beats, home_region, "SampleCount", period=3600))
    title = f"# Fleet\n\n{len(specs)} endpoints. Left: what monitors say. Right: what endpoints and DAGs do."
    return {
        "widgets": [
            *_heading(title, OwnerMark(deployment, FLEET)),
            *_alarm_widgets(alarm_arns, _TITLE_HEIGHT),
            *_side_by_side(quality, running, _TITLE_HEIGHT + (_HEIGHT if alarm_arns else 0)),
        ]
    }


def _fleet_graphs(
    specs: "Sequence[EndpointSpec]", regions: Mapping[str, str], metrics_namespace: str, home_region: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what monitors say, and what endpoints do, each variant a line."""
    quality = [
        _graph(f"{_MONITOR_TITLES[monitor]}: {title}", lines, home_region)
        for monitor in MONITOR_NAMES
        for title, lines in _verdict_lines(specs, monitor, metrics_namespace)
    ]
    running = []
    for region in sorted({regions[spec.registry_id] for spec in specs}):
        here = [spec for spec in specs if regions[spec.registry_id] == region]
        for title, metric, statistic in (
            ("Model latency p95", "ModelLatency", "p95"),
            ("Invocations", "Invocations", "Sum"),
            ("Answers with 5xx", "Invocation5XXErrors", "Sum"),
        ):
            lines = [line for spec in here for line in _of_variants(spec, metric, label=spec.registry_id)]
            running += [_graph(f"{title}, {region}", part, region, statistic) for part in _parts(lines)]
        cpu = [
            line for spec in here for line in _of_variants(spec, "CPUUtilization", INSTANCE_NAMESPACE, spec.registry_id)
        ]
        running += [_graph(f"CPU, {region}", part, region) for part in _parts(cpu)]
    return quality, running


def _searching(graphs: "Sequence[dict[str, Any]]") -> list[dict[str, Any]]:
    """Return graphs that find the worst variants themselves, one in place of all that go over the same metric."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for graph in graphs:
        given = graph["properties"]
        namespace, metric, *dimensions, _ = given["metrics"][0]
        names = ",".join(sorted(dimensions[::2]))
        key = (given["region"], namespace, metric)
        schema = namespace if _PLAIN_NAMESPACE.fullmatch(namespace) else f'"{namespace}"'
        search = f"SEARCH('{{{schema},{names}}} MetricName=\"{metric}\"', '{given['stat']}', {given['period']})"
        line = [{"expression": f"SORT({search}, MAX, DESC, {_WORST})", "id": "worst"}]
        title = f"{given['title']}: the {_WORST} highest"
        found.setdefault(key, {**graph, "properties": {**given, "title": title, "metrics": [line]}})
    return list(found.values())


def _verdict_lines(
    specs: "Sequence[EndpointSpec]", monitor: str, metrics_namespace: str
) -> Iterator[tuple[str, list[Line]]]:
    """Yield titles and lines of what a monitor counts: violations, and drift or the ranking's agreement."""
    figures = {"data_quality": ("WorstDistance",), "explainability": ("NDCG",)}.get(monitor, ())
    for metric in ("ViolationCount", *figures):
        lines: list[Line] = []
        for spec in specs:
            for period in spec.periods_of(monitor):  # type: ignore[arg-type]
                for variant in spec.variants:
                    given = schedule_dimensions(spec.registry_id, spec.endpoint_name, variant, monitor, period)
                    dimensions = [part for item in given for part in (item["Name"], item["Value"])]
                    label = " ".join(dict.fromkeys((spec.registry_id, variant, period)))
                    lines.append([summary_namespace(metrics_namespace, monitor), metric, *dimensions, {"label": label}])
        for part in _parts(lines):
            yield metric, part


def _latency(spec: "EndpointSpec", metric: str) -> Iterator[Line]:
    for variant in spec.variants:
        for percentile in _PERCENTILES:
            options = {"stat": percentile, "label": f"{variant} {percentile} (µs)"}
            yield [ENDPOINT_NAMESPACE, metric, "EndpointName", spec.endpoint_name, "VariantName", variant, options]


def _traffic(spec: "EndpointSpec") -> Iterator[Line]:
    for metric in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"):
        yield from _of_variants(spec, metric)


def _utilization(spec: "EndpointSpec") -> Iterator[Line]:
    for metric in ("CPUUtilization", "MemoryUtilization", "DiskUtilization", "GPUUtilization", "GPUMemoryUtilization"):
        yield from _of_variants(spec, metric, INSTANCE_NAMESPACE)


def _of_variants(
    spec: "EndpointSpec", metric: str, namespace: str = ENDPOINT_NAMESPACE, label: str | None = None
) -> Iterator[Line]:
    for variant in spec.variants:
        options = {"label": f"{label or metric} {variant}"}
        yield [namespace, metric, "EndpointName", spec.endpoint_name, "VariantName", variant, options]


def _parts(lines: list[Line]) -> Iterator[list[Line]]:
    yield from (list(part) for part in batched(lines, _MOST_LINES))


def _graph(title: str, lines: list[Line], region: str, statistic: str = "Average", period: int = 300) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "view": "timeSeries",
            "region": region,
            "stat": statistic,
            "period": period,
            "metrics": lines,
        },
    }


def _heading(text: str, mark: OwnerMark) -> Iterator[dict[str, Any]]:
    properties = {"markdown": f"{text}\n\n`{mark}`"}
    yield {"type": "text", "x": 0, "y": 0, "width": _WIDTH, "height": _TITLE_HEIGHT, "properties": properties}


def _alarm_widgets(arns: Sequence[str], top: int) -> Iterator[dict[str, Any]]:
    if arns:
        properties = {"title": "Alarms", "alarms": sorted(arns)[:_MOST_ALARMS]}
        yield {"type": "alarm", "x": 0, "y": top, "width": _WIDTH, "height": _HEIGHT, "properties": properties}


def _side_by_side(
    left: Sequence[dict[str, Any]], right: Sequence[dict[str, Any]], top: int
) -> Iterator[dict[str, Any]]:
    for column, graphs in ((0, left), (_HALF, right)):
        for row, graph in enumerate(graphs):
            place = {"x": column, "y": top + row * _HEIGHT, "width": _HALF, "height": _HEIGHT}
            yield {**place, **graph}
