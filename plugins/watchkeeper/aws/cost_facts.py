"""What really is there and was done, counted as it is billed: alarms, dashboards, metrics, logs, captures, jobs.

Each is asked for once for all endpoints. What cannot be asked is told, and the prediction stands in for it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.analysis.metric_name import dimension_value
from watchkeeper.aws.alarm_hook import AlarmFacts, AlarmHook
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.dashboard_holder import dashboard_name
from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.aws.monitor_metrics import FEATURE_NAMESPACES, summary_namespace
from watchkeeper.aws.report_store import ReportStore
from watchkeeper.registry.alarm_name import FLEET, AlarmName
from watchkeeper.registry.cost_drivers import ObservedTraffic
from watchkeeper.registry.cost_estimate import BYTES_PER_GB, HOURS_PER_MONTH
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

if TYPE_CHECKING:
    import polars as pl

    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: How far back traffic and jobs are looked at.
LOOK_BACK = timedelta(days=30)
LOG_GROUPS = "/aws/sagemaker/Endpoints/"
_MINUTE = 60
_HOURS_PER_DAY = 24
_ALARM_KINDS = ("standard_alarms", "high_resolution_alarms", "anomaly_alarms", "composite_alarms")
Counts = dict[str, dict[str, float]]
"""By registry id, or ``_fleet``, and the name of a driver."""


@dataclass
class CostFacts:
    """What was found: measured counts and instance hours a month by endpoint, traffic, and what could not be asked."""

    counts: Counts = field(default_factory=dict)
    hours: Counts = field(default_factory=dict)
    traffic: dict[str, ObservedTraffic] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, endpoint: str, driver: str, quantity: float) -> None:
        """Add to what an endpoint has of one kind."""
        own = self.counts.setdefault(endpoint, {})
        own[driver] = own.get(driver, 0.0) + quantity


def count_held(
    facts: CostFacts,
    accesses: "Iterable[AwsAccess]",
    home: "AwsAccess",
    specs: "Iterable[EndpointSpec]",
    *,
    resource_prefix: str,
    namespace: str,
) -> None:
    """Count what CloudWatch holds: alarms and logs in every account and region of ``accesses``, the rest at home."""
    known = list(specs)
    for access in accesses:
        _asked(facts, "alarms", lambda access=access: _count_alarms(facts, access, resource_prefix, known))  # type: ignore[misc]
        _asked(facts, "log groups", lambda access=access: _count_logs(facts, access, known))  # type: ignore[misc]
    _asked(facts, "dashboards", lambda: _count_dashboards(facts, home, resource_prefix, known))
    _asked(facts, "metrics", lambda: _count_metrics(facts, home, namespace, known))


def _asked(facts: CostFacts, what: str, ask: Callable[[], None]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    from watchkeeper.errors import PermissionMissingError

    try:
        ask()
    except (BotoCoreError, ClientError, PermissionMissingError) as error:
        facts.problems.append(f"{what} could not be counted: {' '.join(str(error).split())}")


def _count_alarms(facts: CostFacts, access: "AwsAccess", resource_prefix: str, specs: "list[EndpointSpec]") -> None:
    for spec in specs:
        for kind in _ALARM_KINDS:
            facts.add(spec.registry_id, kind, 0.0)
    for alarm in access.open(AlarmHook).alarms(prefix=f"{resource_prefix}/"):
        name = AlarmName.parse(alarm.name, resource_prefix)
        if name is not None:
            kind, quantity = alarm_driver(alarm)
            facts.add(name.endpoint, kind, quantity)


def alarm_driver(alarm: AlarmFacts) -> tuple[str, float]:
    """Return which driver an alarm counts for, and how often: by the metrics it looks at."""
    request = alarm.request
    if alarm.is_composite:
        return "composite_alarms", 1.0
    if request.get("ThresholdMetricId"):
        return "anomaly_alarms", 1.0
    queries: list[Mapping[str, Any]] = request.get("Metrics", [])
    metrics = [query["MetricStat"] for query in queries if "MetricStat" in query]
    periods = [int(metric.get("Period", _MINUTE)) for metric in metrics] or [int(request.get("Period", _MINUTE))]
    kind = "high_resolution_alarms" if min(periods) < _MINUTE else "standard_alarms"
    return kind, float(max(1, len(metrics)))


def _count_dashboards(facts: CostFacts, access: "AwsAccess", resource_prefix: str, specs: "list[EndpointSpec]") -> None:
    names = set(access.open(CloudWatchHook).dashboards(f"{resource_prefix}-"))
    for scope in (*(spec.registry_id for spec in specs), FLEET):
        facts.add(scope, "dashboards", float(dashboard_name(resource_prefix, scope) in names))


def _count_metrics(facts: CostFacts, access: "AwsAccess", namespace: str, specs: "list[EndpointSpec]") -> None:
    """Count metrics of the last two weeks; one of a daily schedule is charged for one hour in 24."""
    schedules = {
        dimension_value(ReportStore.schedule(spec.registry_id, monitor, period)): (spec.registry_id, period)
        for spec in specs
        for monitor in MONITOR_NAMES
        for period in ("hourly", "daily")
    }
    for spec in specs:
        facts.add(spec.registry_id, "custom_metrics", 0.0)
    hook = access.open(CloudWatchHook)
    for monitor in MONITOR_NAMES:
        for space in (summary_namespace(namespace, monitor), FEATURE_NAMESPACES[monitor]):
            for metric in hook.list_metrics(space):
                schedule = next(
                    (item["Value"] for item in metric["Dimensions"] if item["Name"] == "MonitoringSchedule"), None
                )
                if schedule in schedules:
                    endpoint, period = schedules[schedule]
                    facts.add(endpoint, "custom_metrics", 1.0 if period == "hourly" else 1 / _HOURS_PER_DAY)


def _count_logs(facts: CostFacts, access: "AwsAccess", specs: "list[EndpointSpec]") -> None:
    by_group = {f"{LOG_GROUPS}{spec.endpoint_name}": spec.registry_id for spec in specs}
    for group in access.open(LogsHook).groups(LOG_GROUPS):
        if group.name in by_group:
            facts.add(by_group[group.name], "log_stored_gb", group.stored_bytes / BYTES_PER_GB)


def observe_traffic(facts: CostFacts, verdicts: "pl.DataFrame", specs: "Iterable[EndpointSpec]") -> None:
    """Take each endpoint's traffic from its verdicts of data quality: invocations an hour, bytes a captured line.

    Hours win over days. Where CloudWatch counted no invocations, those are what was captured and its sampling.
    """
    import polars as pl

    for spec in specs:
        own = verdicts.filter(pl.col("endpoint") == spec.registry_id)
        period = "hourly" if "hourly" in own["period"].to_list() else "daily"
        own = own.filter(pl.col("period") == period)
        if own.is_empty():
            continue
        hours = float((own["window_end"] - own["window_start"]).dt.total_seconds().sum()) / 3600
        captured = float(own["captured_count"].fill_null(0).sum())
        sampled = pl.col("captured_count") * 100 / spec.capture.sampling_percentage
        invocations = float(own.select(pl.coalesce(pl.col("invocation_count"), sampled, 0.0).sum()).item())
        size = float(own["capture_bytes"].fill_null(0).sum())
        facts.traffic[spec.registry_id] = ObservedTraffic(
            invocations_per_hour=invocations / hours if hours else None,
            bytes_per_record=size / captured if captured and size else None,
        )


def count_shadow_hours(facts: CostFacts, verdicts: "pl.DataFrame", kinds: Mapping[str, str], days: float) -> None:
    """Take the hours of shadow endpoints from how long windows took to explain; ``kinds`` is what each runs on."""
    import polars as pl

    factor = HOURS_PER_MONTH / (days * _HOURS_PER_DAY)
    for endpoint, kind in kinds.items():
        seconds = verdicts.filter(pl.col("endpoint") == endpoint)["analysis_seconds"].fill_null(0).sum()
        hours = facts.hours.setdefault(endpoint, {})
        hours[f"hosting/{kind}"] = hours.get(f"hosting/{kind}", 0.0) + float(seconds) / 3600 * factor


def count_job_hours(facts: CostFacts, jobs: "pl.DataFrame", since: datetime, until: datetime) -> None:
    """Take the instance hours of training and processing jobs from the ledger of events, as a month's."""
    factor = HOURS_PER_MONTH / ((until - since).total_seconds() / 3600)
    for row in jobs.iter_rows(named=True):
        use = _JOB_USES.get(str(row["job_type"]))
        seconds = row["billable_seconds"] or row["duration_seconds"]
        if use is None or not seconds or not row["instance_type"]:
            continue
        hours = facts.hours.setdefault(row["endpoint"] or FLEET, {})
        name = f"{use}/{row['instance_type']}"
        hours[name] = hours.get(name, 0.0) + seconds / 3600 * (row["instance_count"] or 1) * factor


#: A tuning job's hours are those of its training jobs.
_JOB_USES = {"training_job": "training", "processing_job": "processing", "transform_job": "hosting"}
