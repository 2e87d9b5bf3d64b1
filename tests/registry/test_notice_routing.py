"""Laws of routes, silences and reminders."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.notice_routing import (
    NoticeFacts,
    channel_named,
    channels_of,
    expired_silences,
    is_repeat,
    matches,
    reminder_due,
    silence_over,
    worst_severity,
)
from watchkeeper.registry.routing_spec import NOT_BY_THE_WAY, NoticeMatcher, RoutingSpec, SilenceSpec

NOW = datetime(2026, 11, 25, 5, tzinfo=UTC)
DEFAULT = "arn:aws:sns:us-east-1:123456789012:default"
OWN = "arn:aws:sns:us-east-1:123456789012:own"
CHANNELS = {
    "ops": {"sns": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:ops"}},
    "slack": {"slack": {"channel": "#models"}},
    "pager": {"pagerduty": {}},
}
KINDS = ("alert", "recovery", "withdrawal", "approval_wanted", "event", "reminder")

facts_of = st.builds(
    NoticeFacts,
    kind=st.sampled_from(KINDS),
    severity=st.sampled_from(("info", "warning", "critical")),
    endpoint=st.sampled_from((None, "flights", "churn", "churn-eu")),
    owner=st.sampled_from((None, "flight-ops", "growth")),
    monitor=st.sampled_from((None, "bias", "data_quality")),
    tags=st.dictionaries(st.sampled_from(("tier", "region")), st.sampled_from(("gold", "eu")), max_size=2),
)
matchers = st.fixed_dictionaries(
    {},
    optional={
        "severity": st.lists(st.sampled_from(("info", "warning", "critical")), unique=True),
        "kind": st.lists(st.sampled_from(KINDS), unique=True),
        "owner": st.lists(st.sampled_from(("flight-*", "growth", "*")), unique=True),
        "endpoint": st.lists(st.sampled_from(("flights", "churn*", "?hurn", "*")), unique=True),
        "monitor": st.lists(st.sampled_from(("bias", "data_*")), unique=True),
        "tags": st.dictionaries(st.sampled_from(("tier", "region")), st.sampled_from(("gold", "eu")), max_size=2),
    },
)
routes = st.lists(
    st.fixed_dictionaries(
        {
            "match": matchers,
            "channels": st.lists(st.sampled_from(sorted(CHANNELS)), min_size=1, unique=True),
            "go_on": st.booleans(),
        }
    ),
    max_size=5,
)
moments = st.datetimes(datetime(2026, 11, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def routing(**fields):
    return RoutingSpec.model_validate({"channels": CHANNELS} | fields)


def names(facts, given_routes, own=None, default=DEFAULT):
    return [one.name for one in channels_of(facts, routing(routes=given_routes), own_topic=own, default_topic=default)]


@given(facts_of, routes)
def test_nothing_is_lost_where_there_is_a_topic(facts, given_routes):
    assert names(facts, given_routes)
    taken = any(matches(NoticeMatcher.model_validate(route["match"]), facts) for route in given_routes)
    assert (names(facts, given_routes) == [DEFAULT]) == (not taken)
    assert bool(names(facts, given_routes, default=None)) == taken


@given(facts_of, routes)
def test_an_endpoints_own_topic_comes_before_the_routes(facts, given_routes):
    assert names(facts, given_routes, own=OWN) == [OWN]


@given(facts_of, routes)
def test_the_first_route_that_takes_it_wins_unless_it_goes_on(facts, given_routes):
    wanted: list[str] = []
    for route in given_routes:
        if matches(NoticeMatcher.model_validate(route["match"]), facts):
            wanted += [name for name in route["channels"] if name not in wanted]
            if not route["go_on"]:
                break
    assert names(facts, given_routes) == (wanted or [DEFAULT])


@given(facts_of, routes, routes)
def test_what_follows_a_final_route_changes_nothing(facts, before, after):
    final = [*before, {"match": {}, "channels": ["ops"], "go_on": False}]
    assert names(facts, final) == names(facts, [*final, *after])


@given(facts_of, matchers, matchers)
def test_saying_more_takes_less(facts, one, other):
    both = {**other, **one}
    narrowed = {name: value for name, value in both.items() if name not in one or name not in other}
    if matches(NoticeMatcher.model_validate({**one, **narrowed}), facts):
        assert matches(NoticeMatcher.model_validate(one), facts)


def silence(match, until):
    return SilenceSpec.model_validate({"match": match, "until": until, "reason": "moved", "author": "ana"})


silences = st.lists(
    st.builds(silence, matchers.filter(lambda match: any(match.values())), moments),
    max_size=4,
)


@given(facts_of, silences, moments)
def test_a_silence_never_outlives_its_end(facts, given_silences, now):
    found = silence_over(facts, given_silences, now)
    assert found is None or (found.until > now and matches(found.match, facts))
    assert silence_over(facts, given_silences, max([now, *(one.until for one in given_silences)])) is None


@given(facts_of, silences, moments, moments)
def test_what_is_silent_later_was_silent_all_the_time(facts, given_silences, one, other):
    earlier, later = sorted((one, other))
    if silence_over(facts, given_silences, later) is not None:
        assert silence_over(facts, given_silences, earlier) is not None


@pytest.mark.parametrize("kind", sorted(NOT_BY_THE_WAY))
def test_who_waits_or_has_had_bad_news_is_told_unless_the_silence_says_so(kind):
    facts = NoticeFacts(kind=kind, severity="info", endpoint="flights")
    later = NOW + timedelta(hours=1)
    assert silence_over(facts, [silence({"endpoint": ["flights"]}, later)], NOW) is None
    assert silence_over(facts, [silence({"endpoint": ["flights"], "kind": [kind]}, later)], NOW) is not None


@given(st.floats(0.1, 100), st.floats(0, 200))
def test_a_reminder_is_due_from_its_hour_on_and_not_before(hours, since):
    spec = routing(reminder_hours=hours)
    assert reminder_due(NOW - timedelta(hours=since), spec, NOW) == (timedelta(hours=since) >= timedelta(hours=hours))
    assert not reminder_due(NOW - timedelta(hours=since), routing(reminder_hours=None), NOW)


def test_a_repeat_is_one_within_its_minutes():
    assert is_repeat(NOW - timedelta(minutes=59), routing(quiet_minutes=60), NOW)
    assert not is_repeat(NOW - timedelta(minutes=60), routing(quiet_minutes=60), NOW)
    assert not is_repeat(NOW, routing(quiet_minutes=0), NOW)


def test_a_recorded_channel_is_found_as_long_as_it_is_declared():
    assert channel_named("slack", routing()).spec.slack.channel == "#models"
    assert channel_named(OWN, routing()).spec.sns.topic_arn == OWN
    assert channel_named("gone", routing()) is None


def test_a_silence_that_is_over_is_told_with_who_and_why():
    over = {"match": {"endpoint": ["a"]}, "until": "2026-11-25T05:00Z", "reason": "moved", "author": "ana"}
    spec = routing(silences=[over, over | {"until": "2026-11-25T05:00:01Z"}])
    assert expired_silences(spec, NOW) == (
        "routing.silences[0]: ended at 2026-11-25T05:00Z (moved, ana); remove it, or give a later until",
    )


def test_the_worst_severity_wins():
    assert worst_severity(["info", "critical", "warning"]) == "critical"
