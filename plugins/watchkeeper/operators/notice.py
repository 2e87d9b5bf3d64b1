"""Tells people something once: through the channels that are theirs, with what came of it on record."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from watchkeeper.aws.claim_record import Claim, Delivery
from watchkeeper.aws.notice_record import NoticeRecord, digest_of
from watchkeeper.aws.notice_thread import ReminderText
from watchkeeper.operators.letter_bundle import Letter
from watchkeeper.operators.message_text import RunOrigin, link_lines, runbook_address
from watchkeeper.operators.notice_desk import NoticeDesk
from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.capture_window import parse_moment
from watchkeeper.registry.notice_routing import NoticeFacts, is_repeat
from watchkeeper.registry.routing_spec import NoticeKind

if TYPE_CHECKING:
    from watchkeeper.operators.monitor_base import Deployment

NoticeStatus = Literal["sent", "told before", "quiet", "silenced", "no route", "failed"]


@dataclass(frozen=True)
class Notice:
    """One thing to be told. ``key`` is its identity: it is told once, however often it is given.

    ``thread`` is the incident it belongs to: messages of one thread keep their order in a FIFO topic and stand together
    in Slack and PagerDuty; the kinds ``recovery`` and ``withdrawal`` close it and go to those who had the bad news.
    ``fingerprint`` says that another notice tells the same: within ``routing.quiet_minutes`` it is recorded and not
    sent. ``runbook`` is a page of ``include/runbooks`` or an address; without one the endpoint's own is linked.
    ``attributes`` travel as message attributes beside ``endpoint``, ``owner``, ``kind`` and ``severity``.
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
    fingerprint: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str | None] = field(default_factory=dict)


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
    warn: Callable[..., object],
    links: Mapping[str, str | None] | None = None,
) -> NoticeOutcome:
    """Send a notice and say what came of it; never raises for what AWS or a channel answers.

    ``links`` are further lines under the text, by name, such as ``{"console": url}``. A notice that failed is given
    back: given again, it goes to whoever has not had it yet.
    """
    if links:
        notice = Notice(**{**vars(notice), "links": {**notice.links, **links}})
    return send_notices(deployment, [notice], origin, now=now, warn=warn)[0]


def send_notices(
    deployment: "Deployment",
    notices: Iterable[Notice],
    origin: RunOrigin | None = None,
    *,
    now: datetime,
    warn: Callable[..., object],
) -> list[NoticeOutcome]:
    """Send what one run has to tell and say what came of each: alerts of one endpoint make one message."""
    desk = NoticeDesk(deployment, now, warn)
    origin = origin or RunOrigin()
    given = list(notices)
    found: dict[int, NoticeOutcome] = {}
    claimed: list[tuple[int, Claim[NoticeRecord], Letter]] = []
    keys: set[str] = set()
    for place, notice in enumerate(given):
        if notice.key in keys:
            found[place] = NoticeOutcome("told before")
            continue
        keys.add(notice.key)
        try:
            taken = _claim(desk, notice, origin)
        except Exception as error:  # noqa: BLE001 - told in the outcome
            taken = NoticeOutcome("failed", " ".join(str(error).split()) or type(error).__name__)
        if isinstance(taken, NoticeOutcome):
            found[place] = taken
        else:
            claimed.append((place, *taken))
    posted = desk.post([letter for _, _, letter in claimed])
    for (place, claim, _), post in zip(claimed, posted, strict=True):
        if post.fault:
            deployment.notices.release(claim, post.deliveries)
            found[place] = NoticeOutcome("failed", post.fault, post.deliveries)
        else:
            deployment.notices.settle(claim, "sent", now=now, deliveries=post.deliveries)
            fingerprint = given[place].fingerprint
            if fingerprint is not None:
                deployment.notices.note_fingerprint(fingerprint, given[place].key, now)
            found[place] = NoticeOutcome("sent", deliveries=post.deliveries)
    for place, notice in enumerate(given):
        if found[place].status == "failed":
            warn("%s: not sent: %s", notice.headline, found[place].why)
    return [found[place] for place in range(len(given))]


def _claim(desk: NoticeDesk, notice: Notice, origin: RunOrigin) -> NoticeOutcome | tuple[Claim[NoticeRecord], Letter]:
    """Return the right to send a notice with what is to be sent, or why nothing is."""
    records = desk.deployment.notices
    letter = _letter(desk.deployment, notice, origin)
    if not desk.channels(letter):
        return NoticeOutcome("no route", "no topic: set WATCHKEEPER_TOPIC_ARN, or alerts.topic_arn of the endpoint")
    claim = records.claim(
        notice.key,
        now=desk.now,
        run_id=origin.run_id,
        kind=notice.kind,
        severity=notice.severity,
        headline=notice.headline,
        endpoint=notice.endpoint,
        thread=notice.thread,
    )
    if claim is None:
        return NoticeOutcome("told before")
    silence = desk.silence_over(letter)
    if silence is not None:
        why = f"until {silence.until:%Y-%m-%dT%H:%MZ}, {silence.reason} ({silence.author})"
        records.settle(claim, "silenced", now=desk.now, why=why)
        return NoticeOutcome("silenced", why)
    before = records.last_told(notice.fingerprint) if notice.fingerprint else None
    if before is not None and is_repeat(parse_moment(before.told_at), desk.routing, desk.now):
        why = f"{before.key} told the same at {before.told_at}"
        records.settle(claim, "quiet", now=desk.now, why=why)
        return NoticeOutcome("quiet", why)
    delivered = claim.record.deliveries
    return claim, (Letter(**{**vars(letter), "delivered": delivered}) if delivered else letter)


def _letter(deployment: "Deployment", notice: Notice, origin: RunOrigin) -> Letter:
    spec = None if notice.endpoint is None else deployment.registry.endpoints.get(notice.endpoint)
    owner = notice.owner or (spec.owner if spec else None)
    runbook = notice.runbook or (spec.alerts.runbook_url if spec else None)
    lines = [
        notice.headline,
        "",
        *notice.lines,
        *([f"Owner: {owner}"] if owner else []),
        "",
        *link_lines(
            runbook=runbook_address(deployment.settings, runbook) if runbook else None,
            airflow_run=origin.link(deployment.settings),
            **notice.links,
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
    return Letter(
        facts=NoticeFacts(
            kind=notice.kind,
            severity=notice.severity,
            endpoint=notice.endpoint,
            owner=owner,
            monitor=notice.attributes.get("monitor"),
            tags=spec.tags if spec else {},
        ),
        identity=digest_of(notice.key),
        group=digest_of(notice.thread or notice.endpoint or notice.kind),
        headline=notice.headline,
        text="\n".join(lines).rstrip() + "\n",
        attributes={name: value for name, value in attributes.items() if value},
        thread=notice.thread,
        # A reminder adds nothing that stands: it repeats what does.
        subject="" if notice.kind == "reminder" else notice.fingerprint or notice.key,
        reminder=_reminder(notice, owner) if notice.kind in {"alert", "correction"} else None,
        own_topic=spec.alerts.topic_arn if spec else None,
    )


def _reminder(notice: Notice, owner: str | None) -> ReminderText:
    return ReminderText(
        headline=notice.headline,
        severity=notice.severity,
        endpoint=notice.endpoint,
        owner=owner,
        runbook=notice.runbook,
    )
