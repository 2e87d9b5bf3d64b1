"""Records what became of a job that a DAG of your own ran."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.registry.event_kind import JOB_TYPES, JobType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class RecordJobOperator(MonitorOperator):
    """Record a SageMaker job that has ended: state, failure reason, instances, seconds billed, cost, final metrics.

    For a job of your own DAG, after the amazon provider's operator that ran it; give it the trigger rule ``all_done``
    to record failures too. A job that the DAG ``platform_events`` has recorded already is not recorded, and its
    figures are not counted, once more. It goes to the ledger of events (``api.read_events``) and to CloudWatch under
    ``Watchkeeper/Jobs``.

    :param job_name: The job's name; of a pipeline, its execution's ARN. (templated)
    :param job_type: ``training_job``, ``tuning_job``, ``processing_job``, ``transform_job``, ``labeling_job`` or
        ``pipeline``.
    :param endpoint: The endpoint that it is for, by its file's name; its file also says through which connection and
        region the job is reached. (templated)
    :param fail_on_failure: Whether a job that failed or was stopped fails the task, once it is recorded.
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "job_name", "endpoint")

    def __init__(
        self,
        *,
        job_name: str,
        job_type: JobType = "training_job",
        endpoint: str | None = None,
        fail_on_failure: bool = False,
        **kwargs: Any,
    ) -> None:
        if job_type not in JOB_TYPES:
            message = f"got job_type {job_type!r}; use of {', '.join(JOB_TYPES)}"
            raise ValueError(message)
        super().__init__(**kwargs)
        self.job_name = job_name
        self.job_type = job_type
        self.endpoint = endpoint
        self.fail_on_failure = fail_on_failure

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return the job's state and figures; JobError if it still runs."""
        from watchkeeper.aws.job_facts import with_cost
        from watchkeeper.aws.job_hook import JobHook
        from watchkeeper.aws.ledger import RunFacts
        from watchkeeper.errors import JobError
        from watchkeeper.operators.job_recorder import read_prices, record_ended_job

        run: Any = context.get("dag_run")
        now = datetime.now(UTC)
        facts_of_run = RunFacts(
            run_id=str(getattr(run, "run_id", "") or ""),
            dag_id=str(getattr(run, "dag_id", "") or ""),
            recorded_at=now,
        )
        with failing_at_once():
            deployment = self.open_deployment()
            spec = None if self.endpoint is None else deployment.registry.require(self.endpoint)
            access = deployment.access if spec is None else deployment.access_of(spec)
            facts = access.open(JobHook).facts(self.job_type, self.job_name)
        if not facts.has_ended:
            raise JobError(
                f"{facts.job_type} {facts.name}",
                f"it is {facts.status}",
                "Wait for its end first, such as with wait_for_completion of the operator that starts it.",
            )
        facts = with_cost(facts, read_prices(deployment, self.log.warning), facts.arn.split(":")[3])
        record_ended_job(deployment, facts, facts_of_run, endpoint=self.endpoint, now=now, warn=self.log.warning)
        self.log.info("%s %s is %s: %s", facts.job_type, facts.name, facts.status, facts.failure_reason or "no reason")
        if self.fail_on_failure and facts.outcome != "succeeded":
            message = f"{facts.job_type} {facts.name} is {facts.status}: {facts.failure_reason or 'no reason is given'}"
            raise AirflowFailException(message)
        return {
            "name": facts.name,
            "arn": facts.arn,
            "status": facts.status,
            "outcome": facts.outcome,
            "failure_reason": facts.failure_reason,
            "duration_seconds": facts.duration_seconds,
            "billable_seconds": facts.billable_seconds,
            "instance_type": facts.instance_type,
            "instance_count": facts.instance_count,
            "cost_usd": facts.cost_usd,
            "metrics": dict(facts.metrics),
            "best_job": facts.best_job,
        }
