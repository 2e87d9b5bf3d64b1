"""Alarm mute rules, which ministack's CloudWatch does not have: they really mute. What nobody has answers 501."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MINUTE = timedelta(minutes=1)

Scoped = dict[tuple[str, str, str], dict[str, Any]]
"""By account, region and name."""


class _RefusedError(Exception):
    """The request is answered with an error: code and message."""


class MuteRules:
    """The mute rules of all accounts and regions."""

    def __init__(self) -> None:
        self._rules: Scoped = {}
        self._operations = {
            "PutAlarmMuteRule": self._put,
            "GetAlarmMuteRule": lambda data: _described(self._found(data)),
            "ListAlarmMuteRules": self._list,
            "DeleteAlarmMuteRule": self._delete,
        }

    def mute(self, alarm_name: str) -> bool:
        """Whether a rule mutes the alarm now."""
        return any(
            alarm_name in rule.get("MuteTargets", {}).get("AlarmNames", ()) and _active(rule, datetime.now(UTC))
            for rule in _mine(self._rules)
        )

    def answering(self, original: Any) -> Any:
        """Return ministack's handler with these operations before it."""

        async def handle(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> Any:
            operation = self._operations.get(headers.get("x-amz-target", "").rpartition(".")[2])
            if operation is None:
                status, sent, answer = await original(method, path, headers, body, query)
                return (501 if status == 400 and b"Unknown action" in answer else status), sent, answer
            try:
                return cloudwatch._json_ok(operation(json.loads(body or b"{}")))
            except _RefusedError as error:
                return cloudwatch._error(*error.args, 400, use_json=True)

        return handle

    def _put(self, data: dict[str, Any]) -> dict[str, Any]:
        rule = {**data, "LastUpdatedTimestamp": datetime.now(UTC).timestamp()}
        for name in ("StartDate", "ExpireDate"):
            if name in rule:
                rule[name] = cloudwatch._parse_ts(rule[name])
        try:
            _active(rule, datetime.now(UTC))
        except ValueError as error:
            code = "InvalidParameterValue"
            raise _RefusedError(code, str(error)) from None
        self._rules[_key(data["Name"])] = rule
        return {}

    def _found(self, data: dict[str, Any]) -> dict[str, Any]:
        name = data["AlarmMuteRuleName"]
        if _key(name) not in self._rules:
            code, message = "ResourceNotFoundException", f"Alarm mute rule {name} does not exist"
            raise _RefusedError(code, message)
        return self._rules[_key(name)]

    def _delete(self, data: dict[str, Any]) -> dict[str, Any]:
        self._rules.pop(_key(data["AlarmMuteRuleName"]), None)
        return {}

    def _list(self, data: dict[str, Any]) -> dict[str, Any]:
        alarm, statuses = data.get("AlarmName"), data.get("Statuses")
        shown = [
            {name: part for name, part in _described(rule).items() if name not in {"Name", "Rule", "MuteTargets"}}
            for rule in _mine(self._rules)
            if not alarm or alarm in rule.get("MuteTargets", {}).get("AlarmNames", ())
        ]
        return {"AlarmMuteRuleSummaries": [one for one in shown if not statuses or one["Status"] in statuses]}


def _key(name: str) -> tuple[str, str, str]:
    return get_account_id(), get_region(), name


def _mine(kept: Scoped) -> list[dict[str, Any]]:
    return [one for key, one in list(kept.items()) if key[:2] == (get_account_id(), get_region())]


def _described(rule: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    expired = rule.get("ExpireDate") and rule["ExpireDate"] <= now.timestamp()
    arn = f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm-mute-rule:{rule['Name']}"
    kept = {name: part for name, part in rule.items() if name != "Tags"}
    status = "EXPIRED" if expired else "ACTIVE" if _active(rule, now) else "SCHEDULED"
    return kept | {"AlarmMuteRuleArn": arn, "Status": status}


def _active(rule: dict[str, Any], now: datetime) -> bool:
    """Whether the rule mutes at ``now``; ValueError for a schedule that CloudWatch would not take."""
    schedule = rule["Rule"]["Schedule"]
    lasting = _DURATION.fullmatch(schedule["Duration"])
    kind, _, inner = schedule["Expression"].removesuffix(")").partition("(")
    fields = inner.split()
    if not lasting or kind not in {"at", "cron"} or (kind == "cron" and len(fields) != 5):
        message = f"cannot schedule {schedule['Expression']} for {schedule['Duration']}"
        raise ValueError(message)
    days, hours, minutes = (int(part or 0) for part in lasting.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes)
    zone = ZoneInfo(schedule.get("Timezone", "UTC"))
    if not rule.get("StartDate", 0) <= now.timestamp() < rule.get("ExpireDate", float("inf")):
        return False
    if kind == "at":
        return timedelta(0) <= now - datetime.fromisoformat(inner).replace(tzinfo=zone) < length
    first = now.astimezone(zone).replace(second=0, microsecond=0)
    return any(_begins(fields, first - _MINUTE * back) for back in range(int(length / _MINUTE)))


def _begins(fields: list[str], moment: datetime) -> bool:
    weekday = (moment.weekday() + 1) % 7
    numbers = (moment.minute, moment.hour, moment.day, moment.month, weekday)
    return all(
        field == "*" or str(number) in field.split(",") or (place == 4 and _DAYS[number] in field.split(","))
        for place, (field, number) in enumerate(zip(fields, numbers, strict=True))
    )
