"""Builds the DAG that makes and lifts silences. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta

from airflow.sdk import DAG, Param

from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS, endpoints_param, text_param
from watchkeeper.operators.silence_alerts import SilenceAlertsOperator

_LISTS = ("owner", "monitor", "severity", "kind")


def build_silence_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the DAG that makes a silence of its params, or lifts one."""
    lists = {
        name: Param([], type=["null", "array"], items={"type": "string"}, description=f"Only of these: {name}.")
        for name in _LISTS
    }
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=START,
        catchup=False,
        max_active_runs=4,
        dagrun_timeout=timedelta(hours=1),
        default_args=DEFAULTS,
        params={
            "endpoint": endpoints_param("What is silent: endpoints by their file's name; * and ? stand for any."),
            **lists,
            "until": text_param("When it ends.", format="date-time"),
            "reason": text_param("Why, in a sentence."),
            "author": text_param("Who answers for it; who triggers this if empty."),
            "lift": text_param("Instead: the id of a silence to end now."),
        },
        tags=[*TAGS, "alerts"],
        doc_md=doc_md,
        render_template_as_native_obj=True,
    ) as dag:
        SilenceAlertsOperator(
            task_id="silence",
            match={name: f"{{{{ params.{name} }}}}" for name in ("endpoint", *_LISTS)},
            until="{{ params.until or '' }}",
            reason="{{ params.reason or '' }}",
            author="{{ params.author or '' }}",
            lift="{{ params.lift or '' }}",
            execution_timeout=timedelta(minutes=10),
        )
    return dag
