"""The retraining policy: when it says yes, what forbids it, and laws that hold whatever happened before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.capture_window import HOUR, Window, hour_floor
from watchkeeper.registry.retraining_policy import (
    MONTH,
    PastAttempt,
    Refusal,
    RetrainingDecision,
    VerdictRow,
    ViolatedCheck,
    decide_retraining,
    verdicts_since,
)
from watchkeeper.registry.retraining_spec import RetrainingSpec

NOW = datetime(2026, 11, 20, 6, 20, tzinfo=UTC)
DRIFT = ViolatedCheck("delay", "baseline_drift_check", "medium")


def spec(**changes: Any) -> RetrainingSpec:
    document = {
        "pipeline_name": "p",
        "model_package_group": "g",
        "role_arn": "arn:aws:iam::123456789012:role/r",
        "mode": "automatic",
    }
    return RetrainingSpec.model_validate(document | changes)


def hours_ago(hours: int) -> Window:
    return Window.hour_of(NOW - timedelta(hours=hours))


def row(hours: int, verdict: str = "violated", **fields: Any) -> VerdictRow:
    defaults: dict[str, Any] = {
        "endpoint": "flights",
        "variant": "AllTraffic",
        "monitor": "data_quality",
        "window": hours_ago(hours),
        "verdict": verdict,
        "severity": "medium",
        "violated": (DRIFT,) if verdict == "violated" else (),
    }
    return VerdictRow(**(defaults | fields))


TWO_OF_THREE = [row(1), row(2, "ok"), row(3)]


def decide(
    rows: list[VerdictRow] = TWO_OF_THREE, past: list[PastAttempt] | None = None, now: datetime = NOW, **options: Any
) -> RetrainingDecision:
    changes = {
        name: options.pop(name)
        for name in list(options)
        if name not in {"by_hand", "forced", "run_id", "evaluation_given"}
    }
    return decide_retraining(spec(**changes), "flights", rows, past or [], now, **options)


def test_enough_violated_windows_call_for_retraining() -> None:
    decision = decide()
    assert decision.retrain
    assert [item.window for item in decision.counting] == [hours_ago(1), hours_ago(3)]
    assert decision.counting[0].findings == (DRIFT,)
    assert decision.attempt_id.startswith("20261120T05-20261120T06-")
    assert decision.training_window == Window(hours_ago(0).start - timedelta(days=14), hours_ago(0).start)
    assert decision.evaluation_window.end == decision.training_window.end
    assert decision.evaluation_window.length == timedelta(days=3)
    assert decision.reason == (
        "Retrain: 2 of a monitor's last 3 judged hours are violated, the newest "
        "2026-11-20T05:00Z/2026-11-20T06:00Z by data_quality (delay: baseline_drift_check)."
    )


@pytest.mark.parametrize(
    ("rows", "counting"),
    [
        pytest.param([row(1), row(2, "ok"), row(3, "ok"), row(4)], 1, id="the fourth is too old"),
        pytest.param([row(1), row(2, "no_traffic"), row(3, "labels_pending"), row(9, "failed"), row(10)], 2, id="gaps"),
        pytest.param([row(1), row(1, monitor="model_quality")], 2, id="two monitors of one window"),
        pytest.param([row(1), row(2, variant="other")], 2, id="two variants"),
        pytest.param([row(1), row(2, monitor="bias"), row(2, monitor="explainability")], 3, id="every monitor counts"),
        pytest.param([row(1), row(2, endpoint="other")], 1, id="another endpoint"),
        pytest.param([row(1), row(2, violated=())], 2, id="findings that were not listed"),
        pytest.param([row(1), row(1, window=Window.day_of(NOW - timedelta(days=1)))], 1, id="another period"),
    ],
)
def test_which_windows_count(rows: list[VerdictRow], counting: int) -> None:
    assert len(decide(rows).counting) == counting


def test_windows_of_different_tracks_are_not_added_up() -> None:
    decision = decide([row(1), row(2, monitor="model_quality")])
    assert decision.refusals == (Refusal.TOO_FEW_VIOLATED,)
    assert decision.reason.endswith("but 2 would be needed.")


@pytest.mark.parametrize(
    ("triggers", "counts"),
    [
        ({"checks": ["baseline_drift_check"]}, True),
        ({"checks": ["completeness_check"]}, False),
        ({"features": ["delay"], "minimum_severity": "medium"}, True),
        ({"features": ["carrier"]}, False),
        ({"minimum_severity": "high"}, False),
        ({"monitors": ["model_quality"]}, False),
        ({"period": "daily"}, False),
    ],
)
def test_findings_that_do_not_count_make_no_window_count(triggers: dict[str, Any], counts: bool) -> None:
    assert decide(triggers=triggers).retrain is counts


def past(hours: float, attempt_id: str = "earlier", **fields: Any) -> PastAttempt:
    defaults = {"started": True, "ended": True}
    return PastAttempt(attempt_id, NOW - timedelta(hours=hours), **(defaults | fields))


@pytest.mark.parametrize(
    ("attempts", "refusals"),
    [
        pytest.param([past(30)], (), id="over"),
        pytest.param([past(23)], (Refusal.COOLDOWN,), id="cooldown"),
        pytest.param([past(23, dry_run=True)], (), id="a dry run counts for nothing"),
        pytest.param([past(48, ended=False)], (Refusal.OPEN_ATTEMPT,), id="open"),
        pytest.param([past(24 * 8, ended=False)], (), id="a run that died"),
        pytest.param([past(48 + hour, str(hour)) for hour in range(4)], (Refusal.MONTHLY_MAXIMUM,), id="maximum"),
        pytest.param([past(24 * 31 + hour, str(hour)) for hour in range(9)], (), id="last month's"),
        pytest.param([past(48 + hour, str(hour), started=False) for hour in range(9)], (), id="never started"),
    ],
)
def test_what_forbids_it(attempts: list[PastAttempt], refusals: tuple[Refusal, ...]) -> None:
    decision = decide(past=attempts)
    assert (decision.refusals, decision.retrain) == (refusals, not refusals)


def test_windows_of_the_model_before_do_not_count() -> None:
    promoted = past(30, model_changed_at=hours_ago(2).start)
    assert decide(past=[promoted]).refusals == (Refusal.TOO_FEW_VIOLATED,)
    assert decide([row(1), row(2)], past=[promoted]).retrain


def test_only_hours_that_the_model_in_service_answered_alone_are_compared_on() -> None:
    changed = past(30, model_changed_at=hours_ago(10).start + timedelta(minutes=20))
    decision = decide([row(1), row(2)], past=[changed])
    assert decision.retrain
    assert decision.evaluation_window == Window(hours_ago(9).start, hours_ago(0).start)
    assert decision.training_window.length == timedelta(days=14)
    long_ago = past(24 * 20, model_changed_at=NOW - timedelta(days=20))
    assert decide(past=[long_ago]).evaluation_window == decide().evaluation_window


def test_a_model_that_has_answered_nothing_yet_cannot_be_compared_with() -> None:
    changed = past(30, model_changed_at=NOW - timedelta(minutes=5))
    decision = decide([], past=[changed], by_hand=True, forced=True)
    assert decision.refusals == (Refusal.NO_ANSWERS,)
    assert "has not answered for a whole hour yet" in decision.reason
    assert decide([], past=[changed], by_hand=True, forced=True, evaluation_given=True).retrain


def test_a_retry_carries_its_own_attempt_on_and_an_ended_one_is_not_repeated() -> None:
    own = decide().attempt_id
    again = decide(past=[past(1, own, ended=False)])
    assert (again.retrain, again.adopts, again.attempt_id) == (True, True, own)
    ended = decide(past=[past(30, own)])
    assert ended.refusals == (Refusal.ALREADY_ATTEMPTED,)
    assert "has come to its end" in ended.reason


def test_a_dry_run_says_all_that_a_real_one_would() -> None:
    decision = decide(mode="dry_run")
    assert (decision.retrain, decision.refusals) == (False, (Refusal.DRY_RUN,))
    assert decision.attempt_id == decide().attempt_id
    assert decision.reason.startswith("No retraining: 2 of a monitor's last 3")
    assert decision.reason.endswith("but the mode is dry_run.")


def test_by_hand_no_window_is_needed_and_the_run_names_the_attempt() -> None:
    decision = decide([], by_hand=True, run_id="manual__1")
    assert decision.retrain
    assert decision.attempt_id == decide([], now=NOW + HOUR, by_hand=True, run_id="manual__1").attempt_id
    assert decision.attempt_id != decide([], by_hand=True, run_id="manual__2").attempt_id
    assert decision.training_window.end == hour_floor(NOW)


def test_only_a_person_may_force() -> None:
    with pytest.raises(ValueError, match="forced without by_hand"):
        decide(forced=True)
    busy = [past(1, ended=False)]
    assert decide(past=busy, by_hand=True, forced=True).refusals == (Refusal.OPEN_ATTEMPT,)
    assert decide(past=[past(1)], by_hand=True).refusals == (Refusal.COOLDOWN,)
    assert decide(past=[past(1)], by_hand=True, forced=True, mode="dry_run", maximum_per_month=0).retrain


def test_how_far_back_verdicts_matter() -> None:
    assert NOW - verdicts_since(spec(), NOW) < timedelta(days=8)
    assert NOW - verdicts_since(spec(triggers={"period": "daily"}), NOW) > timedelta(days=11)
    assert NOW - verdicts_since(spec(), NOW, waiting_hours=24 * 30) > timedelta(days=36)


attempts = st.lists(
    st.builds(
        PastAttempt,
        attempt_id=st.integers(0, 10_000).map(str),
        decided_at=st.integers(0, 60 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes)),
        started=st.booleans(),
        ended=st.booleans(),
        dry_run=st.booleans(),
    ),
    max_size=8,
)
rows = st.lists(
    st.builds(row, st.integers(1, 12), st.sampled_from(("violated", "ok", "no_traffic", "labels_pending"))), max_size=12
)


@given(rows, attempts, st.integers(0, 100), st.integers(0, 5), st.booleans())
def test_it_never_trains_within_the_cooldown_nor_over_the_maximum(
    given_rows: list[VerdictRow], given_attempts: list[PastAttempt], cooldown: int, maximum: int, by_hand: bool
) -> None:
    decision = decide(given_rows, given_attempts, cooldown_hours=cooldown, maximum_per_month=maximum, by_hand=by_hand)
    real = [attempt for attempt in given_attempts if not attempt.dry_run]
    if decision.retrain and not decision.adopts:
        assert all(NOW - attempt.decided_at >= timedelta(hours=cooldown) for attempt in real)
        assert sum(attempt.started and NOW - attempt.decided_at < MONTH for attempt in real) < maximum
    assert decision.retrain is (not decision.refusals)


@given(rows, attempts, st.booleans())
def test_the_order_of_what_is_given_does_not_matter(
    given_rows: list[VerdictRow], given_attempts: list[PastAttempt], by_hand: bool
) -> None:
    there = list({item.window: item for item in given_rows}.values())
    forward = decide(there, given_attempts, by_hand=by_hand)
    backward = decide(there[::-1], given_attempts[::-1], by_hand=by_hand)
    assert forward == backward


@given(rows, attempts)
def test_by_hand_only_lack_of_violated_windows_is_overlooked(
    given_rows: list[VerdictRow], given_attempts: list[PastAttempt]
) -> None:
    policy, person = decide(given_rows, given_attempts), decide(given_rows, given_attempts, by_hand=True)
    assert set(policy.refusals) - {Refusal.TOO_FEW_VIOLATED} == set(person.refusals)
    assert policy.counting == person.counting
