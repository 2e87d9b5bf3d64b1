"""Builds the DAG of housekeeping. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, TriggerRule

from watchkeeper.operators.compact_ledger import CompactLedgerOperator
from watchkeeper.operators.expire_data import ExpireDataOperator
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS
from watchkeeper.operators.report_costs import ReportCostsOperator
from watchkeeper.operators.sweep_leftovers import SweepLeftoversOperator
from watchkeeper.operators.verify_run import VerifyRunOperator

STEPS = ("compact", "expire", "sweep")


def build_housekeeping_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the DAG of housekeeping: compact, expire and sweep → report → verify."""
    with DAG(
        dag_id=dag_id,
        # After the day's windows are judged, so that the report knows of them.
        schedule=CronDataIntervalTimetable("30 4 * * *", timezone="UTC"),
        start_date=START,
        catchup=False,
        # What it does depends on today alone.
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=8),
        default_args=DEFAULTS,
        tags=[*TAGS, "housekeeping"],
        doc_md=doc_md,
    ) as dag:
        compact = CompactLedgerOperator(task_id="compact", execution_timeout=timedelta(hours=2))
        expire = ExpireDataOperator(task_id="expire", execution_timeout=timedelta(hours=3))
        sweep = SweepLeftoversOperator(task_id="sweep", execution_timeout=timedelta(minutes=30))
        report = ReportCostsOperator(
            task_id="report",
            task_ids=STEPS,
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(hours=1),
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=[*STEPS, "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        [compact, expire, sweep] >> report >> verify
    return dag
