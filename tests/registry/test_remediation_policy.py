"""What alarms call for: guards, escalation, flapping, and one action at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.fleet_remediation_spec import FleetRemediationSpec
from watchkeeper.registry.remediation_policy import (
    AlarmFact,
    Breaker,
    OpenIncident,
    PastAction,
    PastStep,
    Refusal,
    Surroundings,
    Verdict,
    decide_remediation,
    incident_name,
)
from watchkeeper.registry.remediation_spec import RemediationSpec

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ERRORS = {"name": "errors", "alarms": ["server_errors"], "persists_minutes": 10, "do": ["scale_out", "roll_back"]}
SLOW = {"name": "slow", "alarms": ["model_latency_p95"], "do": ["notify"]}
DRIFT = {"name": "drift", "alarms": ["violations"], "do": ["retrain"]}
FLEET = FleetRemediationSpec()


def policy(*rules, **fields):
    return RemediationSpec.model_validate({"mode": "automatic", "rules": list(rules) or [ERRORS, SLOW, DRIFT]} | fields)


def alarm(condition="server_errors", state="ALARM", minutes=20, variant="AllTraffic"):
    name = f"watchkeeper/flights/{variant}/{condition}"
    return AlarmFact(name, condition, state, NOW - timedelta(minutes=minutes), variant)


def decide(alarms, incident=None, past=(), spec=None, fleet=FLEET, now=NOW, **more):
    around = {"breaker": Breaker(), "surroundings": Surroundings(fleet_size=20)} | more
    return decide_remediation(spec or policy(), fleet, "flights", alarms, incident, list(past), now=now, **around)


def incident(*steps, **fields):
    values = {"incident_id": "i", "alarms": (alarm().name,), "steps": tuple(steps)} | fields
    return OpenIncident(**values)


def step(level=0, action="scale_out", rule="errors", **fields):
    return PastStep(rule, level, action, **({"acted": True} | fields))


# ---- the three rules that must work as examples


def test_slow_answers_are_told():
    decision = decide([alarm("model_latency_p95", minutes=0)])
    assert (decision.verdict, decision.action, decision.asks) == (Verdict.ACT, "notify", False)


def test_persistent_errors_scale_out_then_go_back_to_what_served_before():
    assert decide([alarm(minutes=5)]).refusals == (Refusal.NOT_PERSISTENT,)
    first = decide([alarm()])
    assert (first.verdict, first.action, first.level) == (Verdict.ACT, "scale_out", 0)
    second = decide([alarm()], incident(step()))
    assert (second.verdict, second.action, second.level) == (Verdict.ACT, "roll_back", 1)


def test_violations_retrain():
    assert decide([alarm("violations", minutes=0)]).action == "retrain"


# ---- escalation


def test_what_has_not_helped_is_left_to_people():
    tried = incident(step(), step(1, "roll_back"))
    decision = decide([alarm()], tried)
    assert (decision.verdict, decision.refusals) == (Verdict.ESCALATE, (Refusal.EXHAUSTED,))
    assert decide([alarm()], replace(tried, escalated=True)).verdict is Verdict.NOTHING


def test_a_rule_whose_alarm_is_young_has_its_turn_before_people_do():
    spec = policy(ERRORS, SLOW, DRIFT | {"persists_minutes": 30})
    both = [alarm(), alarm("violations", minutes=5)]
    done = incident(step(), step(1, "roll_back"))
    waits = decide(both, done, spec=spec)
    assert (waits.verdict, waits.refusals) == (Verdict.WAIT, (Refusal.NOT_PERSISTENT,))
    turn = decide([alarm(), alarm("violations", minutes=40)], done, spec=spec)
    assert (turn.verdict, turn.action) == (Verdict.ACT, "retrain")


def test_people_are_not_kept_waiting_for_another_rules_patience():
    waiting = step(0, "retrain", "drift", watched_until=NOW + timedelta(days=2))
    tried = incident(step(), step(1, "roll_back"), waiting)
    assert decide([alarm(), alarm("violations")], tried).verdict is Verdict.ESCALATE
    assert decide([alarm("violations")], incident(waiting)).refusals == (Refusal.PATIENCE,)


def test_a_rule_that_only_tells_escalates_to_nobody():
    told = incident(step(0, "notify", "slow"), alarms=(alarm("model_latency_p95").name,))
    assert decide([alarm("model_latency_p95")], told).verdict is Verdict.WAIT


def test_a_step_that_is_being_waited_for_is_not_followed_by_another():
    spec = policy(ERRORS | {"do": ["notify", "scale_out"]})
    waiting = incident(step(0, "notify", watched_until=NOW + timedelta(minutes=1)))
    assert decide([alarm()], waiting, spec=spec).refusals == (Refusal.PATIENCE,)
    over = incident(step(0, "notify", watched_until=NOW))
    assert decide([alarm()], over, spec=spec).action == "scale_out"


def test_a_step_that_was_put_off_is_decided_anew():
    assert decide([alarm()], incident(step(postponed=True, acted=False))).action == "scale_out"


def test_a_message_holds_up_nothing_that_may_help():
    spec = policy(SLOW, ERRORS)
    assert decide([alarm("model_latency_p95"), alarm()], spec=spec).action == "scale_out"


def test_who_is_asked_is_said_by_the_mode_and_by_approve():
    spec = policy(ERRORS | {"do": ["scale_out", "approve", "roll_back"]})
    assert decide([alarm()], spec=spec).asks is False
    second = decide([alarm()], incident(step()), spec=spec)
    assert (second.action, second.asks, second.level) == ("roll_back", True, 1)
    assert decide([alarm()], spec=policy(ERRORS, mode="approval")).asks is True


# ---- one incident


def test_all_alarms_of_an_endpoint_are_one_incident_named_by_the_first():
    later, first = alarm(minutes=15), alarm("model_latency_p95", minutes=30)
    composite = replace(alarm("incident", minutes=14), variant=None)
    spec = policy(ERRORS | {"alarms": ["server_errors", "incident"]}, SLOW)
    decision = decide([later, composite, first], spec=spec)
    assert decision.incident_id == incident_name("flights", first.since)
    assert set(decision.alarms) == {later.name, composite.name, first.name}


def test_an_incident_that_a_run_works_on_is_left_to_it():
    assert decide([alarm()], incident(holder="remediate r1")).refusals == (Refusal.UNDER_WAY,)
    assert decide([alarm(state="OK")], incident(holder="remediate r1")).verdict is Verdict.NOTHING


def test_an_incident_ends_when_its_alarms_are_ok():
    assert decide([alarm(state="OK")], incident()).verdict is Verdict.CLOSE
    assert decide([alarm(state="OK")], incident(step())).verdict is Verdict.RECOVER
    assert decide([], incident()).verdict is Verdict.CLOSE, "its alarm was deleted"
    assert decide([alarm(state="INSUFFICIENT_DATA")], incident()).verdict is Verdict.WAIT


def test_an_alarm_that_is_over_by_now_calls_for_nothing():
    assert decide([alarm(state="OK")]).verdict is Verdict.NOTHING


def test_an_alarm_that_no_rule_follows_calls_for_nothing():
    assert decide([alarm("disk_utilization")]).verdict is Verdict.NOTHING


def test_an_alarm_that_is_somebody_elses_is_followed_by_its_whole_name():
    spec = policy(ERRORS | {"alarms": ["churn-prod-5xx"]})
    foreign = AlarmFact("churn-prod-5xx", "churn-prod-5xx", "ALARM", NOW - timedelta(hours=1))
    assert decide([foreign], spec=spec).action == "scale_out"


def test_an_incident_that_a_person_ended_is_not_opened_again_by_the_same_alarm():
    decision = decide([alarm()], ended=[incident_name("flights", alarm().since)])
    assert decision.verdict is Verdict.NOTHING
    assert decide([alarm(minutes=15)], ended=[incident_name("flights", alarm().since)]).verdict is Verdict.ACT


# ---- guards


def test_a_flapping_alarm_is_acted_on_once_within_the_cooldown():
    acted = [PastAction("another", NOW - timedelta(minutes=29))]
    assert decide([alarm()], past=acted).refusals == (Refusal.COOLDOWN,)
    assert decide([alarm()], past=[PastAction("another", NOW - timedelta(minutes=30))]).verdict is Verdict.ACT


def test_the_cooldown_does_not_hold_up_the_next_step_of_the_same_incident():
    acted = [PastAction("i", NOW - timedelta(minutes=1))]
    assert decide([alarm()], incident(step()), acted).verdict is Verdict.ACT


def test_the_circuit_breaker_opens_and_closes_by_time_or_by_hand():
    acted = [PastAction(f"old{hours}", NOW - timedelta(hours=hours)) for hours in (2, 4, 6)]
    opened = decide([alarm()], past=acted)
    assert (opened.refusals, opened.opens_breaker) == ((Refusal.CIRCUIT_OPEN,), True)
    still = decide([alarm()], breaker=Breaker(opened_at=NOW - timedelta(hours=23)))
    assert (still.refusals, still.opens_breaker) == ((Refusal.CIRCUIT_OPEN,), False)
    assert decide([alarm()], breaker=Breaker(opened_at=NOW - timedelta(hours=24))).verdict is Verdict.ACT
    closed = Breaker(opened_at=NOW - timedelta(hours=1), closed_at=NOW - timedelta(minutes=30))
    assert decide([alarm()], past=acted, breaker=closed).verdict is Verdict.ACT
    by_hand = policy(circuit_breaker={"closes_after_hours": None})
    assert decide([alarm()], spec=by_hand, breaker=Breaker(opened_at=NOW - timedelta(days=90))).refusals


def test_nothing_is_done_in_a_maintenance_window_of_endpoint_or_fleet():
    window = {"weekly": {"weekdays": ["FRI"], "start": "11:30", "duration_minutes": 60}}
    assert decide([alarm()], spec=policy(maintenance_windows=window)).refusals == (Refusal.MAINTENANCE,)
    fleet = FleetRemediationSpec.model_validate({"maintenance_windows": window})
    assert decide([alarm()], fleet=fleet).refusals == (Refusal.MAINTENANCE,)
    assert decide([alarm()], fleet=fleet, now=NOW + timedelta(minutes=30)).verdict is Verdict.ACT


def test_an_endpoint_that_is_being_updated_is_left_alone_but_may_be_retrained():
    busy = Surroundings(busy="the endpoint is Updating", fleet_size=20)
    assert decide([alarm()], surroundings=busy).refusals == (Refusal.BUSY,)
    assert decide([alarm("violations")], surroundings=busy).verdict is Verdict.ACT


@pytest.mark.parametrize(
    ("around", "refused"),
    [
        (Surroundings(acting=frozenset({"a"}), fleet_size=20), False),
        (Surroundings(acting=frozenset({"a", "b"}), fleet_size=20), True),
        (Surroundings(acting=frozenset({"a", "flights"}), fleet_size=20), False),
        (Surroundings(acted=frozenset("abcde"), fleet_size=20), True),
        (Surroundings(acted=frozenset("abcd"), fleet_size=20), False),
        (Surroundings(acted=frozenset("a"), fleet_size=4), True),
        (Surroundings(fleet_size=1), False),
    ],
)
def test_the_blast_radius_counts_the_other_endpoints(around, refused):
    assert (Refusal.BLAST_RADIUS in decide([alarm()], surroundings=around).refusals) is refused


def test_a_dry_run_says_what_it_would_do_and_opens_no_breaker():
    acted = [PastAction(f"old{hours}", NOW - timedelta(hours=hours)) for hours in (2, 4, 6)]
    decision = decide([alarm()], spec=policy(mode="dry_run"), past=acted)
    assert Refusal.DRY_RUN in decision.refusals
    assert decision.opens_breaker is False
    assert "scale_out" in decision.reason
    assert "dry_run" in decision.reason
    off = FleetRemediationSpec.model_validate({"enabled": False})
    assert decide([alarm()], fleet=off).refusals == (Refusal.DRY_RUN,)


def test_dry_run_is_the_default():
    assert RemediationSpec.model_validate({}).mode == "dry_run"


@given(
    states=st.lists(st.sampled_from(["OK", "ALARM", "INSUFFICIENT_DATA"]), min_size=1, max_size=3),
    minutes=st.integers(0, 120),
    levels=st.integers(0, 3),
    held=st.booleans(),
    acted=st.lists(st.integers(0, 3000), max_size=5),
    mode=st.sampled_from(["dry_run", "approval", "automatic"]),
    busy=st.booleans(),
)
def test_whatever_happens_an_action_is_of_a_rule_whose_alarm_goes_off_and_no_guard_forbids(
    states, minutes, levels, held, acted, mode, busy
):
    conditions = ["server_errors", "model_latency_p95", "violations"]
    alarms = [alarm(name, state, minutes) for name, state in zip(conditions, states, strict=False)]
    steps = [step(level, "scale_out" if level == 0 else "roll_back") for level in range(levels)]
    at_hand = incident(*steps, holder="r" if held else None) if levels or held else None
    past = [PastAction("other", NOW - timedelta(minutes=age)) for age in acted]
    around = Surroundings(busy="b" if busy else None, fleet_size=20)
    decision = decide(alarms, at_hand, past, policy(mode=mode), surroundings=around)
    assert decision.reason
    if decision.verdict is not Verdict.ACT:
        return
    assert not decision.refusals
    assert not held
    assert "ALARM" in states
    assert decision.alarms
    if decision.action == "notify":
        return
    assert mode != "dry_run"
    assert decision.asks is (mode == "approval")
    assert not past or min(acted) >= 30
    assert len([age for age in acted if age < 24 * 60]) < 3
    assert decision.action == "retrain" or not busy
    if decision.rule == "errors":
        assert (minutes >= 10, decision.level) == (True, levels)


def test_an_action_is_for_the_alarms_of_its_rule_and_judged_by_them():
    errors, drift = alarm(minutes=20, variant="B"), alarm("violations", minutes=3000, variant="A")
    decision = decide([drift, errors], spec=policy(ERRORS, DRIFT))
    assert (decision.rule, decision.acts_on) == ("errors", (errors.name,))
    assert set(decision.alarms) == {errors.name, drift.name}, "the incident is about both"


def test_who_follows_violations_follows_those_of_daily_monitors():
    decision = decide([alarm("violations_daily")], spec=policy(ERRORS, DRIFT))
    assert (decision.verdict, decision.action) == (Verdict.ACT, "retrain")
    assert decide([alarm("violations")], spec=policy(DRIFT | {"alarms": ["violations_daily"]})).action is None
