"""Moves what waits in the queue of alarms into the inbox: a dead triggerer loses nothing."""

from typing import TYPE_CHECKING

from watchkeeper.aws.queue_drain import Drained, drain_queue
from watchkeeper.errors import PermissionMissingError, StoreError
from watchkeeper.operators.malformed_notice import tell_malformed
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from typing import Any

    from airflow.sdk import Context

#: The key of what kept the queue from being read.
FAULTS = "faults"


class DrainAlarmsOperator(MonitorOperator):
    """Return how many messages came: ``{"messages": …, "malformed": …, "left": …}``.

    The trigger of the asset moves them as they come; what it has not moved, this does. A queue that cannot be read is a
    fault of the run, and holds up nothing: the alarms themselves are asked for their state.
    """

    def execute(self, context: "Context") -> dict[str, int]:
        """Drain the queue that the settings name, if they name one, and tell people of malformed messages."""
        with failing_at_once():
            deployment = self.open_deployment()
        drained, queue_url = Drained(), deployment.settings.alarm_queue_url
        if queue_url is None:
            self.log.info("WATCHKEEPER_ALARM_QUEUE_URL names no queue: alarms are asked for their state by the clock")
        else:
            try:
                drained = drain_queue(deployment.access.client("sqs"), queue_url, deployment.inbox)
            except (PermissionMissingError, StoreError) as error:
                self.log.error("The queue of alarms was not read: %s", error)
                instance: Any = context["ti"]
                instance.xcom_push(key=FAULTS, value=[f"the queue of alarms was not read: {error}"])
        malformed = tell_malformed(deployment, context, self.log.warning)
        self.log.info("Moved %d messages into the inbox; %d malformed ones waited", drained.messages, malformed)
        return {"messages": drained.messages, "malformed": malformed, "left": drained.left}
