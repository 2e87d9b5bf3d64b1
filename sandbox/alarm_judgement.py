"""What an alarm makes of its newest values: enough of them breaching, missing ones treated as it says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_WORDS = {
    "GreaterThanThreshold": "greater than the threshold",
    "GreaterThanOrEqualToThreshold": "greater than or equal to the threshold",
    "LessThanThreshold": "less than the threshold",
    "LessThanOrEqualToThreshold": "less than or equal to the threshold",
    "GreaterThanUpperThreshold": "greater than the upper threshold",
    "LessThanLowerThreshold": "less than the lower threshold",
    "LessThanLowerOrGreaterThanUpperThreshold": "outside the band",
}


@dataclass(frozen=True)
class Judged:
    """One period: its start in epoch seconds, its value, and the limits it is compared with."""

    start: float
    value: float | None
    low: float
    high: float

    def breaching(self, comparison: str) -> bool | None:
        """Whether the value breaches; None where there is no value."""
        if self.value is None:
            return None
        return {
            "GreaterThanThreshold": self.value > self.high,
            "GreaterThanOrEqualToThreshold": self.value >= self.high,
            "LessThanThreshold": self.value < self.low,
            "LessThanOrEqualToThreshold": self.value <= self.low,
            "GreaterThanUpperThreshold": self.value > self.high,
            "LessThanLowerThreshold": self.value < self.low,
            "LessThanLowerOrGreaterThanUpperThreshold": not self.low <= self.value <= self.high,
        }[comparison]


@dataclass(frozen=True)
class Judgement:
    """The state that follows, with CloudWatch's reason and its data as JSON."""

    state: str
    reason: str
    reason_data: str


def judge(alarm: Mapping[str, Any], periods: Sequence[Judged], now: float) -> Judgement | None:
    """Judge the evaluation periods, the newest first; None if the alarm keeps its state.

    Looked at are exactly ``EvaluationPeriods`` periods: CloudWatch reaches further back where some are missing.
    """
    wanted = alarm.get("DatapointsToAlarm") or len(periods)
    treatment = alarm.get("TreatMissingData") or "missing"
    outcomes = [period.breaching(alarm["ComparisonOperator"]) for period in periods]
    missing = outcomes.count(None)
    if treatment in {"breaching", "notBreaching"}:
        outcomes = [treatment == "breaching" if outcome is None else outcome for outcome in outcomes]
    breaching, fine = outcomes.count(True), outcomes.count(False)
    if missing == len(periods) and treatment == "missing":
        state, reason = "INSUFFICIENT_DATA", f"Insufficient Data: {_counted(missing)} {_were(missing)} unknown."
        return Judgement(state, reason, _data(alarm, periods, now))
    if treatment == "missing":
        wanted = min(wanted, breaching + fine)
    if breaching >= wanted:
        return Judgement("ALARM", _reason(alarm, periods, missing, "ALARM"), _data(alarm, periods, now))
    if treatment == "ignore" and fine <= len(periods) - wanted:
        return None
    return Judgement("OK", _reason(alarm, periods, missing, "OK"), _data(alarm, periods, now))


def _reason(alarm: Mapping[str, Any], periods: Sequence[Judged], missing: int, state: str) -> str:
    if missing == len(periods):
        treated = "Breaching" if alarm["TreatMissingData"] == "breaching" else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {missing} period{'s' * (missing > 1)} and "
            f"{_counted(missing, 'missing ')} {_were(missing)} treated as [{treated}]."
        )
    comparison = alarm["ComparisonOperator"]
    shown = [period for period in periods if period.breaching(comparison) is (state == "ALARM")]
    values = ", ".join(f"{period.value} ({_moment(period.start):%d/%m/%y %H:%M:%S})" for period in shown)
    limits = "the band" if "ThresholdMetricId" in alarm else f"({alarm.get('Threshold')})"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {_counted(len(periods))} [{values}] {_were(len(shown))} "
        f"{'' if state == 'ALARM' else 'not '}{_WORDS[comparison]} {limits}."
    )


def _data(alarm: Mapping[str, Any], periods: Sequence[Judged], now: float) -> str:
    known = [period for period in periods if period.value is not None]
    document = {
        "version": "1.0",
        "queryDate": f"{_moment(now):%Y-%m-%dT%H:%M:%S.000+0000}",
        "startDate": f"{_moment(periods[-1].start):%Y-%m-%dT%H:%M:%S.000+0000}",
        "statistic": alarm.get("Statistic") or alarm.get("ExtendedStatistic"),
        "period": alarm.get("Period"),
        "recentDatapoints": [period.value for period in reversed(known)],
        "threshold": alarm.get("Threshold"),
    }
    return json.dumps({name: value for name, value in document.items() if value is not None})


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _counted(count: int, kind: str = "") -> str:
    return f"{count} {kind}datapoint{'s' * (count != 1)}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
