"""Builds the DAG infrastructure. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, TriggerRule

from watchkeeper.operators.apply_infrastructure import ApplyInfrastructureOperator
from watchkeeper.operators.enable_data_capture import EnableDataCaptureOperator
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS, endpoints_param, text_param
from watchkeeper.operators.plan_infrastructure import (
    APPLIED_KEY,
    ChooseCapturesOperator,
    PlanInfrastructureOperator,
)
from watchkeeper.operators.report_infrastructure import ReportInfrastructureOperator
from watchkeeper.operators.verify_run import VerifyRunOperator
from watchkeeper.registry.alarm_name import FLEET

_LABEL = {"map_index_template": "{{ task.label }}"}


def build_infrastructure_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the DAG infrastructure: plan → apply[endpoint] → apply_fleet → report → verify, with capture[endpoint]."""
    with DAG(
        dag_id=dag_id,
        schedule=CronTriggerTimetable("30 3 * * *", timezone="UTC"),
        start_date=START,
        catchup=False,
        # Two at once do no harm, but tell the same twice.
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=12),
        default_args=DEFAULTS,
        params={
            "mode": Param(
                None,
                type=["null", "string"],
                enum=[None, "plan", "apply"],
                description="plan shows and stores what differs; apply also brings it about. Empty: plan, or apply "
                "where plan names one.",
            ),
            "endpoints": endpoints_param(
                "Only these endpoints, by their file's name, and _fleet for what is the fleet's; all if empty."
            ),
            "plan": text_param("The name of a stored plan, below plans/, to apply as it is; empty to plan anew."),
        },
        tags=[*TAGS, "infrastructure"],
        doc_md=doc_md,
    ) as dag:
        plan = PlanInfrastructureOperator(task_id="plan", execution_timeout=timedelta(hours=1))
        apply = ApplyInfrastructureOperator.partial(
            task_id="apply", execution_timeout=timedelta(hours=3), max_active_tis_per_dagrun=4, **_LABEL
        ).expand_kwargs(plan.output)
        captures = ChooseCapturesOperator(task_id="choose_captures", execution_timeout=timedelta(minutes=5))
        capture = EnableDataCaptureOperator.partial(
            task_id="capture",
            deferrable=True,
            waiter_delay=15,
            waiter_max_attempts=480,
            execution_timeout=timedelta(hours=3),
            **_LABEL,
        ).expand(endpoint=captures.output)
        plan >> captures
        pulled: Any = f"{{{{ ti.xcom_pull(task_ids='plan', key='{APPLIED_KEY}') or '' }}}}"
        # After all endpoints, whatever became of them: what is for the fleet speaks of their alarms.
        fleet = ApplyInfrastructureOperator(
            task_id="apply_fleet",
            plan=pulled,
            scopes=[FLEET],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(hours=1),
        )
        report = ReportInfrastructureOperator(
            task_id="report", trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=10)
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=["plan", "apply", "apply_fleet", "choose_captures", "capture", "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        apply >> fleet >> report
        capture >> report >> verify
    return dag
