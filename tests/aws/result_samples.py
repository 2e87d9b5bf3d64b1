"""Window results to store, tell and count in tests."""

from watchkeeper.aws.window_result import FindingRecord, WindowResult
from watchkeeper.registry.capture_window import Window

HOUR = Window.parse("2026-11-20T05:00Z", "2026-11-20T06:00Z")


def finding(feature="dep_delay", check="baseline_drift_check", **fields):
    values = {"outcome": "violated", "reason": "0.31 against a limit of 0.1", "observed": 0.31, "limit": 0.1}
    return FindingRecord(feature=feature, check=check, **(values | fields))


def result(window=HOUR, **fields):
    values = {
        "endpoint": "flights",
        "endpoint_name": "flights-delay",
        "variant": "AllTraffic",
        "monitor": "data_quality",
        "period": "hourly",
        "window": window.name,
        "verdict": "ok",
        "reason": "all checks are satisfied",
        "digest": "d" * 32,
        "row_count": 120,
        "captured_count": 120,
        "owner": "flight-ops",
    }
    return WindowResult(**(values | fields))
