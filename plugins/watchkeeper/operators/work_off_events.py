"""Drains the platform's events and works them off."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Airflow maps at most 1,024; the rest is the next run's.
MAXIMUM_EVENTS: Final = 1000
#: XCom keys: what the task that reports goes by.
DONE: Final = "done"
FAULTS: Final = "faults"
COUNTS: Final = "counts"
_TOLD = 100


class WorkOffEventsOperator(MonitorOperator):
    """Move what waits in the queue into the inbox, then work the inbox off, oldest first.

    Each event is recorded in the ledger, told by its rule's severity, and what its rule starts is started: pipelines
    here, DAGs by the mapped task that follows. Every step is done once per event, and an event leaves the inbox only
    when all is done: a killed run goes on where it stopped.
    """

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Return the DAG runs to start, as arguments of the mapped task."""
        from watchkeeper.aws.ledger import RunFacts
        from watchkeeper.operators.event_worker import EventWorker
        from watchkeeper.operators.malformed_notice import tell_malformed
        from watchkeeper.operators.message_text import RunOrigin

        with failing_at_once():
            deployment = self.open_deployment()
            # A fault in either file is better told by the task that reads them first.
            rules = deployment.fleet.events
        now = datetime.now(UTC)
        origin = RunOrigin.of(context)
        faults = self._drain(deployment)
        tell_malformed(deployment, context, self.log.warning)
        pending = deployment.inbox.pending("platform")
        if len(pending) > MAXIMUM_EVENTS:
            self.log.warning("%d events wait; the oldest %d are worked off now", len(pending), MAXIMUM_EVENTS)
        self.log.info("%d events, %d rules of the fleet's file", len(pending), len(rules.rules))
        run = RunFacts(run_id=origin.run_id, dag_id=origin.dag_id, recorded_at=now)
        worker = EventWorker(deployment, run, origin, now=now, info=self.log.info, warn=self.log.warning)
        work = worker.work_off(pending[:MAXIMUM_EVENTS])
        instance: Any = context["ti"]
        instance.xcom_push(key=DONE, value=work.done)
        instance.xcom_push(key=FAULTS, value=[*faults, *work.faults][:_TOLD])
        instance.xcom_push(key=COUNTS, value=work.counts)
        return work.starts

    def _drain(self, deployment: Deployment) -> list[str]:
        """Empty the queue into the inbox; a queue that cannot be read is a fault, and no reason to leave the inbox."""
        from watchkeeper.aws.queue_drain import drain_queue

        queue_url = deployment.settings.event_queue_url
        if queue_url is None:
            self.log.info("WATCHKEEPER_EVENT_QUEUE_URL names no queue: only what is in the inbox is worked off")
            return []
        try:
            drained = drain_queue(deployment.access.client("sqs"), queue_url, deployment.inbox)
        except Exception as error:  # noqa: BLE001 - told as a fault of the run, whatever it is
            self.log.error("The queue of events was not read: %s", error)
            return [f"the queue of events was not read: {error}"]
        self.log.info("Moved %d messages into the inbox, %d malformed", drained.messages, drained.malformed)
        return []
