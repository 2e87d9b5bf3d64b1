"""Asks a person, where the endpoint's policy wants one asked, before a model is trained or put in service."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.standard.operators.hitl import ApprovalOperator

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.aws.pipeline_hook import REJECTED, PipelineHook
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.attempt_step import read_attempt, take_up
from watchkeeper.operators.monitor_base import failing_at_once, open_deployment
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

Stage = Literal["training", "promotion"]


class ApproveAttemptOperator(ApprovalOperator):
    """Wait for a person's approval (Airflow's required actions), or go on at once where the policy asks nobody.

    Skips what follows when the attempt has ended, as it has when the challenger lost. A rejection ends it; so does no
    answer in time, where ``defaults`` says so.

    :param endpoint: The endpoint's registry id. (templated)
    :param attempt_id: The attempt. (templated)
    :param stage: ``training`` asks by ``retraining.mode``, ``promotion`` by ``retraining.deployment.mode``.
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "endpoint", "attempt_id")
    ui_color = "#f4efd9"

    def __init__(self, *, endpoint: str, attempt_id: str, stage: Stage, **kwargs: Any) -> None:
        kwargs.setdefault("subject", f"Watchkeeper: approve the {stage}")
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.attempt_id = attempt_id
        self.stage = stage

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def execute(self, context: "Context") -> Any:
        """Return at once, or wait for the answer."""
        with failing_at_once():
            deployment = open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record = take_up(deployment, self.endpoint, self.attempt_id, context)
        if not self._asks(spec):
            self.log.info("%s: nobody is asked before the %s, by the endpoint's file", self.endpoint, self.stage)
            return None
        why = f"a person is asked before the {self.stage}"
        if self.stage == "training":
            record = self._advance(deployment, AttemptState.AWAITING_APPROVAL, run_name(context), why)
        self.subject = (
            f"{self.endpoint}: {'train a new model' if self.stage == 'training' else 'promote the challenger'}?"
        )
        self.body = self._told(record, deployment.actions.uri(self.endpoint, self.attempt_id))
        tell_attempt(deployment, spec, record, "approval_wanted", self.subject, context, self.log.warning)
        return super().execute(context)

    def execute_complete(self, context: "Context", event: dict[str, Any]) -> Any:
        """Go on if it was approved; end the attempt if it was rejected. Who answered is recorded."""
        chosen = event.get("chosen_options") or ()
        who = str((event.get("responded_by_user") or {}).get("name") or "nobody, in time")
        if self.REJECT in chosen:
            self._reject(who, context)
        elif self.APPROVE in chosen:
            self._advance(open_deployment(), AttemptState.APPROVED, who, f"the {self.stage} was approved")
        return super().execute_complete(context, event)

    def _reject(self, who: str, context: "Context") -> None:
        """End the attempt; a package that a person keeps out of service is no longer an approved one."""
        deployment = open_deployment()
        why = f"the {self.stage} was not approved"
        spec = deployment.registry.require(self.endpoint)
        package = read_attempt(deployment, self.endpoint, self.attempt_id).model_package_arn
        if self.stage == "promotion" and package is not None:
            hook = deployment.access_of(spec).open(PipelineHook)
            hook.decide_package(package, REJECTED, f"{why}: {who}")
        record = self._advance(deployment, AttemptState.REJECTED, who, why)
        headline = f"{self.endpoint}: {why} ({who})"
        tell_attempt(deployment, spec, record, "rejected", headline, context, self.log.warning)

    def _advance(self, deployment: "Deployment", state: AttemptState, by: str, why: str) -> "AttemptRecord":
        return deployment.actions.advance(self.endpoint, self.attempt_id, state, by=by, why=why, now=datetime.now(UTC))

    def _asks(self, spec: "EndpointSpec") -> bool:
        assert spec.retraining is not None, spec.registry_id  # noqa: S101
        mode = spec.retraining.mode if self.stage == "training" else spec.retraining.deployment.mode
        return mode == "approval"

    def _told(self, record: "AttemptRecord", uri: str) -> str:
        history = "\n".join(f"- {event.at} **{event.state}** by {event.by}: {event.why}" for event in record.history)
        return (
            f"Attempt `{record.attempt_id}` of **{record.endpoint}**, trained on {record.training_start} to "
            f"{record.training_end}.\n\n{history}\n\nEvidence and record: `{uri}`"
        )
