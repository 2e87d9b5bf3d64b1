"""What CloudWatch says of alarms, as remediation looks at it: states for the policy, figures for the record."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from watchkeeper.aws.alarm_hook import AlarmFacts
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.incident_record import AlarmEvidence
from watchkeeper.registry.alarm_name import ALL_VARIANTS, AlarmName
from watchkeeper.registry.capture_window import moment_text
from watchkeeper.registry.remediation_policy import AlarmFact

_LOOK_BACK = timedelta(minutes=30)
#: Points kept in a record; more belong on the dashboard.
_POINTS = 10


def alarm_fact(facts: AlarmFacts, resource_prefix: str) -> AlarmFact:
    """Return an alarm as the policy looks at it."""
    name = AlarmName.parse(facts.name, resource_prefix)
    return AlarmFact(
        name=facts.name,
        condition=facts.name if name is None else name.condition,
        state=facts.state,
        since=facts.since,
        variant=None if name is None or name.variant == ALL_VARIANTS else name.variant,
        reason=facts.reason,
    )


def alarm_evidence(
    hook: CloudWatchHook, alarms: Iterable[AlarmFacts], now: datetime, warn: Callable[..., None]
) -> dict[str, AlarmEvidence]:
    """Return what CloudWatch says of alarms by their names, with their metrics' newest points.

    Figures that cannot be read are a warning: no action waits for them.
    """
    found = {}
    for facts in alarms:
        values: tuple[tuple[str, float], ...] = ()
        try:
            values = _newest_values(hook, facts, now)
        except Exception as error:  # noqa: BLE001 - evidence is wanted, and nothing fails for want of it
            warn("%s: its metric could not be read: %s", facts.name, error)
        found[facts.name] = AlarmEvidence(
            state=facts.state, since=moment_text(facts.since), reason=facts.reason, values=values
        )
    return found


def _newest_values(hook: CloudWatchHook, facts: AlarmFacts, now: datetime) -> tuple[tuple[str, float], ...]:
    queries = metric_queries(facts.request)
    if not queries:
        return ()
    periods = [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
    reach = max(_LOOK_BACK, timedelta(seconds=5 * max(periods, default=60)))
    # CloudWatch answers fastest, and with whole periods, for whole minutes.
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    series = hook.metric_data(queries, end - reach, end)
    asked = next(query["Id"] for query in queries if query.get("ReturnData", True))
    points = series.get(asked)
    if points is None:
        return ()
    pairs = zip(points.timestamps, points.values, strict=True)
    return tuple((moment_text(at), round(float(value), 6)) for at, value in pairs)[-_POINTS:]


def metric_queries(request: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """Return the queries of an alarm's metric as GetMetricData takes them; none for a composite."""
    if request.get("Metrics"):
        # An account that an alarm of another names is that of the metric; the rest is as it stands.
        return [dict(query) for query in request["Metrics"]]
    if "MetricName" not in request:
        return []
    stat = {
        "Metric": {
            "Namespace": request["Namespace"],
            "MetricName": request["MetricName"],
            "Dimensions": list(request.get("Dimensions", [])),
        },
        "Period": request.get("Period", 60),
        "Stat": request.get("ExtendedStatistic") or request.get("Statistic", "Average"),
    }
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]
