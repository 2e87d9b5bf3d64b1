"""Plans what AWS shall hold: shows what differs and stores it, so that what is applied is what was shown."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.registry.alarm_name import FLEET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.resource_plan import ResourcePlan

CAPTURES_KEY, PLAN_KEY, APPLIED_KEY = "captures", "stored_plan", "applied_plan"
#: Instances of the mapped task at most; endpoints share them beyond that.
_MOST_INSTANCES = 100


class PlanInfrastructureOperator(MonitorOperator):
    """Compare what the files declare with what AWS holds; store the difference as ``plans/{run}.json`` and ``.txt``.

    Returns what the apply tasks are mapped over, each with the scopes it applies: empty when nothing is to be applied.
    Beside that it pushes ``captures``, the endpoints whose data capture is to be updated, ``stored_plan``, the plan's
    name, and the same as ``applied_plan`` where it is to be applied.

    :param mode: ``plan`` or ``apply``; empty for the fleet's in a scheduled run, and for ``plan`` otherwise.
        (templated)
    :param endpoints: Plan for these endpoints only, by their file's name, ``_fleet`` among them; for all if empty.
        (templated)
    :param stored_plan: The name of a stored plan to apply as it is, instead of making one. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "mode", "endpoints", "stored_plan")

    def __init__(
        self,
        *,
        mode: str = "{{ params.mode or '' }}",
        endpoints: "str | list[str]" = "{{ (params.endpoints or []) | join(',') }}",
        stored_plan: str = "{{ params.plan or '' }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.endpoints = endpoints
        self.stored_plan = stored_plan

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Show and store the plan; return one mapping for each apply task, or none."""
        from watchkeeper.operators.infrastructure_plan import make_plan

        run: Any = context.get("dag_run")
        with failing_at_once():
            deployment = self.open_deployment()
            name = deployment.plans.name(str(getattr(run, "run_id", "") or self.task_id))
            # In a task the run's type is an enumeration, whose text names its class too.
            run_type = getattr(run, "run_type", "")
            mode = self._mode(deployment.fleet.infrastructure.mode, str(getattr(run_type, "value", run_type)))
            if self.stored_plan:
                plan = deployment.plans.read(self.stored_plan)
                self.log.info("Plan %s, as it was stored %s:", self.stored_plan, plan.made_at)
            else:
                wanted = self.endpoints.split(",") if isinstance(self.endpoints, str) else self.endpoints
                plan = make_plan(deployment, name, [one for one in wanted if one], datetime.now(UTC))
                self.log.info("Stored as %s", deployment.plans.write(plan))
        self.log.info("%s", plan.text())
        applied = plan if mode == "apply" else None
        task_instance: Any = context["ti"]
        task_instance.xcom_push(CAPTURES_KEY, _captures(applied))
        task_instance.xcom_push(PLAN_KEY, plan.run)
        task_instance.xcom_push(APPLIED_KEY, applied.run if applied else "")
        if applied is None:
            self.log.info("Nothing is applied: this run only plans. Trigger it with mode: apply, or plan: %s", plan.run)
            return []
        return [{"plan": plan.run, "scopes": scopes} for scopes in _packed(_scopes(applied))]

    def _mode(self, fleet_mode: Literal["plan", "apply"], run_type: str) -> str:
        if self.mode not in {"", "plan", "apply"}:
            message = f"mode: got {self.mode!r}; use plan or apply"
            raise ValueError(message)
        return self.mode or ("apply" if self.stored_plan else fleet_mode if run_type == "scheduled" else "plan")


class ChooseCapturesOperator(BaseOperator):
    """Return the endpoints whose data capture the plan updates; none in a run that only plans.

    A task of its own, since Airflow maps over what a task returns and nothing else.

    :param plan_task_id: The task that planned.
    """

    def __init__(self, *, plan_task_id: str = "plan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_task_id = plan_task_id

    def execute(self, context: "Context") -> list[str]:
        """Return the endpoints by their file's name."""
        task_instance: Any = context["ti"]
        return list(task_instance.xcom_pull(task_ids=self.plan_task_id, key=CAPTURES_KEY) or ())


def _captures(plan: "ResourcePlan | None") -> list[str]:
    """Return the endpoints whose data capture the plan changes."""
    changes = plan.to_do if plan else ()
    return sorted({change.scope for change in changes if change.kind == "data_capture"})


def _scopes(plan: "ResourcePlan") -> list[str]:
    """Return the scopes that an apply task has something to do for; the fleet's is another task's, after them."""
    changed = {change.scope for change in plan.to_do if change.kind != "data_capture"}
    return sorted(changed - {FLEET})


def _packed(scopes: list[str]) -> list[list[str]]:
    size = -(-len(scopes) // _MOST_INSTANCES) or 1
    return [scopes[start : start + size] for start in range(0, len(scopes), size)]
