from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operators.conftest import context
from watchkeeper.operators.run_window import DueWork, due_work, pack_monitors, pack_work, read_scope
from watchkeeper.registry.capture_window import HOUR, Window

SIX = datetime(2026, 11, 20, 6, tzinfo=UTC)
FIVE_TO_SIX = Window(SIX - HOUR, SIX)
INTERVAL = {"data_interval_start": SIX - HOUR, "data_interval_end": SIX}


def scope(period="hourly", **fields):
    return read_scope(context(run={"run_after": SIX, **fields.pop("run", {})}, **fields), period)


def spec(name="flights", grace_minutes=0):
    return SimpleNamespace(registry_id=name, grace_minutes=grace_minutes)


def test_a_scheduled_run_judges_its_interval_and_makes_good_what_was_missed():
    found = scope(**INTERVAL)
    assert (found.windows, found.makes_good, found.choice.source) == ((FIVE_TO_SIX,), True, "data interval")


def test_a_backfill_does_its_own_window_only():
    assert not scope(**INTERVAL, run={"run_type": "backfill"}).makes_good


def test_params_win_and_may_hold_many_windows():
    params = {"window_start": "2026-11-20T01:00:00Z", "window_end": "2026-11-20T04:00:00+00:00"}
    found = scope(**INTERVAL, params=params)
    assert [window.start.hour for window in found.windows] == [1, 2, 3]
    assert (found.makes_good, found.choice.source) == (False, "params")


def test_without_interval_it_is_the_last_complete_window_before_the_run_was_due():
    found = scope(run={"run_after": SIX + timedelta(minutes=59)})
    assert found.windows == (FIVE_TO_SIX,)
    assert scope("daily").windows == (Window.day_of(SIX - 24 * HOUR),)


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"window_start": "2026-11-20T01:00:00Z"}, "give both"),
        ({"window_start": "2026-11-20T01:30:00Z", "window_end": "2026-11-20T04:00:00Z"}, "whole hour"),
        ({"window_start": "2026-11-20T05:00:00Z", "window_end": "2026-11-20T09:00:00Z"}, "ends after now"),
    ],
)
def test_a_wrong_param_is_refused_by_name(params, fault):
    with pytest.raises(ValueError, match=fault):
        scope(params=params)


def test_a_daily_run_over_some_hours_holds_no_day():
    params = {"window_start": "2026-11-20T01:00:00Z", "window_end": "2026-11-20T04:00:00Z"}
    with pytest.raises(ValueError, match="no whole daily window"):
        scope("daily", params=params)


def test_missed_windows_of_48_hours_come_first_and_judged_ones_not_at_all():
    found = scope(**INTERVAL)
    judged = {"flights": {Window(SIX - n * HOUR, SIX - n * HOUR + HOUR) for n in range(4, 60)}}
    (item,) = due_work(found, "hourly", [spec()], judged, {"flights"})
    assert [window.start.hour for window in item.windows] == [3, 4, 5]


def test_who_has_not_started_has_missed_nothing():
    (item,) = due_work(scope(**INTERVAL), "hourly", [spec()], {}, ())
    assert item.windows == (FIVE_TO_SIX,)


def test_nothing_is_younger_than_the_runs_own_window():
    """A run of the past that is cleared leaves later windows to their own runs."""
    late = scope(**INTERVAL, run={"run_after": SIX + 5 * HOUR})
    (item,) = due_work(late, "hourly", [spec()], {}, {"flights"})
    assert item.windows[-1] == FIVE_TO_SIX
    assert len(item.windows) == 48 - 5 + 1


def test_up_to_the_limit_each_endpoint_has_a_task():
    work = [DueWork(name, (FIVE_TO_SIX,)) for name in "abc"]
    assert pack_work(work, {}, 3) == [{name: [FIVE_TO_SIX.name]} for name in "abc"]
    assert pack_work([DueWork("idle", ())], {}, 3) == []


@given(
    rows=st.lists(st.floats(0, 1e6), min_size=1, max_size=300),
    limit=st.integers(1, 50),
)
def test_packs_hold_everyone_once_and_end_together(rows, limit):
    names = [f"e{number}" for number in range(len(rows))]
    work = [DueWork(name, (FIVE_TO_SIX,)) for name in names]
    usual = dict(zip(names, rows, strict=True))
    packs = pack_work(work, usual, limit)
    assert sorted(name for pack in packs for name in pack) == sorted(names)
    assert len(packs) <= limit or len(names) <= limit
    if len(names) > limit:
        loads = [sum(max(usual[name], 1.0) for name in pack) for pack in packs]
        # The law of dealing out the largest first: nobody is further above the least than the largest endpoint.
        assert max(loads) - min(loads) <= max(*rows, 1.0) * (1 + 1e-9)


@given(
    counts=st.dictionaries(
        st.sampled_from(["data_quality", "explainability", "bias"]), st.integers(0, 200), min_size=1
    ),
    limit=st.integers(3, 60),
)
def test_no_monitor_crowds_another_out_and_the_limit_holds(counts, limit):
    work = {
        name: [DueWork(f"{name}{number}", (FIVE_TO_SIX,)) for number in range(many)] for name, many in counts.items()
    }
    packs = pack_monitors(work, {}, limit)
    dealt = [(pack["monitor"], name) for pack in packs for name in pack["work"]]
    assert sorted(dealt) == sorted((name, item.endpoint) for name, items in work.items() for item in items)
    assert len(packs) == min(limit, sum(counts.values()))
    shares = {name: sum(pack["monitor"] == name for pack in packs) for name in counts}
    for name, many in counts.items():
        assert shares[name] >= bool(many)
        for other in counts:
            # d'Hondt: nobody would have fewer endpoints to a task by taking one from another monitor.
            if shares[other] > 1:
                assert many / (shares[name] + 1) <= counts[other] / (shares[other] - 1)


def test_endpoints_without_a_window_take_no_share():
    work = {"bias": [DueWork("a", ())], "data_quality": [DueWork(name, (FIVE_TO_SIX,)) for name in "abc"]}
    assert [pack["monitor"] for pack in pack_monitors(work, {}, 3)] == ["data_quality"] * 3
