"""Makes a run's colour honest: fails it when something in it failed."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

_TOLD = 20


class VerifyRunOperator(BaseOperator):
    """Fail the run if a task failed, a verdict is ``failed``, an endpoint's file is faulty or an alert was not sent.

    Airflow takes a run's state from its last tasks, and the report runs whatever happened before it: without this
    task a run would be green over failed instances. Set ``trigger_rule`` to ``all_done``.

    :param report_task_id: The task that returned the run's summary.
    :param task_ids: The tasks whose instances are looked at.
    """

    def __init__(self, *, report_task_id: str = "report", task_ids: "Sequence[str]" = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report_task_id = report_task_id
        self.task_ids = tuple(task_ids)

    def execute(self, context: "Context") -> None:
        """Raise AirflowFailException with everything that went wrong, or return."""
        task_instance: Any = context["ti"]
        faults = self._failed_tasks(task_instance)
        summary = task_instance.xcom_pull(task_ids=self.report_task_id)
        if not summary:
            faults.append(f"task {self.report_task_id} recorded nothing: see its log")
        else:
            faults += [f"verdict failed: {text}" for text in summary.get("failed", ())]
            faults += [f"endpoint file: {text}" for text in summary.get("problems", ())]
            faults += list(summary.get("faults", ()))
            for warning in summary.get("warnings", ()):
                self.log.warning("%s", warning)
        if faults:
            more = f"\n  and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
            listed = "\n".join(f"  {fault}" for fault in faults[:_TOLD])
            message = f"What went wrong in this run ({len(faults)}):\n{listed}{more}"
            raise AirflowFailException(message)
        self.log.info("Everyone who was due is done: %s", summary.get("verdicts", summary.get("changed")))

    def _failed_tasks(self, task_instance: Any) -> list[str]:
        states = task_instance.get_task_states(
            dag_id=task_instance.dag_id, task_ids=list(self.task_ids), run_ids=[task_instance.run_id]
        )
        found = states.get(task_instance.run_id, {})
        return [
            f"task {name} is {state}" for name, state in sorted(found.items()) if state in {"failed", "upstream_failed"}
        ]
