"""Builds the retraining DAGs. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, task_group

from watchkeeper.operators.approve_attempt import ApproveAttemptOperator
from watchkeeper.operators.approve_roll_back import ApproveRollBackOperator
from watchkeeper.operators.compare_models import CompareModelsOperator
from watchkeeper.operators.decide_retraining import DecideRetrainingOperator
from watchkeeper.operators.decide_roll_back import DecideRollBackOperator
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS, endpoints_param, text_param
from watchkeeper.operators.prepare_tables import PrepareTablesOperator
from watchkeeper.operators.promote_model import PromoteModelOperator
from watchkeeper.operators.publish_report import VIOLATIONS
from watchkeeper.operators.render_pipelines import render_task, sagemaker_python
from watchkeeper.operators.renew_baselines import RenewBaselinesOperator
from watchkeeper.operators.report_attempts import ReportAttemptsOperator
from watchkeeper.operators.roll_back_model import RollBackModelOperator
from watchkeeper.operators.run_pipeline import RunRetrainingPipelineOperator
from watchkeeper.operators.verify_run import VerifyRunOperator

GROUP, BACK_GROUP = "attempt", "back"
RENDERING = ("choose_definitions", "render_pipelines")
BACK_STEPS = ("approve_roll_back", "roll_back")
STEPS = ("approve_training", "prepare", "train", "compare", "approve_promotion", "promote", "renew_baselines")
_LABEL = {"map_index_template": "{{ task.label }}"}
#: One cheap call a look; the number of looks still covers half a day.
_WAITS: dict[str, Any] = {"waiter_delay": 15, "waiter_max_attempts": 2880}


def build_retrain_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the retraining DAG.

    decide_roll_back → back[endpoint](approve_roll_back, roll_back) → decide →
    attempt[endpoint](approve_training, prepare, train, compare, …) → report → verify.
    """
    with DAG(
        dag_id=dag_id,
        schedule=[VIOLATIONS],
        start_date=START,
        catchup=False,
        # Several, as an endpoint whose approval waits for days holds up no other. Each attempt is one run's alone.
        max_active_runs=16,
        # Two people may take three days each, a third one a day.
        dagrun_timeout=timedelta(days=8),
        default_args=DEFAULTS,
        params={
            "endpoints": endpoints_param(
                "Retrain these endpoints by hand, by their file's name; by the policies of all files if empty."
            ),
            "force": Param(
                default=False,
                type="boolean",
                description="By hand only: override cooldown, monthly maximum and dry run.",
            ),
            "training_start": text_param("By hand: train on the labelled captures from here …", format="date-time"),
            "training_end": text_param("… to here, whole hours of UTC. Give both or neither.", format="date-time"),
            "evaluation_start": text_param("By hand: compare on the held-out rows from here …", format="date-time"),
            "evaluation_end": text_param("… to here, whole hours of UTC. Give both or neither.", format="date-time"),
        },
        tags=[*TAGS, "retraining"],
        doc_md=doc_md,
    ) as dag:
        decide_back = DecideRollBackOperator(task_id="decide_roll_back", execution_timeout=timedelta(minutes=15))
        back = _back.expand_kwargs(decide_back.output)
        # Whatever becomes of rolling back: other endpoints are not to wait for its repair.
        decide = DecideRetrainingOperator(
            task_id="decide", trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=15)
        )
        back >> decide
        interpreter = sagemaker_python()
        rendered = None if interpreter is None else render_task(interpreter, decide.output)
        attempts = _attempt(rendered).expand_kwargs(decide.output)
        report = ReportAttemptsOperator(
            task_id="report", trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=10)
        )
        verify = VerifyRunOperator(
            task_id="verify",
            report_task_id="report",
            task_ids=[
                "decide_roll_back",
                *(f"{BACK_GROUP}.{step}" for step in BACK_STEPS),
                "decide",
                *(() if interpreter is None else RENDERING),
                *(f"{GROUP}.{step}" for step in STEPS),
                "report",
            ],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        attempts >> report >> verify
    return dag


@task_group(group_id=BACK_GROUP)
def _back(endpoint: str, attempt_id: str, reason: str) -> None:
    of: dict[str, Any] = {"endpoint": endpoint, "attempt_id": attempt_id, "reason": reason, **_LABEL}
    approve = ApproveRollBackOperator(
        task_id="approve_roll_back", response_timeout=timedelta(days=1), defaults="Reject", **of
    )
    roll_back = RollBackModelOperator(
        task_id="roll_back", deferrable=True, waiter_delay=15, execution_timeout=timedelta(hours=6), **of
    )
    approve >> roll_back


def _attempt(definitions: Any) -> Any:
    """Return the group of an attempt's steps, whose pipelines have the definitions rendered before it, if any were."""

    @task_group(group_id=GROUP)
    def attempt(endpoint: str, attempt_id: str) -> None:
        of: dict[str, Any] = {"endpoint": endpoint, "attempt_id": attempt_id, **_LABEL}
        approve = ApproveAttemptOperator(
            task_id="approve_training", stage="training", response_timeout=timedelta(days=3), defaults="Reject", **of
        )
        prepare = PrepareTablesOperator(task_id="prepare", execution_timeout=timedelta(hours=1), **of)
        parameters: Any = prepare.output
        train = RunRetrainingPipelineOperator(
            task_id="train",
            parameters=parameters,
            definitions=definitions,
            deferrable=True,
            execution_timeout=timedelta(hours=13),
            **_WAITS,
            **of,
        )
        compare = CompareModelsOperator(task_id="compare", execution_timeout=timedelta(minutes=30), **of)
        confirm = ApproveAttemptOperator(
            task_id="approve_promotion", stage="promotion", response_timeout=timedelta(days=3), defaults="Reject", **of
        )
        promote = PromoteModelOperator(
            task_id="promote", deferrable=True, waiter_delay=15, execution_timeout=timedelta(hours=12), **of
        )
        renew = RenewBaselinesOperator(task_id="renew_baselines", execution_timeout=timedelta(hours=1), **of)
        approve >> prepare >> train >> compare >> confirm >> promote >> renew

    return attempt


def build_roll_back_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the DAG that puts the model from before a promotion back in service."""
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=START,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(days=1),
        default_args=DEFAULTS,
        params={
            "endpoint": text_param("The endpoint, by its file's name."),
            "attempt_id": text_param("The attempt to take back; the newest promotion if empty."),
            "reason": Param(
                "rolled back on request",
                type="string",
                minLength=1,
                description="Why, in a sentence: it stands in the audit record and in the model registry.",
            ),
        },
        tags=[*TAGS, "retraining"],
        doc_md=doc_md,
    ) as dag:
        RollBackModelOperator(
            task_id="roll_back",
            endpoint="{{ params.endpoint or '' }}",
            attempt_id="{{ params.attempt_id or '' }}",
            reason="{{ params.reason }}",
            deferrable=True,
            execution_timeout=timedelta(hours=6),
        )
    return dag
