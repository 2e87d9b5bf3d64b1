"""Who is told of a notice, what silences it, and when it is told again: pure functions of what is declared and now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from watchkeeper.registry.routing_spec import (
    NOT_BY_THE_WAY,
    ChannelSpec,
    NoticeMatcher,
    RoutingSpec,
    SilenceSpec,
    SnsChannelSpec,
)

SEVERITIES = ("info", "warning", "critical")
"""From the least to the worst."""


@dataclass(frozen=True)
class NoticeFacts:
    """What routes and silences look at."""

    kind: str
    severity: str
    endpoint: str | None = None
    owner: str | None = None
    monitor: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Channel:
    """A declared way to people. A topic that nobody declared bears its ARN as its name."""

    name: str
    spec: ChannelSpec


def topic_channel(topic_arn: str) -> Channel:
    """Return the channel of a topic that an endpoint's file or the deployment's settings name."""
    return Channel(topic_arn, ChannelSpec(sns=SnsChannelSpec(topic_arn=topic_arn)))


def matches(matcher: NoticeMatcher, facts: NoticeFacts) -> bool:
    """Say whether a notice is meant; what a notice does not say, no pattern holds for."""
    named = (
        (matcher.severity, facts.severity),
        (matcher.kind, facts.kind),
        (matcher.owner, facts.owner),
        (matcher.endpoint, facts.endpoint),
        (matcher.monitor, facts.monitor),
    )
    if any(patterns and not _any_holds(patterns, value) for patterns, value in named):
        return False
    return all(facts.tags.get(name) == value for name, value in matcher.tags.items())


def channels_of(
    facts: NoticeFacts, routing: RoutingSpec, *, own_topic: str | None, default_topic: str | None
) -> tuple[Channel, ...]:
    """Return where a notice goes: the endpoint's own topic, else by the routes, else the deployment's topic.

    Empty only where no route takes it and there is no topic at all.
    """
    if own_topic is not None:
        return (topic_channel(own_topic),)
    names: dict[str, None] = {}
    for route in routing.routes:
        if matches(route.match, facts):
            names.update(dict.fromkeys(route.channels))
            if not route.go_on:
                break
    if names:
        return tuple(Channel(name, routing.channels[name]) for name in names)
    return () if default_topic is None else (topic_channel(default_topic),)


def channel_named(name: str, routing: RoutingSpec) -> Channel | None:
    """Return a channel that a record names, or ``None`` if it is not declared any longer."""
    if name in routing.channels:
        return Channel(name, routing.channels[name])
    return topic_channel(name) if name.startswith("arn:") else None


def silence_over(facts: NoticeFacts, silences: Iterable[SilenceSpec], now: datetime) -> SilenceSpec | None:
    """Return the silence that holds a notice back, the one that ends last; ``None`` if it is to be sent."""
    holding = [
        silence
        for silence in silences
        if now < silence.until
        and matches(silence.match, facts)
        and (facts.kind not in NOT_BY_THE_WAY or facts.kind in silence.match.kind)
    ]
    return max(holding, key=lambda silence: silence.until, default=None)


def reminder_due(last_told_at: datetime, routing: RoutingSpec, now: datetime) -> bool:
    """Say whether something that still holds and was last told then is to be told again."""
    return routing.reminder_hours is not None and now - last_told_at >= timedelta(hours=routing.reminder_hours)


def is_repeat(last_told_at: datetime, routing: RoutingSpec, now: datetime) -> bool:
    """Say whether a notice with the fingerprint of one that was told then is not worth telling yet."""
    return now - last_told_at < timedelta(minutes=routing.quiet_minutes)


def expired_silences(routing: RoutingSpec, now: datetime) -> tuple[str, ...]:
    """Return a sentence for each declared silence that is over: it holds nothing back and only misleads readers."""
    return tuple(
        f"routing.silences[{position}]: ended at {silence.until:%Y-%m-%dT%H:%MZ} ({silence.reason}, {silence.author}); "
        "remove it, or give a later until"
        for position, silence in enumerate(routing.silences)
        if silence.until <= now
    )


def worst_severity(severities: Iterable[str]) -> str:
    """Return the worst of some severities."""
    return max(severities, key=SEVERITIES.index)


def _any_holds(patterns: Iterable[str], value: str | None) -> bool:
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)
