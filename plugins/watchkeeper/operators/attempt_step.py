"""What the steps of a retraining attempt share: the attempt's record, and where its data lies."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.errors import StoreError
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

TRAINING_FOLDER, EVALUATION_FOLDER, RESULT_FOLDER = "training/", "evaluation/", "result"
TRAINING_TABLE, EVALUATION_TABLE = "training/rows.csv", "evaluation/rows.csv"
PREDICTIONS_TABLE = "result/evaluation/predictions.csv"


class AttemptStepOperator(MonitorOperator):
    """Base of the steps of one attempt.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param attempt_id: The attempt. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoint", "attempt_id")

    def __init__(self, *, endpoint: str, attempt_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.attempt_id = attempt_id

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def advance(
        self, deployment: Deployment, state: AttemptState, context: "Context", why: str, **fields: Any
    ) -> AttemptRecord:
        """Bring the attempt into a state and return its record."""
        return deployment.actions.advance(
            self.endpoint, self.attempt_id, state, by=run_name(context), why=why, now=datetime.now(UTC), **fields
        )


def read_attempt(deployment: Deployment, endpoint: str, attempt_id: str) -> AttemptRecord:
    """Return an attempt's record; StoreError if there is none."""
    record = deployment.actions.read(endpoint, attempt_id)
    if record is None:
        raise StoreError(
            deployment.actions.uri(endpoint, attempt_id), "no such attempt", "Begin with the decision to retrain."
        )
    return record


def take_up(deployment: Deployment, endpoint: str, attempt_id: str, context: "Context") -> AttemptRecord:
    """Return the record of an attempt to work on; AirflowSkipException if nothing more is to be done for it.

    A failed attempt has a step only where somebody cleared a task: it goes on from the state that it had reached.
    """
    record = read_attempt(deployment, endpoint, attempt_id)
    if record.state == AttemptState.FAILED:
        reached = next((event.state for event in reversed(record.history) if event.state != AttemptState.FAILED), None)
        return deployment.actions.advance(
            endpoint,
            attempt_id,
            AttemptState(reached or AttemptState.DECIDED),
            by=run_name(context),
            why="a cleared task takes it up again",
            now=datetime.now(UTC),
        )
    if record.has_ended:
        raise skipped(record)
    return record


def skipped(record: AttemptRecord) -> AirflowSkipException:
    """Return what a step raises that has nothing to do: where the attempt stands, and why."""
    why = record.history[-1].why if record.history else "no reason is recorded"
    return AirflowSkipException(f"Attempt {record.attempt_id} of {record.endpoint} is {record.state}: {why}")
