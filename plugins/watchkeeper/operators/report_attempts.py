"""Closes what a run has left open, and says what came of each attempt."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.decide_retraining import FAULTS
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from airflow.sdk import Context

_TOLD = 100


class ReportAttemptsOperator(MonitorOperator):
    """Return what came of each attempt of the run, whatever happened before it.

    An attempt that has not come to an end by now had a task that failed: it is recorded as ``failed``, with that task.
    Failed attempts are told through the endpoint's topic.

    :param decide_task_id: The task that returned the attempts.
    """

    def __init__(self, *, decide_task_id: str = "decide", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decide_task_id = decide_task_id

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return states by endpoint and faults, small enough for XCom."""
        with failing_at_once():
            deployment = self.open_deployment()
        task_instance: Any = context["ti"]
        made = task_instance.xcom_pull(task_ids=self.decide_task_id) or []
        failed = self._failed_tasks(task_instance)
        states: dict[str, str] = {}
        undecided = task_instance.xcom_pull(task_ids=self.decide_task_id, key=FAULTS)
        faults: list[str] = list(undecided or ())
        for index, attempt in enumerate(made):
            endpoint, attempt_id = attempt["endpoint"], attempt["attempt_id"]
            record = deployment.actions.read(endpoint, attempt_id)
            if record is None:
                faults.append(f"attempt {attempt_id} of {endpoint} has no record")
                continue
            if not record.has_ended:
                record = deployment.actions.advance(
                    endpoint,
                    attempt_id,
                    AttemptState.FAILED,
                    by=run_name(context),
                    why=f"{failed.get(index, 'a task of the run')} failed: see its log",
                    now=datetime.now(UTC),
                )
            states[endpoint] = record.state
            why = record.history[-1].why
            self.log.info("%s: attempt %s is %s: %s", endpoint, attempt_id, record.state, why)
            if record.state == AttemptState.FAILED:
                faults.append(f"attempt {attempt_id} of {endpoint}: {why}")
                spec = deployment.registry.endpoints.get(endpoint)
                if spec is not None:
                    headline = f"{endpoint}: the retraining attempt failed"
                    tell_attempt(deployment, spec, record, "failed", headline, context, self.log.warning)
        problems = list(deployment.registry.problems)[:_TOLD]
        return {"verdicts": states, "failed": [], "problems": problems, "faults": faults[:_TOLD]}

    @staticmethod
    def _failed_tasks(task_instance: Any) -> dict[int, str]:
        """Return the task that failed, by the place of its attempt among those of the run."""
        states = task_instance.get_task_states(dag_id=task_instance.dag_id, run_ids=[task_instance.run_id])
        found: dict[int, str] = {}
        for key, state in sorted(states.get(task_instance.run_id, {}).items()):
            # A mapped task's instances are told apart by what follows the last underscore.
            name, _, index = key.rpartition("_")
            if state == "failed" and index.isdigit():
                found[int(index)] = f"task {name}"
        return found
