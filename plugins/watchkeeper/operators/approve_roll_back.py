"""Asks a person, where the endpoint's file wants one asked, before a promotion is taken back by policy."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.attempt_step import read_attempt
from watchkeeper.operators.monitor_base import failing_at_once, open_deployment
from watchkeeper.operators.run_pipeline import required_retraining, run_name
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApproveRollBackOperator(ApprovalOperator):
    """Wait for a person's approval (Airflow's required actions), or go on at once where nobody is to be asked.

    A person who declines keeps the model: the policy does not ask about this promotion again. Where nobody answers in
    time it stays too, until the next violated window asks anew.

    :param endpoint: The endpoint's registry id. (templated)
    :param attempt_id: The attempt whose promotion is to be taken back. (templated)
    :param reason: Why, in a sentence. (templated)
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "endpoint", "attempt_id", "reason")
    ui_color = "#f4efd9"

    def __init__(self, *, endpoint: str, attempt_id: str, reason: str, **kwargs: Any) -> None:
        kwargs.setdefault("subject", "Watchkeeper: approve the roll back")
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.attempt_id = attempt_id
        self.reason = reason

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def execute(self, context: "Context") -> Any:
        """Return at once, or wait for the answer."""
        with failing_at_once():
            deployment = open_deployment()
            spec = deployment.registry.require(self.endpoint)
            mode = required_retraining(spec).deployment.mode
            record = read_attempt(deployment, self.endpoint, self.attempt_id)
        if mode != "approval" or record.state != AttemptState.PROMOTED:
            self.log.info("%s: nobody is asked (mode %s, attempt %s)", self.endpoint, mode, record.state)
            return None
        self.subject = f"{self.endpoint}: take the promotion back?"
        self.body = (
            f"{self.reason}\n\nAttempt `{self.attempt_id}` of **{self.endpoint}** put `{record.new_config}` in "
            f"service; `{record.previous_config}` from before it would return. *Reject* keeps the model, and nobody is "
            f"asked about this promotion again.\n\n"
            f"Record: `{deployment.actions.uri(self.endpoint, self.attempt_id)}`"
        )
        tell_attempt(deployment, spec, record, "roll_back_wanted", self.subject, context, self.log.warning)
        return super().execute(context)

    def execute_complete(self, context: "Context", event: dict[str, Any]) -> Any:
        """Go on if it was approved; note who keeps the model if it was not."""
        who = (event.get("responded_by_user") or {}).get("name")
        if self.REJECT in (event.get("chosen_options") or ()) and who:
            now = datetime.now(UTC)
            open_deployment().actions.advance(
                self.endpoint,
                self.attempt_id,
                AttemptState.PROMOTED,
                by=f"{who}, {run_name(context)}",
                why=f"kept in service; asked because: {self.reason}",
                now=now,
                kept_at=moment_text(now),
            )
        return super().execute_complete(context, event)
