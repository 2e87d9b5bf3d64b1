"""Builds the monitoring DAGs. Pure: nothing is asked of AWS, the database or the clock."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TriggerRule

from watchkeeper.operators.analyze_window import AnalyzeWindowOperator
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.operators.choose_baselines import ChooseBaselinesOperator
from watchkeeper.operators.due_endpoints import DueEndpointsOperator
from watchkeeper.operators.publish_report import PublishReportOperator
from watchkeeper.operators.verify_run import VerifyRunOperator
from watchkeeper.operators.wait_for_capture import WaitForCaptureSensor
from watchkeeper.registry.capture_window import Period
from watchkeeper.registry.monitor_spec import MONITOR_NAMES

_CRONS: dict[Period, str] = {"hourly": "0 * * * *", "daily": "0 0 * * *"}
#: What all our DAGs share.
TAGS = ["watchkeeper", "monitoring"]
START = datetime(2025, 1, 1, tzinfo=UTC)
#: Retried twice at least: Airflow 3.3.1 can fail a task that deferred only briefly.
DEFAULTS: dict[str, Any] = {
    "owner": "watchkeeper",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}


def analysis_pool() -> str:
    """Return the Airflow pool of the analysis tasks: ``WATCHKEEPER_POOL``, else Airflow's default.

    Only the environment is asked: a Variable would cost a database query at every parse.
    """
    return os.environ.get("WATCHKEEPER_POOL", "").strip() or "default_pool"


def text_param(description: str, **schema: Any) -> Param:
    """Return an optional param of text."""
    return Param(None, type=["null", "string"], description=description, **schema)


def endpoints_param(description: str) -> Param:
    """Return the param that names endpoints."""
    return Param([], type=["null", "array"], items={"type": "string"}, uniqueItems=True, description=description)


def monitor_params(period: Period) -> dict[str, Param]:
    """Return the params of a monitoring DAG, for runs by hand."""
    unit = "hour" if period == "hourly" else "UTC day"
    return {
        "window_start": text_param(
            f"Judge the windows from here, instead of the run's own: a whole {unit}, UTC.", format="date-time"
        ),
        "window_end": text_param("… to here. Give both or neither.", format="date-time"),
        "endpoints": endpoints_param("Only these endpoints, by their file's name; all if empty."),
        "act": Param(
            None,
            type=["null", "boolean"],
            description="Alert and act: true however old the window is, false never; empty for fresh windows only.",
        ),
        "baseline": Param(
            "in_force",
            enum=["in_force", "current"],
            description="Judge by the baseline that was in force at the window, or by the current one.",
        ),
    }


def build_monitor_dag(dag_id: str, period: Period, doc_md: str | None) -> DAG:
    """Return a monitoring DAG: due_endpoints → settle → analyze[endpoint, monitor] → report → verify."""
    with DAG(
        dag_id=dag_id,
        schedule=CronDataIntervalTimetable(_CRONS[period], timezone="UTC"),
        start_date=START,
        catchup=False,
        # Runs are independent of each other (S3 settles who wrote first), so a backfill may run in parallel.
        max_active_runs=16,
        dagrun_timeout=timedelta(hours=6),
        default_args=DEFAULTS,
        params=monitor_params(period),
        tags=[*TAGS, period],
        doc_md=doc_md,
    ) as dag:
        due = DueEndpointsOperator(task_id="due_endpoints", period=period, execution_timeout=timedelta(minutes=10))
        settle = WaitForCaptureSensor(
            task_id="settle",
            period=period,
            deferrable=True,
            timeout=timedelta(hours=3).total_seconds(),
        )
        analyze = AnalyzeWindowOperator.partial(
            task_id="analyze",
            period=period,
            baseline="{{ params.baseline }}",
            pool=analysis_pool(),
            map_index_template="{{ task.label }}",
            # One stuck endpoint must not hold back everyone's report. A day's may explain a model, which takes time.
            execution_timeout=timedelta(minutes=30) if period == "hourly" else timedelta(hours=2),
        ).expand_kwargs(due.output)
        report = PublishReportOperator(
            task_id="report",
            period=period,
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=20),
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=["due_endpoints", "settle", "analyze", "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        due >> settle >> analyze >> report >> verify
    return dag


def build_baseline_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the baseline DAG: choose → build[endpoint]."""
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=START,
        catchup=False,
        max_active_runs=4,
        dagrun_timeout=timedelta(hours=6),
        default_args=DEFAULTS,
        params={
            "endpoints": endpoints_param(
                "Make these endpoints' baselines, by their file's name; all whose file names a source if empty."
            ),
            "monitors": Param(
                [],
                type=["null", "array"],
                items={"type": "string", "enum": list(MONITOR_NAMES)},
                uniqueItems=True,
                description="For these monitors; all whose source the endpoint's file names if empty.",
            ),
            "dataset": text_param("S3 URI of the dataset, instead of the file's; for exactly one endpoint."),
            "format": Param(
                None,
                type=["null", "string"],
                enum=[None, "csv", "jsonlines", "parquet"],
                description="How the dataset, given here or in the file, is written; empty to tell by file or suffix.",
            ),
            "import_statistics": text_param("S3 URI of an existing statistics.json to take over."),
            "import_constraints": text_param("S3 URI of the constraints.json that goes with it."),
            "import_analysis": text_param("S3 URI of an existing analysis.json of SageMaker Clarify to take over."),
            "use_version": text_param(
                "An earlier version to put in force again (20261120T120000Z-1a2b3c4d); for exactly one endpoint.",
                pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{8}$",
            ),
        },
        tags=[*TAGS, "baseline"],
        doc_md=doc_md,
    ) as dag:
        choose = ChooseBaselinesOperator(task_id="choose", execution_timeout=timedelta(minutes=5))
        BuildBaselineOperator.partial(
            task_id="build",
            pool=analysis_pool(),
            map_index_template="{{ task.label }}",
            execution_timeout=timedelta(hours=1),
        ).expand_kwargs(choose.output)
    return dag
