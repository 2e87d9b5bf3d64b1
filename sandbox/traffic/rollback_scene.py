"""The demo's incident: a faulty release is rolled back, and an endpoint with too many callers gets more instances.

``flights-delay`` is called eight times a second. Its second release fails more than half of the calls.
``order-quantity`` needs 200 ms for an answer, so one instance can give five a second: with two calls a second it
idles, with the sale's six more it drowns. The rows are those of the scene ``data_quality``; nothing is replayed.
"""

from datetime import UTC, datetime
from typing import Any

from sandbox.traffic.scene import Scene, Successor

CALLS_PER_SECOND = {"flights-delay": 8.0, "order-quantity": 2.0}
SURGE_PER_SECOND = 6.0
"""Of ``order-quantity``, on top."""

FLIGHTS = Scene(
    endpoint="flights-delay",
    variant="AllTraffic",
    starts=datetime(2013, 12, 4, tzinfo=UTC),
    trained_from=datetime(2013, 10, 1, tzinfo=UTC),
    trained_until=datetime(2013, 11, 1, tzinfo=UTC),
    baseline_from=datetime(2013, 11, 27, tzinfo=UTC),
    incidents=(),
    hourly=(),
    daily=(),
    successor=Successor(hour=0, ignored=(), environment={"SANDBOX_FAULT_SHARE": "0.6"}),
)

ORDERS = Scene(
    endpoint="order-quantity",
    variant="AllTraffic",
    starts=datetime(2011, 12, 7, tzinfo=UTC),
    trained_from=datetime(2011, 10, 1, tzinfo=UTC),
    trained_until=datetime(2011, 11, 1, tzinfo=UTC),
    baseline_from=datetime(2011, 11, 30, tzinfo=UTC),
    incidents=(),
    hourly=(),
    daily=(),
    environment={"SANDBOX_SERVICE_MS": "200"},
)

SCENES = (FLIGHTS, ORDERS)


def as_document(_before: datetime | None = None) -> dict[str, Any]:
    """Return the scene's promises as JSON-ready data."""
    return {
        "incidents": [
            {
                "endpoint": FLIGHTS.endpoint,
                "condition": "server_errors",
                "action": "roll_back",
                "because": "the second release fails more than half of the calls",
            },
            {
                "endpoint": ORDERS.endpoint,
                "condition": "model_latency_p95",
                "action": "scale_out",
                "because": "eight calls a second are more than one instance can answer",
            },
        ],
        "calls_per_second": CALLS_PER_SECOND,
        "surge_per_second": SURGE_PER_SECOND,
    }
