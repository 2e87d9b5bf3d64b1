"""The demo's two days: a quiet Wednesday and a Thursday on which things really happened.

``flights-delay`` replays 4 and 5 December 2013: fog in the morning of the second day, then a cold front
that delayed flights from 13:00 New York time (18:00 UTC) until midnight UTC. ``order-quantity`` replays
7 and 8 December 2011: ordinary days of a shop, but for two hours in which the website's orders were entered in bulk.
Nights, thin hours and drift are the data's own; the incidents are ours.
"""

from datetime import UTC, datetime

from sandbox.traffic import attribution_scene, bias_scene, retrain_scene, rollback_scene
from sandbox.traffic.scene import CaptureLost, ColumnMissing, Expectation, Found, Garbled, Scene

_DRIFT = "baseline_drift_check"
_NIGHT = "nobody calls at night"
_THIN = "fewer rows than minimum_rows"

FLIGHTS = Scene(
    endpoint="flights-delay",
    variant="AllTraffic",
    starts=datetime(2013, 12, 4, tzinfo=UTC),
    trained_from=datetime(2013, 9, 1, tzinfo=UTC),
    trained_until=datetime(2013, 11, 1, tzinfo=UTC),
    baseline_from=datetime(2013, 11, 6, tzinfo=UTC),
    incidents=(
        Garbled(range(16, 18), suffixed={"temp": "F"}, blank=("wind_speed",), every=3),
        CaptureLost(range(20, 21), kept_of=3),
    ),
    hourly=(
        Expectation((5, 6, 7, 8, 29, 30, 31, 32), "no_traffic", (), _NIGHT),
        Expectation((3, 9, 28, 33), "too_few", (), _THIN),
        Expectation((4,), "too_few", (), "five flights in the whole hour"),
        Expectation(
            (16, 17),
            "violated",
            (Found("temp", "data_type_check"), Found("wind_speed", "completeness_check")),
            "the weather feed sends '41.0F', and no wind speed, in each third record",
        ),
        Expectation((20,), "capture_gap", (), "two of three invocations were not captured"),
        Expectation(
            (18 + 24, 19 + 24, 23 + 24),
            "violated",
            (Found("dep_delay", _DRIFT), Found("recent_delay", _DRIFT), Found("late_probability", _DRIFT)),
            "the storm holds flights on the ground",
        ),
        Expectation(
            (20 + 24, 21 + 24, 22 + 24),
            "violated",
            (Found("dep_delay", _DRIFT), Found("late_probability", _DRIFT)),
            "the storm holds flights on the ground",
        ),
    ),
    daily=(
        Expectation(
            (0,), "violated", (Found("temp", "data_type_check"), Found("wind_speed", "completeness_check")), "garbled"
        ),
        Expectation((24,), "violated", (Found("dep_delay", _DRIFT),), "storm"),
    ),
)

ORDERS = Scene(
    endpoint="order-quantity",
    variant="AllTraffic",
    starts=datetime(2011, 12, 7, tzinfo=UTC),
    trained_from=datetime(2011, 8, 1, tzinfo=UTC),
    trained_until=datetime(2011, 11, 1, tzinfo=UTC),
    baseline_from=datetime(2011, 11, 9, tzinfo=UTC),
    incidents=(ColumnMissing(range(37, 39), "basket_lines"),),
    hourly=(
        Expectation((*range(8), *range(18, 32), *range(45, 48)), "no_traffic", (), _NIGHT),
        Expectation((32, 44), "too_few", (), _THIN),
        Expectation(
            (33, 40),
            "violated",
            (Found("basket_lines", _DRIFT), Found("customer_kind", _DRIFT), Found("predicted_quantity", _DRIFT)),
            "the website's orders of a day entered at once",
        ),
        Expectation(
            (37, 38),
            "violated",
            (Found("basket_lines", "missing_column_check"),),
            "the caller's new release does not send basket_lines",
        ),
    ),
    daily=(
        Expectation((24,), "violated", (Found("basket_lines", "completeness_check"),), "two hours had no basket_lines"),
    ),
)

SCENES = (FLIGHTS, ORDERS)

STORIES = {
    "data_quality": SCENES,
    "retrain": retrain_scene.SCENES,
    "attribution": attribution_scene.SCENES,
    "bias": bias_scene.SCENES,
    "rollback": rollback_scene.SCENES,
}
"""The scenes that are deployed and replayed together, by the name of their demo."""
