"""Publishes findings to SNS: at least once, once as a rule, and not again for what was told the window before."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.alert_record import AlertClaim, AlertRecord, findings_fingerprint
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.operators.alert_message import ALERTING_VERDICTS, alert_links, compose_alert
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_PUBLISHERS = 8


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

    def publish(self, results: Iterable["WindowResult"]) -> AlertReport:
        """Publish what has to be told of the results, oldest window first, and report what came of it.

        A topic that refuses does not stop the others: its claim is given back and the fault reported.
        """
        told: dict[str, list[str]] = {"sent": [], "quiet": [], "without_topic": []}
        faults: list[str] = []
        # Windows of one endpoint are told in their order, since each looks at the one before; endpoints side by side.
        rows: dict[tuple[str, str], list[WindowResult]] = {}
        for result in sorted(results, key=lambda item: (item.endpoint, item.variant, item.window)):
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
        """Return name, outcome and fault of each result."""
        found = []
        for result in row:
            outcome = fault = ""
            try:
                outcome = self._publish_one(result)
            except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
                fault = " ".join(str(error).split()) or type(error).__name__
            found.append((f"{result.endpoint}/{result.variant} {result.window}", outcome, fault))
        return found

    def _publish_one(self, result: "WindowResult") -> str:
        spec = self.deployment.registry.require(result.endpoint)
        records = self.deployment.alerts
        before = records.of_window(result, Window.from_name(result.window).previous())
        last = before[-1] if before else None
        kind = self._kind(result, last)
        if kind is None:
            return "nothing"
        topic = spec.alerts.topic_arn or self.deployment.settings.topic_arn
        if topic is None:
            return "without_topic"
        claim = records.claim(result, kind=kind, now=datetime.now(UTC))
        if claim is None:
            return "told before"
        repeated = self._repeats(result, claim, before)
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

    def _kind(self, result: "WindowResult", last: AlertRecord | None) -> str | None:
        if result.verdict in ALERTING_VERDICTS:
            return "alert"
        # Good news only for those who had the bad.
        if result.verdict == "ok" and last is not None and last.kind == "alert" and last.told:
            return "recovery"
        return None

    def _repeats(
        self, result: "WindowResult", claim: AlertClaim, before: tuple[AlertRecord, ...]
    ) -> AlertRecord | None:
        """Return the record that told the same: of another revision of this window, or of the window before it."""
        if claim.record.kind != "alert":
            return None
        fingerprint = findings_fingerprint(result)
        own = [
            record for record in self.deployment.alerts.of_window(result) if record.alert_id != claim.record.alert_id
        ]
        for record in (*reversed(own), *reversed(before)):
            if record.told and record.kind == "alert" and record.fingerprint == fingerprint:
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
            airflow_url=self.airflow_url,
            dag_id=self.dag_id,
            run_id=self.run_id,
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
