"""Builds the DAG of the monitors that judge by labels. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, TriggerRule

from watchkeeper.operators.analyze_window import AnalyzeWindowOperator
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS, analysis_pool, monitor_params
from watchkeeper.operators.publish_merges import MERGED
from watchkeeper.operators.publish_report import PublishReportOperator
from watchkeeper.operators.ripe_windows import RipeWindowsOperator
from watchkeeper.operators.verify_run import VerifyRunOperator
from watchkeeper.registry.monitor_spec import LABEL_MONITORS


def build_quality_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the DAG of the label monitors: ripe_windows → analyze[endpoint, monitor] → report → verify."""
    with DAG(
        dag_id=dag_id,
        # The asset is a doorbell. Waiting times end without anybody ringing, so the clock rings too, after the merge.
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("30 * * * *", timezone="UTC"), assets=[MERGED]),
        start_date=START,
        catchup=False,
        # What there is to do is worked out from S3: a run beside another would do the same once more.
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        default_args=DEFAULTS,
        params=monitor_params("hourly"),
        tags=[*TAGS, "labels"],
        doc_md=doc_md,
    ) as dag:
        ripe = RipeWindowsOperator(task_id="ripe_windows", execution_timeout=timedelta(minutes=20))
        analyze = AnalyzeWindowOperator.partial(
            task_id="analyze",
            baseline="{{ params.baseline }}",
            pool=analysis_pool(),
            map_index_template="{{ task.label }}",
            execution_timeout=timedelta(hours=1),
        ).expand_kwargs(ripe.output)
        report = PublishReportOperator(
            task_id="report",
            period=None,
            monitors=LABEL_MONITORS,
            due_task_id="ripe_windows",
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=20),
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=["ripe_windows", "analyze", "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        ripe >> analyze >> report >> verify
    return dag
