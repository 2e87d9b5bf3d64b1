"""Builds the remediation DAG. Pure: nothing is asked of AWS, the database or the clock."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule, task_group

from watchkeeper.operators.act_on_incident import ActOnIncidentOperator
from watchkeeper.operators.approve_incident import ApproveIncidentOperator
from watchkeeper.operators.decide_remediation import DecideRemediationOperator
from watchkeeper.operators.drain_alarms import DrainAlarmsOperator
from watchkeeper.operators.event_assets import ALARM_EVENTS
from watchkeeper.operators.monitor_dag import DEFAULTS, START, TAGS, endpoints_param
from watchkeeper.operators.report_incidents import NEXT_STEPS, ReportIncidentsOperator
from watchkeeper.operators.verify_incident import VerifyIncidentOperator
from watchkeeper.operators.verify_run import VerifyRunOperator

GROUP = "incident"
STEPS = ("approve", "act", "verify")
#: The clock rings too: persistence and patience end without an event, and an event may be lost.
CLOCK = "*/5 * * * *"
_LABEL = {"map_index_template": "{{ task.label }}"}


def build_remediate_dag(dag_id: str, doc_md: str | None) -> DAG:
    """Return the remediation DAG: drain → decide → incident[endpoint](approve, act, verify) → report → verify_run."""
    with DAG(
        dag_id=dag_id,
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(CLOCK, timezone="UTC"), assets=[ALARM_EVENTS]),
        start_date=START,
        catchup=False,
        # Several, as an incident whose approval or recovery is waited for holds up no other. Each is one run's alone.
        max_active_runs=64,
        # A person may take a day, and so may a recovery.
        dagrun_timeout=timedelta(days=3),
        default_args=DEFAULTS,
        params={
            "endpoints": endpoints_param("Look only at these endpoints, by their file's name; at all if empty."),
            "close_circuit_breakers": endpoints_param("By hand: close these endpoints' circuit breakers."),
            "end_incidents": endpoints_param("By hand: end these endpoints' open incidents."),
            "reason": Param(
                None, type=["null", "string"], description="By hand: why, in a sentence, for the audit record."
            ),
        },
        tags=[*TAGS, "remediation"],
        doc_md=doc_md,
    ) as dag:
        drain = DrainAlarmsOperator(task_id="drain", execution_timeout=timedelta(minutes=10))
        decide = DecideRemediationOperator(
            task_id="decide", trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(minutes=15)
        )
        incidents = _incident.expand_kwargs(decide.output)
        report = ReportIncidentsOperator(
            task_id="report",
            outlets=[NEXT_STEPS],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=10),
        )
        verify_run = VerifyRunOperator(
            task_id="verify_run",
            report_task_id="report",
            task_ids=["drain", "decide", *(f"{GROUP}.{step}" for step in STEPS), "report"],
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=timedelta(minutes=5),
        )
        drain >> decide
        incidents >> report >> verify_run
    return dag


@task_group(group_id=GROUP)
def _incident(endpoint: str, incident_id: str) -> None:
    of: dict[str, Any] = {"endpoint": endpoint, "incident_id": incident_id, **_LABEL}
    approve = ApproveIncidentOperator(task_id="approve", response_timeout=timedelta(days=1), defaults="Reject", **of)
    act = ActOnIncidentOperator(task_id="act", execution_timeout=timedelta(minutes=30), **of)
    verify = VerifyIncidentOperator(
        task_id="verify", deferrable=True, waiter_delay=15, execution_timeout=timedelta(hours=30), **of
    )
    approve >> act >> verify
