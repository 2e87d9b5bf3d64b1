"""Reports a run of the DAG infrastructure: what was planned and applied, told once, and a heartbeat."""

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.operators.heartbeat import heartbeat_faults
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.monitor_base import MonitorOperator
from watchkeeper.operators.notice import Notice, send_notice
from watchkeeper.operators.plan_infrastructure import APPLIED_KEY, PLAN_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.resource_plan import ResourcePlan
    from watchkeeper.operators.monitor_base import Deployment

_TOLD = 20


class ReportInfrastructureOperator(MonitorOperator):
    """Collect what came of a plan, tell people of it, and let the DAG's heart beat.

    A plan that only shows differences is told once, however many days it stays the same. Set ``trigger_rule`` to
    ``all_done``.

    :param plan_task_id: The task that planned.
    """

    def __init__(self, *, plan_task_id: str = "plan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_task_id = plan_task_id

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return the run's summary: what changed, faults and problems, for the task that verifies."""
        task_instance: Any = context["ti"]
        origin = RunOrigin.of(context)
        deployment = self.open_deployment()
        faults = heartbeat_faults(deployment, origin.dag_id or self.dag_id, self.log.warning)
        name = task_instance.xcom_pull(task_ids=self.plan_task_id, key=PLAN_KEY)
        problems = list(deployment.registry.problems)
        if not name:
            return {"changed": [], "faults": faults, "problems": problems}
        plan = deployment.plans.read(name)
        applied = bool(task_instance.xcom_pull(task_ids=self.plan_task_id, key=APPLIED_KEY))
        outcomes = deployment.plans.outcomes(deployment.plans.name(origin.run_id)) if applied else []
        changed = [one for outcome in outcomes for one in outcome["applied"]]
        faults += [*plan.faults, *(fault for outcome in outcomes for fault in outcome["faults"])]
        if applied:
            faults += [f"{one.kind} {one.name}: {one.why}" for one in plan.conflicts]
        for line in changed:
            self.log.info("Applied: %s", line)
        faults += self._tell(deployment, plan, changed, list(dict.fromkeys(faults)), origin, applied=applied)
        return {"changed": changed, "faults": list(dict.fromkeys(faults)), "problems": problems}

    def _tell(
        self,
        deployment: "Deployment",
        plan: "ResourcePlan",
        changed: list[str],
        faults: list[str],
        origin: RunOrigin,
        *,
        applied: bool,
    ) -> list[str]:
        """Send one notice where there is anything to tell; return why it could not be sent, if so."""
        if not (changed or faults or plan.changes):
            return []
        lines = [plan.summary()]
        shown = [line for change in plan.changes for line in change.lines()]
        if applied:
            lines += ["", f"Applied ({len(changed)}):", *_some(changed)]
        else:
            lines += ["", *_some(shown)]
        if faults:
            lines += ["", f"What went wrong ({len(faults)}):", *_some(faults)]
        done = (
            f"{len(changed)} changes applied" if applied else f"{len(plan.changes)} differences from what is declared"
        )
        # The same differences tomorrow are no news; what was applied is, each time.
        identity = (
            origin.run_id if applied else "\n".join((*(line for one in plan.changes for line in one.lines()), *faults))
        )
        notice = Notice(
            key=f"infrastructure/{hashlib.sha256(identity.encode()).hexdigest()}",
            kind="plan",
            severity="warning" if faults else "info",
            headline=f"Infrastructure: {done}{f', {len(faults)} faults' if faults else ''}",
            lines=lines,
            owner=deployment.fleet.infrastructure.owner,
        )
        stored = deployment.plans.store.uri(f"plans/{plan.run}.txt")
        outcome = send_notice(
            deployment, notice, origin, now=datetime.now(UTC), warn=self.log.warning, links={"plan": stored}
        )
        self.log.info("Notice: %s %s", outcome.status, outcome.why)
        return [f"notice: {outcome.why}"] if outcome.status == "failed" else []


def _some(lines: list[str]) -> list[str]:
    more = [f"  and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
    return [*(f"  {line}" for line in lines[:_TOLD]), *more]
