"""Applies a stored plan, part by part."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

_TOLD = 50


class ApplyInfrastructureOperator(MonitorOperator):
    """Bring about what a stored plan says for some scopes, and look whether it stayed.

    AWS is compared with the plan anew first: what is as planned by now is left alone, so that a retry or a second run
    at the same time does no harm; what has changed since is brought to what was planned, and told. What does not carry
    our mark and our tag is never touched. Every fault is collected; the task fails with all of them.

    :param plan: The name of the stored plan; empty for a run that only plans, in which nothing is done. (templated)
    :param scopes: Apply it for these endpoints, or the fleet (``_fleet``). (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "plan", "scopes")

    def __init__(self, *, plan: str, scopes: "Sequence[str]", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.scopes = scopes

    @property
    def label(self) -> str:
        """What the mapped instance is called."""
        first, *others = sorted(self.scopes) or [""]
        return f"{first} and {len(others)} more" if others else first

    def execute(self, context: "Context") -> dict[str, int]:
        """Apply; return how much was applied and how much was settled before; AirflowException with all faults."""
        from watchkeeper.operators.infrastructure_plan import planner_of

        if not self.plan:
            self.log.info("This run only plans")
            return {"applied": 0, "settled": 0}
        with failing_at_once():
            deployment = self.open_deployment()
            whole = deployment.plans.read(self.plan)
            changes = [one for one in whole.of_scopes(self.scopes).changes if one.kind != "data_capture"]
            to_do = [one for one in changes if one.action != "conflict"]
        outcome = planner_of(deployment, to_do).apply(to_do)
        for change in outcome.applied:
            self.log.info("%s %s %s", change.action, change.kind, change.name)
        for told in outcome.replanned:
            self.log.warning("%s: brought to what was planned all the same", told)
        run: Any = context.get("dag_run")
        deployment.plans.write_outcome(
            deployment.plans.name(str(getattr(run, "run_id", "") or self.plan)),
            self.label,
            {
                "scopes": sorted(self.scopes),
                "applied": [f"{one.action} {one.kind} {one.name}" for one in outcome.applied],
                "settled": len(outcome.settled),
                "replanned": list(outcome.replanned),
                "faults": list(outcome.faults),
                "at": datetime.now(UTC).isoformat(),
            },
        )
        if outcome.faults:
            more = f"\n  and {len(outcome.faults) - _TOLD} more" if len(outcome.faults) > _TOLD else ""
            listed = "\n".join(f"  {fault}" for fault in outcome.faults[:_TOLD])
            message = f"{len(outcome.faults)} things could not be applied:\n{listed}{more}"
            raise AirflowException(message)
        return {"applied": len(outcome.applied), "settled": len(outcome.settled)}
