"""Publishes findings to SNS: at least once, once as a rule, and not again for what was told the window before."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from watchkeeper.aws.alert_record import AlertClaim, AlertRecord, alert_id, findings_fingerprint
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.operators.alert_message import ALERTING_VERDICTS, alert_links, compose_alert
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.registry.capture_window import Window

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

    def publish(self, results: Iterable["WindowResult"], restated: Iterable["WindowResult"] = ()) -> AlertReport:
        """Publish what has to be told of the results, oldest window first, and report what came of it.

        Of ``restated`` windows, which are too old for news, only what was told before is corrected or withdrawn. A
        topic that refuses does not stop the others: its claim is given back and the fault reported.
        """
        fresh, old = list(results), list(restated)
        self._old.update((item.endpoint, item.variant, item.window) for item in old)
        told: dict[str, list[str]] = {"sent": [], "quiet": [], "without_topic": []}
        faults: list[str] = []
        # Windows of one endpoint are told in their order, since each looks at the one before; endpoints side by side.
        rows: dict[tuple[str, str], list[WindowResult]] = {}
        for result in sorted([*fresh, *old], key=lambda item: (item.endpoint, item.variant, item.window)):
            rows.setdefault((result.endpoint, result.variant), []).append(result)
        self.deployment.access.client("s3")
        with ThreadPoolExecutor(_PUBLISHERS) as publishers:
            outcomes = [outcome for row in publishers.map(self._publish_row, rows.values()) for outcome in row]
        for name, outcome, fault in outcomes:
            if fault:
                faults.append(f"{name}: {fault}")
            elif outcome in told:
                told[outcome].append(name)
        return AlertReport(tuple(told["sent"]), tuple(told["quiet"]), tuple(told["without_topic"]), tuple(faults))

    def _publish_row(self, row: "list[WindowResult]") -> list[tuple[str, str, str]]:
        """Return name, outcome and fault of each result, and of earlier ones whose alert a run has left claimed."""
        found = []
        for result in [*self._left_claimed(row[0]), *row]:
            outcome = fault = ""
            try:
                outcome = self._publish_one(result)
            except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
                fault = " ".join(str(error).split()) or type(error).__name__
            found.append((f"{result.endpoint}/{result.variant} {result.window}", outcome, fault))
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

    def _publish_one(self, result: "WindowResult") -> str:
        spec = self.deployment.registry.require(result.endpoint)
        records = self.deployment.alerts
        own = [record for record in records.of_window(result) if record.alert_id != alert_id(result) and record.told]
        kind = self._kind(result, own)
        if kind is None:
            return "nothing"
        topic = spec.alerts.topic_arn or self.deployment.settings.topic_arn
        if topic is None:
            return "without_topic"
        claim = records.claim(result, kind=kind, now=datetime.now(UTC), run_id=self.run_id)
        if claim is None:
            return "told before"
        repeated = self._repeats(result, claim, own)
        if repeated is not None:
            records.mark_quiet(claim, quiet_since=repeated.quiet_since or repeated.alert_id)
            return "quiet"
        try:
            message_id = self._send(result, spec, claim, topic)
        except Exception:
            records.release(claim)
            raise
        records.mark_sent(claim, now=datetime.now(UTC), message_id=message_id, topic_arn=topic)
        self.tell(f"{result.endpoint}, {result.window}: {kind} sent to {topic} as {message_id}")
        return "sent"

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
        before = next((record for _, record in self.deployment.alerts.earlier(result, since) if record.told), None)
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
            if record.told and record.is_bad_news and record.fingerprint == fingerprint:
                return record
        return None

    def _send(self, result: "WindowResult", spec: "EndpointSpec", claim: AlertClaim, topic: str) -> str:
        from airflow.providers.amazon.aws.hooks.sns import SnsHook

        access = self.deployment.access
        window = Window.from_name(result.window)
        report_uri = self.deployment.reports.report_uri(
            result.endpoint, result.variant, result.monitor, result.period, window
        )
        links = alert_links(
            result,
            spec,
            self.deployment.settings,
            region_name=access.resolved_region(),
            report_uri=report_uri,
            origin=RunOrigin(self.dag_id, self.run_id, self.airflow_url),
        )
        message = compose_alert(result, spec, claim.record.kind, links)
        ordered = topic.endswith(".fifo")
        # A topic may lie in another region than everything else: its ARN says where.
        region = topic.split(":")[3]
        # Made per message: a client each is cheap beside what an alert is for, and threads share none.
        hook = SnsHook(  # type: ignore[no-untyped-call]
            **{**access.hook_arguments(), "region_name": region}
        )
        with permission_named("sns", topic):
            answer = hook.publish_to_target(
                target_arn=topic,
                message=message.text,
                subject=message.subject,
                message_attributes={**message.attributes, "alert_id": claim.record.alert_id},
                message_deduplication_id=claim.record.alert_id if ordered else None,
                message_group_id=result.endpoint if ordered else None,
            )
        return str(answer["MessageId"])
