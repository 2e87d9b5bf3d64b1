"""Builds the ground truth DAG. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TriggerRule

from watchkeeper.operators.due_labels import DueLabelsOperator
from watchkeeper.operators.merge_ground_truth import MergeGroundTruthOperator
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS, analysis_pool, endpoints_param
from watchkeeper.operators.publish_merges import PublishMergesOperator
from watchkeeper.operators.verify_run import VerifyRunOperator


def build_ground_truth_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the ground truth DAG: due → merge[endpoint] → report → verify."""
    with DAG(
        dag_id=dag_id,
        # A quarter past: capture's last files of the hour are there by then.
        schedule=CronDataIntervalTimetable("15 * * * *", timezone="UTC"),
        start_date=START,
        catchup=False,
        # What there is to do is worked out from S3, so a second run beside the first would only do it twice.
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        default_args=DEFAULTS,
        params={
            "endpoints": endpoints_param(
                "Only these endpoints, by their file's name; all whose file has ground_truth if empty."
            ),
            "horizon_days": Param(
                None,
                type=["null", "integer"],
                minimum=1,
                maximum=365,
                description="Look so many days back, instead of each file's ground_truth.horizon_days.",
            ),
        },
        tags=[*TAGS, "labels"],
        doc_md=doc_md,
    ) as dag:
        due = DueLabelsOperator(task_id="due", execution_timeout=timedelta(minutes=5))
        merge = MergeGroundTruthOperator.partial(
            task_id="merge",
            horizon_days="{{ params.horizon_days or '' }}",
            pool=analysis_pool(),
            map_index_template="{{ task.label }}",
            # One stuck endpoint must not hold back the others' judgement.
            execution_timeout=timedelta(hours=2),
        ).expand_kwargs(due.output)
        report = PublishMergesOperator(
            task_id="report", trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=10)
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=["due", "merge", "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        due >> merge >> report >> verify
    return dag
