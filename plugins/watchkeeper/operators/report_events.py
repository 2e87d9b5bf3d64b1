"""Takes events that are done out of the inbox, watches deadlines, and says what the run came to."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.operators.heartbeat import heartbeat_faults
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.work_off_events import COUNTS, DONE, FAULTS

if TYPE_CHECKING:
    from airflow.sdk import Context

_TOLD = 100


class ReportEventsOperator(MonitorOperator):
    """Archive the events that are recorded, told and acted on; then tell of missed deadlines, and beat.

    It runs whatever happened before it. An event whose DAG's run is not there stays in the inbox, and the next run
    goes on with it.

    :param work_task_id: The task that worked the events off.
    """

    def __init__(self, *, work_task_id: str = "work_off", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.work_task_id = work_task_id

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return counts by kind and outcome, how many events wait still, and faults; small enough for XCom."""
        from watchkeeper.aws.ledger import RunFacts
        from watchkeeper.operators.deadline_watch import watch_deadlines
        from watchkeeper.operators.message_text import RunOrigin

        with failing_at_once():
            deployment = self.open_deployment()
        instance: Any = context["ti"]
        done = self._pulled(instance, DONE) or {}
        faults: list[str] = list(self._pulled(instance, FAULTS) or ())
        left, missing = self._archive(deployment, instance, done)
        faults += missing
        origin = RunOrigin.of(context)
        now = datetime.now(UTC)
        run = RunFacts(run_id=origin.run_id, dag_id=origin.dag_id, recorded_at=now)
        try:
            faults += watch_deadlines(deployment, run, origin, now=now, warn=self.log.warning)
        except Exception as error:
            self.log.exception("Deadlines could not be watched")
            faults.append(f"deadlines: {type(error).__name__}: {error}")
        faults += heartbeat_faults(deployment, origin.dag_id or self.dag_id, self.log.warning)
        counts = self._pulled(instance, COUNTS) or {}
        self.log.info("%d events are done, %d wait for the next run", len(done) - len(missing), left)
        return {"verdicts": counts, "waiting": left, "failed": [], "problems": [], "faults": faults[-_TOLD:]}

    def _pulled(self, instance: Any, key: str) -> Any:
        return instance.xcom_pull(task_ids=self.work_task_id, key=key)

    def _archive(self, deployment: Deployment, instance: Any, done: dict[str, Any]) -> tuple[int, list[str]]:
        """Take out what is done; return how many events wait still, and which DAG runs are not there."""
        left = 0
        missing = []
        for event in deployment.inbox.pending("platform"):
            what = done.get(event.event_id)
            if what is None:
                left += 1
                continue
            dag_id, run_id = what["dag_id"], what["run_id"]
            if dag_id is not None and not instance.get_dr_count(dag_id=dag_id, run_ids=[run_id]):
                left += 1
                missing.append(f"event {event.event_id}: the DAG {dag_id} was not started, see the log of task start")
            elif what["archive"]:
                deployment.inbox.archive(event)
            else:
                deployment.inbox.drop(event)
        return left, missing
