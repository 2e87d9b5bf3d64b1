"""Hands a message to a channel: an SNS topic, a Slack channel or a PagerDuty service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.claim_record import Delivery
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import WatchkeeperError
from watchkeeper.operators.message_text import plain_subject
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.registry.notice_routing import Channel
    from watchkeeper.registry.routing_spec import PagerDutyChannelSpec, SlackChannelSpec

Attribute = str | Sequence[str]
_SLACK_SECONDS = 10
_SLACK_LIMIT = 35_000
_PAGERDUTY_SUMMARY = 1024
#: A run's report waits for them: by default the client would try for minutes, and after a 429 for ever.
_PAGERDUTY_RETRIES = {429: 2, 500: 1, 502: 1, 503: 1, 504: 1}
_PAGERDUTY_SECONDS = 10.0


@dataclass(frozen=True)
class Message:
    """What a channel is given. ``identity`` is its deduplication id, ``group`` what keeps its order in a FIFO topic.

    ``incidents`` are the keys of PagerDuty's incidents, each with whether it is resolved by this.
    """

    identity: str
    group: str
    headline: str
    text: str
    severity: str
    attributes: Mapping[str, Attribute]
    source: str
    incidents: Mapping[str, bool]
    thread_ref: str | None = None


class ProviderMissingError(WatchkeeperError):
    """A channel needs an Airflow provider that is not installed here."""

    def __init__(self, channel: str, provider: str) -> None:
        self.channel = channel
        self.provider = provider
        super().__init__(channel, provider)

    def __str__(self) -> str:
        return f"channel {self.channel!r} needs {self.provider}, which is not installed; add it to requirements.txt"


def provider_missing(channel: "Channel") -> ProviderMissingError | None:
    """Return what is wrong if a channel's provider is not installed here."""
    from importlib.util import find_spec

    provider = channel.spec.provider
    if provider is None:
        return None
    module = provider.rpartition("-")[2]
    try:
        found = find_spec(f"airflow.providers.{module}")
    except ModuleNotFoundError:
        found = None
    return None if found else ProviderMissingError(channel.name, provider)


def hand_over(access: "AwsAccess", message: Message, channel: "Channel", now: datetime) -> Delivery:
    """Give a message to a channel and return what it took; ProviderMissingError, or whatever the service answers."""
    missing = provider_missing(channel)
    if missing is not None:
        raise missing
    spec = channel.spec
    thread_ref: str | None = None
    if spec.slack is not None:
        message_id, target = _to_slack(message, spec.slack), spec.slack.channel
        thread_ref = message.thread_ref or message_id
    elif spec.pagerduty is not None:
        message_id = _to_pagerduty(message, spec.pagerduty)
        target, thread_ref = spec.pagerduty.conn_id, message_id or None
    else:
        assert spec.sns is not None, channel.name  # noqa: S101
        target = spec.sns.topic_arn
        message_id = _to_sns(access, message, target)
    return Delivery(
        channel=channel.name, target=target, message_id=message_id, at=moment_text(now), thread_ref=thread_ref
    )


def _to_sns(access: "AwsAccess", message: Message, topic: str) -> str:
    from airflow.providers.amazon.aws.hooks.sns import SnsHook

    ordered = topic.endswith(".fifo")
    # A topic may lie in another region than everything else: its ARN says where. Made per message: a client each is
    # cheap beside what an alert is for, and threads share none.
    arguments = access.hook_arguments() | {"region_name": topic.split(":")[3]}
    hook = SnsHook(**arguments)  # type: ignore[no-untyped-call]
    with permission_named("sns", topic):
        answer = hook.publish_to_target(
            target_arn=topic,
            message=message.text,
            subject=plain_subject(message.headline),
            message_attributes={name: value for name, value in message.attributes.items() if value},
            message_deduplication_id=message.identity if ordered else None,
            message_group_id=message.group if ordered else None,
        )
    return str(answer["MessageId"])


def _to_slack(message: Message, spec: "SlackChannelSpec") -> str:
    from airflow.providers.slack.hooks.slack import SlackHook

    headline, _, rest = message.text.partition("\n")
    text = f"*{_escaped(headline)}*\n{_escaped(rest.strip())}"
    body = {"channel": spec.channel, "text": text[:_SLACK_LIMIT], "unfurl_links": False}
    if message.thread_ref is not None:
        # Nobody looks into an old thread by himself: what is wrong is shown in the channel too.
        body |= {"thread_ts": message.thread_ref, "reply_broadcast": message.severity != "info"}
    answer = SlackHook(slack_conn_id=spec.conn_id, timeout=_SLACK_SECONDS).call("chat.postMessage", json=body)
    return str(answer["ts"])


def _to_pagerduty(message: Message, spec: "PagerDutyChannelSpec") -> str:
    """Open, update or resolve the message's incidents; return the first one's key, empty if it touches none."""
    import pagerduty
    from airflow.providers.pagerduty.hooks.pagerduty_events import PagerdutyEventsHook, prepare_event_data

    hook = PagerdutyEventsHook(pagerduty_events_conn_id=spec.conn_id)
    # The hook's own client knows neither the other service regions nor an end to its retries.
    host = str(hook.get_connection(spec.conn_id).host or "")
    base = host if "://" in host or not host else f"https://{host}"
    with pagerduty.EventsApiV2Client(hook.integration_key, base_url=base.rstrip("/") or None) as client:
        client.retry = dict(_PAGERDUTY_RETRIES)
        client.max_network_attempts = 1
        client.timeout = _PAGERDUTY_SECONDS  # type: ignore[assignment]
        for key, is_resolved in message.incidents.items():
            event = prepare_event_data(
                summary=message.headline[:_PAGERDUTY_SUMMARY],
                severity=message.severity,
                source=message.source,
                custom_details={"text": message.text, **message.attributes},
                action="resolve" if is_resolved else "trigger",
                dedup_key=key,
            )
            client.send_event(**event)
    return next(iter(message.incidents), "")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
