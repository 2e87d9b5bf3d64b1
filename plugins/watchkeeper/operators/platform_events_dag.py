"""Builds the DAG that watches the platform. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, TriggerRule

from watchkeeper.operators.event_assets import PLATFORM_EVENTS
from watchkeeper.operators.event_start import StartDagOperator
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS
from watchkeeper.operators.report_events import ReportEventsOperator
from watchkeeper.operators.verify_run import VerifyRunOperator
from watchkeeper.operators.work_off_events import WorkOffEventsOperator


def build_platform_events_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the DAG of the platform's events: work_off → start[DAG] → report → verify."""
    with DAG(
        dag_id=dag_id,
        # The asset is a doorbell. Deadlines pass without anybody ringing, so the clock rings too.
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=[PLATFORM_EVENTS]
        ),
        start_date=START,
        catchup=False,
        # What there is to do is in the inbox: a run beside another would do the same once more.
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=2),
        default_args=DEFAULTS,
        tags=[*TAGS, "operations"],
        doc_md=doc_md,
    ) as dag:
        work_off = WorkOffEventsOperator(task_id="work_off", execution_timeout=timedelta(minutes=30))
        start = StartDagOperator.partial(
            task_id="start",
            # Two runs of one logical date would be taken for one.
            logical_date=None,
            skip_when_already_exists=True,
            map_index_template="{{ task.label }}",
            execution_timeout=timedelta(minutes=5),
        ).expand_kwargs(work_off.output)
        report = ReportEventsOperator(
            task_id="report", trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=20)
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=["work_off", "start", "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        work_off >> start >> report >> verify
    return dag
