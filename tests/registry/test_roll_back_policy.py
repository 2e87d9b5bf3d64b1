"""When a promotion is taken back by itself, what forbids it, and laws that hold whatever the verdicts are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watchkeeper.registry.capture_window import HOUR, Window
from watchkeeper.registry.retraining_policy import VerdictRow, ViolatedCheck
from watchkeeper.registry.retraining_spec import RetrainingSpec
from watchkeeper.registry.roll_back_policy import (
    Promotion,
    RollBackDecision,
    RollBackRefusal,
    decide_roll_back,
    probation,
)

PROMOTED = datetime(2026, 11, 20, 6, 20, tzinfo=UTC)
PROMOTION = Promotion("a", PROMOTED, PROMOTED)
DRIFT = ViolatedCheck("delay", "baseline_drift_check", "medium")


def spec(**changes: Any) -> RetrainingSpec:
    document = {"pipeline_name": "p", "model_package_group": "g", "definition": None, "mode": "automatic"}
    return RetrainingSpec.model_validate({"deployment": {"roll_back": {}}} | document | changes)


def row(hours: int, verdict: str = "violated", **fields: Any) -> VerdictRow:
    """Return a verdict of the hour so many hours after the one of the promotion."""
    defaults: dict[str, Any] = {
        "endpoint": "flights",
        "variant": "AllTraffic",
        "monitor": "data_quality",
        "window": Window.hour_of(PROMOTED + timedelta(hours=hours)),
        "verdict": verdict,
        "severity": "medium",
        "violated": (DRIFT,) if verdict == "violated" else (),
    }
    return VerdictRow(**(defaults | fields))


def decide(rows: list[VerdictRow], promotion: Promotion = PROMOTION, **changes: Any) -> RollBackDecision:
    given_spec = spec(**changes)
    assert given_spec.deployment.roll_back is not None
    return decide_roll_back(given_spec, given_spec.deployment.roll_back, "flights", rows, promotion)


def test_enough_violated_windows_after_the_promotion_take_it_back() -> None:
    decision = decide([row(1), row(2, "ok"), row(60)])
    assert (decision.roll_back, decision.attempt_id, decision.refusals) == (True, "a", ())
    assert [item.window for item in decision.counting] == [row(60).window, row(1).window]
    assert decision.reason == (
        "Roll back: 2 hours of a monitor are violated within 3 days after the promotion of 2026-11-20T06:20:00Z, the "
        "newest 2026-11-22T18:00Z/2026-11-22T19:00Z by data_quality (delay: baseline_drift_check)."
    )


@pytest.mark.parametrize(
    ("rows", "counting"),
    [
        pytest.param([row(0), row(1)], 1, id="both models answered the hour of the promotion"),
        pytest.param([row(-1), row(1)], 1, id="the model before's"),
        pytest.param([row(1), row(72)], 2, id="the last hour that begins within the days"),
        pytest.param([row(1), row(73)], 1, id="too late to count"),
        pytest.param([row(1), row(2, "no_traffic"), row(3, "labels_pending"), row(4, "failed")], 1, id="not judged"),
        pytest.param([row(1), row(2, endpoint="other")], 1, id="another endpoint"),
        pytest.param([row(1), row(2, violated=(ViolatedCheck("x", "y", "low"),))], 2, id="any finding"),
        pytest.param([row(1), row(1, window=Window.day_of(PROMOTED + timedelta(days=1)))], 1, id="another period"),
    ],
)
def test_which_windows_count(rows: list[VerdictRow], counting: int) -> None:
    decision = decide(rows)
    assert len(decision.counting) == counting
    assert decision.roll_back is (counting >= 2)


def test_it_counts_by_the_triggers_of_retraining() -> None:
    rows = [row(1), row(2)]
    assert not decide(rows, triggers={"minimum_severity": "high"}).roll_back
    assert not decide(rows, triggers={"monitors": ["model_quality"]}).roll_back
    assert decide(rows, triggers={"features": ["delay"], "of_windows": 3}).roll_back


def test_windows_of_different_monitors_are_not_added_up() -> None:
    decision = decide([row(1), row(2, monitor="model_quality")])
    assert decision.refusals == (RollBackRefusal.TOO_FEW_VIOLATED,)
    assert decision.reason.endswith("but 2 would be needed.")


def test_what_a_later_model_did_does_not_count_against_the_one_that_serves_again() -> None:
    again = Promotion("a", PROMOTED, serving_since=PROMOTED + 10 * HOUR)
    assert decide([row(5), row(9), row(11)], again).refusals == (RollBackRefusal.TOO_FEW_VIOLATED,)
    assert decide([row(11), row(12)], again).roll_back


def test_a_person_who_keeps_the_model_and_a_dry_run_are_obeyed() -> None:
    kept = decide([row(1), row(2)], Promotion("a", PROMOTED, PROMOTED, kept=True))
    assert kept.refusals == (RollBackRefusal.KEPT,)
    assert "a person has decided to keep this model" in kept.reason
    assert decide([row(1), row(2)], mode="dry_run").refusals == (RollBackRefusal.DRY_RUN,)


def test_a_policy_that_never_could_act_is_refused() -> None:
    policy = {"roll_back": {"violated_windows": 4, "within_days": 3}}
    assert decide([row(1), row(2), row(3), row(4)], deployment=policy).roll_back
    with pytest.raises(ValidationError, match="violated_windows 4 never happens: within 3 days there are 3 windows"):
        spec(deployment=policy, triggers={"period": "daily"})
    assert RetrainingSpec.model_validate(spec().model_dump() | {"deployment": {}}).deployment.roll_back is None


rows = st.lists(
    st.builds(
        row,
        st.integers(-30, 200),
        st.sampled_from(("violated", "ok", "no_traffic", "labels_pending", "failed")),
        monitor=st.sampled_from(("data_quality", "model_quality", "bias")),
        variant=st.sampled_from(("AllTraffic", "other")),
    ),
    max_size=16,
).map(lambda found: list({(item.window, item.monitor, item.variant): item for item in found}.values()))


@given(rows, st.integers(1, 4), st.integers(1, 8), st.integers(0, 100))
def test_it_only_acts_on_enough_windows_that_the_model_answered_in_its_first_days(
    given_rows: list[VerdictRow], needed: int, days: int, since: int
) -> None:
    promotion = Promotion("a", PROMOTED, PROMOTED + timedelta(hours=since))
    policy = {"violated_windows": needed, "within_days": days}
    decision = decide(given_rows, promotion, deployment={"roll_back": policy})
    start, end = probation(spec(deployment={"roll_back": policy}).deployment.roll_back, promotion)  # type: ignore[arg-type]
    counted = [item for item in given_rows if item.verdict == "violated" and start <= item.window.start < end]
    assert all(item.window.start >= start and item.window.start < end for item in decision.counting)
    if decision.roll_back:
        assert len(counted) >= needed
    assert decision.roll_back is (not decision.refusals)


@given(rows, st.randoms(use_true_random=False))
def test_neither_order_nor_good_windows_matter(given_rows: list[VerdictRow], chance: Any) -> None:
    shuffled = [item for item in given_rows if item.verdict != "ok"]
    chance.shuffle(shuffled)
    assert decide(shuffled) == decide(given_rows)


@given(rows, rows)
def test_more_verdicts_never_save_a_model(some: list[VerdictRow], more: list[VerdictRow]) -> None:
    there = {(item.window, item.monitor, item.variant) for item in some}
    added = [item for item in more if (item.window, item.monitor, item.variant) not in there]
    assert decide([*some, *added]).roll_back or not decide(some).roll_back
