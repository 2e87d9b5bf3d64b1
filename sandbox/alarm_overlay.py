"""What ministack's CloudWatch lacks: alarms by dimensions, metric math, percentiles of time, missing data and bands,
evaluated every second; events of their state changes; metric math in GetMetricData; mute rules.

Periods end now instead of at a full minute, so that nobody waits for the clock. A state that was set by hand holds
for one period, as on AWS until the next evaluation. Only boto3's own protocol (JSON) is served by it.
"""

import json
import statistics
import time
import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch

from sandbox.alarm_judgement import Judged, judge
from sandbox.metric_math import MetricMath, MetricMathError, Series, Value
from sandbox.mute_rules import MuteRules
from sandbox.native_events import emit

_EVICT_SECONDS = 60.0
_UNCHECKED = {"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation"}

Request = Mapping[str, Any]
Key = tuple[str, str, str]
"""Account, region and the alarm's name."""


class AlarmClock:
    """Evaluates the alarms when told to. ``lag_seconds`` is how late metrics may come."""

    def __init__(self, lag_seconds: float) -> None:
        self._lag = lag_seconds
        self._scopes: set[tuple[str, str]] = set()
        self._held: dict[Key, float] = {}
        self._told: dict[Key, dict[str, Any]] = {}
        self._evicted = 0.0
        self._mutes = MuteRules()

    def install(self) -> None:
        """Put the overlay over ministack. Call once, before the first request."""
        cloudwatch._put_metric_alarm = self._put_metric_alarm(cloudwatch._put_metric_alarm)
        cloudwatch._put_composite_alarm = self._put_composite_alarm(cloudwatch._put_composite_alarm)
        cloudwatch._set_alarm_state = self._set_alarm_state(cloudwatch._set_alarm_state)
        cloudwatch._record_history = self._record_history(cloudwatch._record_history)
        cloudwatch._dispatch_alarm_actions = self._dispatch_alarm_actions(cloudwatch._dispatch_alarm_actions)
        cloudwatch._get_metric_data = _get_metric_data(cloudwatch._get_metric_data)
        cloudwatch._evict_old_metrics = self._evict(cloudwatch._evict_old_metrics)
        cloudwatch._evaluate_alarm = lambda _alarm: None
        cloudwatch._evaluate_all_alarms = lambda: None
        cloudwatch.handle_request = self._mutes.answering(cloudwatch.handle_request)

    def tick(self) -> None:
        """Evaluate all alarms of all accounts and regions that have any."""
        for account, region in list(self._scopes):
            with request_scope(account, region):
                for alarm in list(cloudwatch._alarms.values()):
                    if self._held.get((account, region, alarm["AlarmName"]), 0.0) <= time.time():
                        self._evaluate(alarm)

    def _evaluate(self, alarm: dict[str, Any]) -> None:
        now = time.time()
        found = judge(alarm, _periods(alarm, now - self._lag), now)
        if found is None or found.state == alarm["StateValue"]:
            return
        before = alarm["StateValue"]
        alarm.update(
            StateValue=found.state,
            StateReason=found.reason,
            StateReasonData=found.reason_data,
            StateUpdatedTimestamp=int(now),
            StateTransitionedTimestamp=int(now),
        )
        cloudwatch._record_history(alarm["AlarmName"], before, found.state, found.reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, found.state, found.reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    def _put_metric_alarm(self, original: Any) -> Any:
        """Keep the alarm as it was declared, where ministack drops parts and makes others up."""

        def put(params: Any, data: Request, is_cbor: bool, is_json: bool = False) -> Any:
            if is_json and (refused := _refused(data)):
                return cloudwatch._error("ValidationError", refused, 400, use_json=True)
            answer = original(params, data, is_cbor, is_json)
            if answer[0] == 200 and (is_json):
                alarm = cloudwatch._alarms[data["AlarmName"]]
                declared = {name: value for name, value in data.items() if name != "Tags"}
                made_up = ("Statistic", "Period", "Threshold", "MetricName", "Namespace", "Dimensions", "Unit")
                for name in (*made_up, "AlarmDescription", "ExtendedStatistic", "TreatMissingData"):
                    alarm.pop(name, None)
                alarm.update(declared)
                if "Metrics" not in declared:
                    alarm.setdefault("Dimensions", [])
                self._scopes.add((get_account_id(), get_region()))
            return answer

        return put

    def _put_composite_alarm(self, original: Any) -> Any:
        def put(params: Any, data: Request, is_cbor: bool, is_json: bool = False) -> Any:
            answer = original(params, data, is_cbor, is_json)
            if answer[0] == 200 and (is_json):
                kept = {name: value for name, value in data.items() if name.startswith("ActionsSuppressor")}
                cloudwatch._composite_alarms[data["AlarmName"]].update(kept)
            return answer

        return put

    def _set_alarm_state(self, original: Any) -> Any:
        def set_state(params: Any, data: Request, is_cbor: bool, is_json: bool = False) -> Any:
            answer = original(params, data, is_cbor, is_json)
            alarm = cloudwatch._alarms.get(data.get("AlarmName", ""))
            if answer[0] == 200 and alarm:
                self._held[self._key(alarm["AlarmName"])] = time.time() + _period(alarm)
            return answer

        return set_state

    def _record_history(self, original: Any) -> Any:
        """Tell EventBridge of each change too: this is the one place that all of them pass."""

        def record(name: str, before: str, after: str, reason: str, *more: Any, **named: Any) -> None:
            original(name, before, after, reason, *more, **named)
            if before == after:
                return
            alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms[name]
            state = {
                "value": after,
                "reason": reason,
                "reasonData": alarm.get("StateReasonData"),
                "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
            }
            state = {part: value for part, value in state.items() if value is not None}
            detail = {
                "alarmName": name,
                "state": state,
                "previousState": {**self._told.get(self._key(name), _UNCHECKED), "value": before},
                "configuration": _configuration(alarm),
            }
            self._told[self._key(name)] = state
            emit("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm["AlarmArn"]], *self._scope())

        return record

    def _dispatch_alarm_actions(self, original: Any) -> Any:
        """Leave the actions of a muted or suppressed alarm undone."""

        def dispatch(alarm: Request, before: str, after: str, reason: str) -> None:
            suppressor = str(alarm.get("ActionsSuppressor", "")).rpartition(":")[2]
            other = cloudwatch._alarms.get(suppressor) or cloudwatch._composite_alarms.get(suppressor)
            if not (other and other["StateValue"] == "ALARM") and not self._mutes.mute(alarm["AlarmName"]):
                original(alarm, before, after, reason)

        return dispatch

    def _evict(self, original: Any) -> Any:
        """Look for metrics older than two weeks once a minute, not at each request."""

        def evict() -> None:
            if time.monotonic() - self._evicted > _EVICT_SECONDS:
                self._evicted = time.monotonic()
                original()

        return evict

    def _scope(self) -> tuple[str, str]:
        return get_account_id(), get_region()

    def _key(self, name: str) -> Key:
        return (*self._scope(), name)


def _refused(data: Request) -> str | None:
    """Return why CloudWatch would not take the alarm, as far as ministack lets it pass."""
    period = _period(data) if data.get("Period") or data.get("Metrics") else 60
    if period not in {10, 20, 30} and period % 60:
        return f"Period must be 10, 20, 30 or a multiple of 60, got {period}"
    if data.get("Metrics") and data.get("Statistic", data.get("ExtendedStatistic")):
        return "Statistic and ExtendedStatistic do not go with Metrics"
    if period * data.get("EvaluationPeriods", 1) > (7 if period >= 3600 else 1) * 86400:
        return "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)"
    return None


def _period(alarm: Request) -> int:
    """Return the seconds of the alarm's periods: its own, or its metrics'."""
    own = [alarm.get("Period")]
    declared = [query.get("Period") or query.get("MetricStat", {}).get("Period") for query in alarm.get("Metrics", ())]
    return int(max((period for period in own + declared if period), default=60))


def _periods(alarm: Request, end: float) -> list[Judged]:
    """Return the alarm's evaluation periods, the newest first."""
    period = _period(alarm)
    grid = [end - period * place for place in range(1, alarm["EvaluationPeriods"] + 1)]
    queries = alarm.get("Metrics") or [_query_of(alarm)]
    try:
        values = _evaluated(queries, grid, period)
    except MetricMathError:
        return [Judged(start, None, 0.0, 0.0) for start in grid]
    band_id = alarm.get("ThresholdMetricId")
    (watched,) = [query["Id"] for query in queries if query.get("ReturnData", True) and query["Id"] != band_id]
    low, high = values[band_id] if band_id else (alarm.get("Threshold", 0.0),) * 2  # type: ignore[misc]
    judged = []
    for start in grid:
        value, least, most = (
            part.get(start) if isinstance(part, dict) else part for part in (values[watched], low, high)
        )
        known = None if least is None or most is None else value  # no band yet
        judged.append(Judged(start, known, least or 0.0, most or 0.0))
    return judged


def _query_of(alarm: Request) -> dict[str, Any]:
    metric = {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")}
    stat = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    return {"Id": "m1", "MetricStat": {"Metric": metric, "Stat": stat, "Period": _period(alarm)}}


def _evaluated(queries: Sequence[Request], grid: Sequence[float], period: float) -> dict[str, Value]:
    """Return each query's value over the periods that begin at the stamps of ``grid``."""
    known: dict[str, Value] = {}
    stats = {query["Id"]: query["MetricStat"] for query in queries if "MetricStat" in query}
    for query_id, stat in stats.items():
        known[query_id] = _series(stat, grid, period)

    def band(query_id: str, width: float) -> list[Series]:
        return _band(stats[query_id], width, grid)

    left = [query for query in queries if "Expression" in query]
    while left:  # expressions may name each other, in any order
        problem: MetricMathError | None = None
        rest = []
        for query in left:
            try:
                known[query["Id"]] = MetricMath(known, grid, band).value(query["Expression"])
            except MetricMathError as error:
                problem = error
                rest.append(query)
        if problem and len(rest) == len(left):
            raise problem
        left = rest
    return known


def _points(stat: Request) -> list[dict[str, Any]]:
    metric = stat["Metric"]
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    return cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []


def _series(stat: Request, grid: Sequence[float], period: float) -> Series:
    starts, inside = sorted(grid), defaultdict(list)
    for point in _points(stat):
        place = bisect_right(starts, point["Timestamp"]) - 1
        if place >= 0 and point["Timestamp"] < starts[place] + period:
            inside[starts[place]].append(point)
    found = {}
    for start, points in inside.items():
        value = cloudwatch._stat_value(cloudwatch._calc_stats(points), stat["Stat"], points)
        if value is not None:
            found[start] = float(value)
    return found


def _band(stat: Request, width: float, grid: Sequence[float]) -> list[Series]:
    """Return mean and deviations of the metric's periods before the grid: no seasons, and no model is trained."""
    period = stat["Period"]
    before = sorted(
        {point["Timestamp"] // period * period for point in _points(stat) if point["Timestamp"] < min(grid)}
    )
    past = list(_series(stat, before, period).values()) if before else []
    if len(past) < 2:
        return [{}, {}]
    middle, spread = statistics.fmean(past), statistics.stdev(past) * width
    return [dict.fromkeys(grid, middle - spread), dict.fromkeys(grid, middle + spread)]


def _configuration(alarm: Request) -> dict[str, Any]:
    """Return the alarm's configuration as its events show it."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        suppression = {
            f"{name[0].lower()}{name[1:]}": alarm[name] for name in alarm if name.startswith("ActionsSuppressor")
        }
        return described | {"alarmRule": alarm["AlarmRule"]} | suppression
    metrics = []
    for query in alarm.get("Metrics") or [_query_of(alarm) | {"Id": str(uuid.uuid4())}]:
        shown: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
        shown |= {name.lower(): query[name] for name in ("Expression", "Label") if name in query}
        if "MetricStat" in query:
            stat = query["MetricStat"]
            dimensions = cloudwatch._dims_from_list(stat["Metric"].get("Dimensions") or [])
            metric = {"namespace": stat["Metric"]["Namespace"], "name": stat["Metric"]["MetricName"]}
            shown["metricStat"] = {
                "metric": metric | {"dimensions": dimensions},
                "period": stat["Period"],
                "stat": stat["Stat"],
            }
        metrics.append(shown)
    return described | {"metrics": metrics}


def _get_metric_data(original: Any) -> Callable[..., Any]:
    """Answer metric math, and the newest values first if not told otherwise, as CloudWatch does."""

    def get(params: Any, data: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        if not is_json:
            return original(params, data, is_cbor, is_json)
        queries = data.get("MetricDataQueries", [])
        metrics = [{**query, "ReturnData": True} for query in queries if "Expression" not in query]
        results = {
            result["Id"]: [result]
            for result in json.loads(original(params, {**data, "MetricDataQueries": metrics}, False, True)[2])[
                "MetricDataResults"
            ]
        }
        try:
            results |= _expressions(queries, data)
        except MetricMathError as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=True)
        shown = [one for query in queries if query.get("ReturnData", True) for one in results[query["Id"]]]
        for result in shown:
            pairs = sorted(zip(result["Timestamps"], result["Values"], strict=True))
            if data.get("ScanBy", "TimestampDescending") == "TimestampDescending":
                pairs.reverse()
            result["Timestamps"], result["Values"] = [at for at, _ in pairs], [value for _, value in pairs]
        return cloudwatch._json_ok({"MetricDataResults": shown})

    return get


def _expressions(queries: Sequence[Request], data: Request) -> dict[str, list[dict[str, Any]]]:
    wanted = {query["Id"]: query for query in queries if "Expression" in query}
    if not wanted:
        return {}
    period = max((query["MetricStat"]["Period"] for query in queries if "MetricStat" in query), default=60)
    start, end = (float(cloudwatch._parse_ts(data[name])) for name in ("StartTime", "EndTime"))
    first = start // period * period
    grid = [first + period * place for place in range(int((end - first + period - 1) // period))]
    values = _evaluated(queries, grid, period)
    found = {}
    for query_id, query in wanted.items():
        value = values[query_id]
        parts = value if isinstance(value, list) else [value]
        label = query.get("Label", query_id)
        names = [label] if len(parts) == 1 else [f"{label} {side}" for side in ("Low", "High")]
        found[query_id] = [
            {
                "Id": query_id,
                "Label": name,
                "StatusCode": "Complete",
                "Timestamps": [cloudwatch._ts_iso(at) for at in sorted(series)],
                "Values": [series[at] for at in sorted(series)],
            }
            for name, part in zip(names, parts, strict=False)
            for series in [part if isinstance(part, dict) else dict.fromkeys(grid, part)]
        ]
    return found
