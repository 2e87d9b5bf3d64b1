"""Tells people of findings: at least once, once as a rule, not again for what was told the window before."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.alert_record import AlertClaim, AlertRecord, alert_id, findings_fingerprint
from watchkeeper.aws.claim_record import Claim, Delivery
from watchkeeper.operators.alert_message import ALERTING_VERDICTS, alert_links, compose_alert
from watchkeeper.operators.letter_bundle import Letter
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice_desk import NoticeDesk, Posted
from watchkeeper.registry.capture_window import Window, moment_text, parse_moment
from watchkeeper.registry.notice_routing import NoticeFacts, reminder_due

if TYPE_CHECKING:
    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_PUBLISHERS = 8
#: How far back an alert is looked for that good news take back: quiet weekends are no reason to say nothing.
_LOOKED_BACK = timedelta(days=7)
#: How far back alerts are looked for that were claimed and never sent.
_SWEPT = timedelta(days=1)


@dataclass(frozen=True)
class AlertReport:
    """What became of a run's alerts; ``faults`` is a sentence for each that could not be published."""

    sent: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    silenced: tuple[str, ...] = ()
    without_topic: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class AlertPublisher:
    """Publishes the alerts of one run."""

    deployment: "Deployment"
    dag_id: str
    run_id: str
    airflow_url: str | None
    tell: Callable[[str], None]
    _old: set[tuple[str, str, str]] = field(default_factory=set, init=False)
    _pending: dict[str, str] = field(default_factory=dict, init=False)

    def publish(self, results: Iterable["WindowResult"], restated: Iterable["WindowResult"] = ()) -> AlertReport:
        """Publish what has to be told of the results, oldest window first, and report what came of it.

        Of ``restated`` windows, which are too old for news, only what was told before is corrected or withdrawn. A
        channel that refuses does not stop the others: the claim is given back and the fault reported.
        """
        fresh, old = list(results), list(restated)
        self._old.update((item.endpoint, item.variant, item.window) for item in old)
        # Windows of one endpoint are decided on in their order, since each looks at the one before; endpoints side by
        # side.
        rows: dict[tuple[str, str], list[WindowResult]] = {}
        for result in sorted([*fresh, *old], key=lambda item: (item.endpoint, item.variant, item.window)):
            rows.setdefault((result.endpoint, result.variant), []).append(result)
        # Made here: what is made at first use is not made twice by threads.
        self.deployment.access.client("s3")
        _ = self.desk.routing, self.desk.silences
        with ThreadPoolExecutor(_PUBLISHERS) as publishers:
            decided = [one for row in publishers.map(self._decide_row, rows.values()) for one in row]
            letters = [one.letter for one in decided if one.letter is not None]
            posted = {letter.identity: post for letter, post in zip(letters, self.desk.post(letters), strict=True)}
            settled = list(publishers.map(lambda one: self._settle(one, posted), decided))
        told: dict[str, list[str]] = {"sent": [], "quiet": [], "silenced": [], "without_topic": []}
        faults: list[str] = []
        for one in settled:
            if one.fault:
                faults.append(f"{one.name}: {one.fault}")
            elif one.outcome in told:
                told[one.outcome].append(one.name)
        return AlertReport(**{name: tuple(names) for name, names in told.items()}, faults=tuple(faults))

    @cached_property
    def desk(self) -> NoticeDesk:
        """Where letters are posted; its moment is that of the run's first alert."""
        return NoticeDesk(self.deployment, datetime.now(UTC), self._warn)

    def _warn(self, message: str, *values: object) -> None:
        self.tell(message % values if values else message)

    def _decide_row(self, row: "list[WindowResult]") -> "list[_Decided]":
        """Return what is to be told of each result, and of earlier ones whose alert a run has left claimed."""
        found = []
        for result in [*self._left_claimed(row[0]), *row]:
            name = f"{result.endpoint}/{result.variant} {result.window}"
            try:
                found.append(self._decide(result, name))
            except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
                found.append(_Decided(name, fault=" ".join(str(error).split()) or type(error).__name__))
        return found

    def _left_claimed(self, first: "WindowResult") -> "list[WindowResult]":
        """Return earlier results whose alert was claimed and never sent: the run that meant to is gone."""
        now = datetime.now(UTC)
        since = Window.from_name(first.window).start - _SWEPT
        left = [
            (window, record)
            for window, record in self.deployment.alerts.earlier(first, since)
            if record.status == "claimed" and not record.is_live_claim(now)
        ]
        found = []
        for window, record in reversed(left):
            result = self.deployment.reports.read_result(
                first.endpoint, first.variant, first.monitor, first.period, window
            )
            if result is not None and alert_id(result) == record.alert_id:
                found.append(result)
        return found

    def _decide(self, result: "WindowResult", name: str) -> "_Decided":
        spec = self.deployment.registry.require(result.endpoint)
        records = self.deployment.alerts
        now = self.desk.now
        others = (record for record in records.of_window(result) if record.alert_id != alert_id(result))
        own = [record for record in others if self._is_told(record)]
        kind = self._kind(result, own)
        if kind is None:
            return _Decided(name, "nothing")
        if not self.desk.channels(self._letter(result, spec, kind)):
            return _Decided(name, "without_topic")
        claim = records.claim(result, kind=kind, now=now, run_id=self.run_id)
        if claim is None:
            return _Decided(name, "told before")
        repeated = self._repeats(result, claim, own)
        if repeated is not None and not self._is_forgotten(repeated):
            return _Decided(name, "quiet", claim, repeated=repeated)
        if repeated is not None:
            claim = Claim(claim.key, msgspec.structs.replace(claim.record, kind="reminder"))
        letter = self._letter(result, spec, claim.record.kind, claim.record.deliveries)
        silence = self.desk.silence_over(letter)
        if silence is not None:
            why = f"until {silence.until:%Y-%m-%dT%H:%MZ}, {silence.reason} ({silence.author})"
            records.mark_silenced(claim, why=why)
            self.tell(f"{name}: {claim.record.kind} silenced {why}")
            return _Decided(name, "silenced")
        before = [one for one, thread in self._pending.items() if thread == letter.thread]
        if letter.is_good_news and before:
            letter = replace(letter, after=before[-1])
        self._pending[claim.record.alert_id] = letter.thread or ""
        return _Decided(name, "sent", claim, letter)

    def _settle(self, one: "_Decided", posted: Mapping[str, Posted]) -> "_Decided":
        """Record what came of what was decided; what repeats a letter that was not sent is given back like it."""
        records = self.deployment.alerts
        if one.claim is None:
            return one
        try:
            if one.repeated is not None:
                since = one.repeated.quiet_since or one.repeated.alert_id
                if since in posted and posted[since].fault:
                    records.release(one.claim)
                    return replace(one, fault="repeats an alert that was not sent")
                records.mark_quiet(one.claim, quiet_since=since, last_told_at=self._last_told(one.repeated))
                return one
            post = posted[one.claim.record.alert_id]
            if post.fault:
                records.release(one.claim, post.deliveries)
                return replace(one, fault=post.fault)
            topics = [item.target for item in post.deliveries if item.target.startswith("arn:")]
            first = post.deliveries[0].message_id if post.deliveries else None
            records.mark_sent(
                one.claim,
                now=datetime.now(UTC),
                message_id=first,
                topic_arn=topics[0] if topics else None,
                deliveries=post.deliveries,
            )
            where = ", ".join(item.target for item in post.deliveries)
            self.tell(f"{one.name}: {one.claim.record.kind} sent to {where} as {first}")
        except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
            return replace(one, fault=" ".join(str(error).split()) or type(error).__name__)
        return one

    def _is_told(self, record: AlertRecord) -> bool:
        """Say whether somebody was told, or is about to be by this run."""
        return record.told or record.alert_id in self._pending

    def _is_forgotten(self, repeated: AlertRecord) -> bool:
        """Say whether what is repeated was told so long ago that people are reminded."""
        told_at = self._last_told(repeated)
        return told_at is not None and reminder_due(parse_moment(told_at), self.desk.routing, self.desk.now)

    def _last_told(self, repeated: AlertRecord) -> str | None:
        if repeated.status == "claimed":
            return moment_text(self.desk.now)
        return repeated.last_told_at or repeated.sent_at

    def _kind(self, result: "WindowResult", own: list[AlertRecord]) -> str | None:
        """Return what has to be told, if anything; ``own`` holds what was told of the window's other revisions."""
        last = own[-1] if own else None
        told_wrong = last is not None and last.is_bad_news
        if not told_wrong and (result.endpoint, result.variant, result.window) in self._old:
            return None
        if result.verdict in ALERTING_VERDICTS:
            return "correction" if told_wrong else "alert"
        # Good news only for those who had the bad.
        if last is not None:
            return "withdrawal" if told_wrong else None
        if result.verdict != "ok":
            return None
        since = Window.from_name(result.window).start - _LOOKED_BACK
        before = next(
            (record for _, record in self.deployment.alerts.earlier(result, since) if self._is_told(record)), None
        )
        return "recovery" if before is not None and before.is_bad_news else None

    def _repeats(self, result: "WindowResult", claim: AlertClaim, own: list[AlertRecord]) -> AlertRecord | None:
        """Return the record that told the same: of another revision of this window, or of the window before it.

        What corrects an alert of the same window is compared with that alone.
        """
        if not claim.record.is_bad_news:
            return None
        fingerprint = findings_fingerprint(result)
        before = self.deployment.alerts.of_window(result, Window.from_name(result.window).previous())
        compared = own[-1:] if claim.record.kind == "correction" else before
        for record in reversed(compared):
            if self._is_told(record) and record.is_bad_news and record.fingerprint == fingerprint:
                return record
        return None

    def _letter(
        self, result: "WindowResult", spec: "EndpointSpec", kind: str, delivered: tuple[Delivery, ...] = ()
    ) -> Letter:
        window = Window.from_name(result.window)
        links = alert_links(
            result,
            spec,
            self.deployment.settings,
            region_name=self.deployment.access.resolved_region(),
            report_uri=self.deployment.reports.report_uri(
                result.endpoint, result.variant, result.monitor, result.period, window
            ),
            origin=RunOrigin(self.dag_id, self.run_id, self.airflow_url),
        )
        message = compose_alert(result, spec, kind, links)
        identity = alert_id(result)
        return Letter(
            facts=NoticeFacts(
                kind=kind,
                severity=message.attributes["severity"],
                endpoint=result.endpoint,
                owner=result.owner,
                monitor=result.monitor,
                tags=spec.tags,
            ),
            identity=identity,
            group=result.endpoint,
            headline=message.subject,
            text=message.text,
            attributes={**message.attributes, "alert_id": identity},
            thread=f"{result.endpoint}/{result.variant}/{result.monitor}/{result.period}",
            subject=result.window,
            delivered=delivered,
            own_topic=spec.alerts.topic_arn,
        )


@dataclass(frozen=True)
class _Decided:
    """What is to become of one result's alert."""

    name: str
    outcome: str = ""
    claim: AlertClaim | None = None
    letter: Letter | None = None
    repeated: AlertRecord | None = None
    fault: str = ""
