"""Tells people something once: through the channels that are theirs, with what came of it on record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from watchkeeper.aws.claim_record import Delivery
from watchkeeper.aws.notice_record import digest_of
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import StoreError
from watchkeeper.operators.message_text import RunOrigin, link_lines, plain_subject, runbook_address
from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.capture_window import moment_text
from watchkeeper.registry.routing_spec import NoticeKind

if TYPE_CHECKING:
    from watchkeeper.operators.monitor_base import Deployment

NoticeStatus = Literal["sent", "told before", "quiet", "silenced", "no route", "failed"]


@dataclass(frozen=True)
class Notice:
    """One thing to be told. ``key`` is its identity: it is told once, however often it is given.

    ``thread`` is the incident it belongs to: messages of one thread keep their order in a FIFO topic and stand together
    in Slack and PagerDuty. ``runbook`` is a page of ``include/runbooks`` or an address; without one the endpoint's own
    is linked. ``attributes`` travel as message attributes beside ``endpoint``, ``owner``, ``kind`` and ``severity``.
    """

    key: str
    kind: NoticeKind
    severity: AlertSeverity
    headline: str
    lines: Sequence[str] = ()
    endpoint: str | None = None
    owner: str | None = None
    runbook: str | None = None
    thread: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NoticeOutcome:
    """What came of a notice; ``why`` says it in words where it was not sent."""

    status: NoticeStatus
    why: str = ""
    deliveries: tuple[Delivery, ...] = ()

    @property
    def message_id(self) -> str | None:
        """The id of the first message that was sent, or ``None``."""
        return self.deliveries[0].message_id if self.deliveries else None


def send_notice(
    deployment: "Deployment",
    notice: Notice,
    origin: RunOrigin | None = None,
    *,
    now: datetime,
    warn: Callable[..., None],
    links: Mapping[str, str | None] | None = None,
) -> NoticeOutcome:
    """Send a notice and say what came of it; never raises for what AWS or a channel answers.

    ``links`` are further lines under the text, by name, such as ``{"console": url}``. A notice that failed is given
    back: given again, it goes to whoever has not had it yet.
    """
    origin = origin or RunOrigin()
    spec = None if notice.endpoint is None else deployment.registry.endpoints.get(notice.endpoint)
    topic = (spec.alerts.topic_arn if spec else None) or deployment.settings.topic_arn
    if topic is None:
        return NoticeOutcome("no route", "no topic: set WATCHKEEPER_TOPIC_ARN, or alerts.topic_arn of the endpoint")
    try:
        claim = deployment.notices.claim(
            notice.key,
            now=now,
            run_id=origin.run_id,
            kind=notice.kind,
            severity=notice.severity,
            headline=notice.headline,
            endpoint=notice.endpoint,
            thread=notice.thread,
        )
    except StoreError as error:
        return NoticeOutcome("failed", str(error))
    if claim is None:
        return NoticeOutcome("told before")
    owner = notice.owner or (spec.owner if spec else None)
    runbook = notice.runbook or (spec.alerts.runbook_url if spec else None)
    text = [
        notice.headline,
        "",
        *notice.lines,
        *([f"Owner: {owner}"] if owner else []),
        "",
        *link_lines(
            runbook=runbook_address(deployment.settings, runbook) if runbook else None,
            airflow_run=origin.link(deployment.settings),
            **(links or {}),
        ),
    ]
    attributes = {
        "kind": notice.kind,
        "severity": notice.severity,
        "endpoint": notice.endpoint,
        "owner": owner,
        "thread": notice.thread,
        **notice.attributes,
    }
    try:
        message_id = _publish(
            deployment,
            topic,
            subject=plain_subject(notice.headline),
            text="\n".join(text).rstrip() + "\n",
            attributes={name: value for name, value in attributes.items() if value},
            deduplication_id=digest_of(notice.key),
            group=digest_of(notice.thread or notice.endpoint or notice.kind),
        )
    except Exception as error:  # noqa: BLE001 - told in the outcome
        why = " ".join(str(error).split()) or type(error).__name__
        warn("%s: not sent to %s: %s", notice.headline, topic, why)
        deployment.notices.release(claim)
        return NoticeOutcome("failed", why)
    delivery = Delivery(channel="sns", target=topic, message_id=message_id, at=moment_text(now))
    deployment.notices.settle(claim, "sent", now=now, deliveries=(delivery,))
    return NoticeOutcome("sent", deliveries=(delivery,))


def _publish(
    deployment: "Deployment",
    topic: str,
    *,
    subject: str,
    text: str,
    attributes: Mapping[str, str],
    deduplication_id: str,
    group: str,
) -> str:
    from airflow.providers.amazon.aws.hooks.sns import SnsHook

    ordered = topic.endswith(".fifo")
    # A topic may lie in another region than everything else: its ARN says where.
    arguments = deployment.access.hook_arguments() | {"region_name": topic.split(":")[3]}
    hook = SnsHook(**arguments)  # type: ignore[no-untyped-call]
    with permission_named("sns", topic):
        answer = hook.publish_to_target(
            target_arn=topic,
            message=text,
            subject=subject,
            message_attributes=dict(attributes),
            message_deduplication_id=deduplication_id if ordered else None,
            message_group_id=group if ordered else None,
        )
    return str(answer["MessageId"])
