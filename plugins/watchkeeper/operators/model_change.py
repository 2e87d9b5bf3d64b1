"""What promoting a model and rolling it back share: waiting for the endpoint, and coming back with what was planned."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from watchkeeper.aws.endpoint_trigger import EndpointSettledTrigger
from watchkeeper.aws.model_deployment import ModelChange
from watchkeeper.aws.pipeline_hook import PipelineHook
from watchkeeper.errors import EndpointStateError, PipelineError
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

PENDING = "pending"


class ModelChangeOperator(MonitorOperator):
    """Base of the operators that change the model in service; the subclass says what is to be done.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param variant: The variant to change; ``None`` for the file's ``retraining.deployment.variant``, else the only one
        that it names. (templated)
    :param deferrable: Wait in the triggerer rather than in a worker.
    :param waiter_delay: Seconds between two looks at the endpoint's status.
    :param waiter_max_attempts: How many looks to take; ``None`` for as many as the update may need.
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoint", "variant")
    ui_color = "#f4dfe6"

    def __init__(
        self,
        *,
        endpoint: str,
        variant: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        waiter_delay: int = 30,
        waiter_max_attempts: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.variant = variant
        self.deferrable = deferrable
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return what is in service now; AirflowFailException if it is not what was asked for."""
        with failing_at_once():
            return self.proceed(context, PENDING, None)

    def execute_complete(
        self,
        context: "Context",
        event: dict[str, Any] | None = None,
        phase: str = PENDING,
        change: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Come back from the trigger, verify what was waited for, and go on."""
        if not event or event.get("status") != "success":
            message = f"Waiting for the endpoint ended with {event!r}"
            if phase != PENDING:
                # Failed, or not settled in time: what is in service then is for a person to look at.
                raise AirflowFailException(message)
            raise AirflowException(message)
        with failing_at_once():
            return self.proceed(context, phase, None if change is None else ModelChange(**change))

    def proceed(self, context: "Context", phase: str, change: ModelChange | None) -> dict[str, Any]:
        """Go on after ``phase``, for which ``change`` was waited for; return the result when all is done."""
        raise NotImplementedError

    def open_endpoint(self) -> "tuple[Deployment, EndpointSpec, PipelineHook]":
        """Return the deployment, the endpoint's file and a hook to its account."""
        deployment = self.open_deployment()
        spec = deployment.registry.require(self.endpoint)
        return deployment, spec, deployment.access_of(spec).open(PipelineHook)

    def variant_name(self, spec: "EndpointSpec") -> str:
        """Return the variant to change; EndpointStateError if the file names several and none was chosen."""
        chosen = self.variant or (spec.retraining.deployment.variant if spec.retraining is not None else None)
        if chosen:
            return chosen
        if len(spec.variants) > 1:
            raise EndpointStateError(
                spec.endpoint_name,
                f"its file names the variants {', '.join(spec.variants)}, and none was chosen",
                "Give retraining.deployment.variant in its file, or the operator's argument variant.",
            )
        return spec.variants[0]

    def wait(
        self, hook: PipelineHook, access: "AwsAccess", phase: str, change: ModelChange, expected_seconds: int = 0
    ) -> None:
        """Wait until the endpoint has settled: defer, or return when it has."""
        attempts = self.waiter_max_attempts or max(120, expected_seconds // max(self.waiter_delay, 1) + 20)
        if self.deferrable:
            self.defer(
                trigger=EndpointSettledTrigger(
                    endpoint_name=change.endpoint_name,
                    waiter_delay=self.waiter_delay,
                    waiter_max_attempts=attempts,
                    **access.trigger_arguments(),
                ),
                method_name="execute_complete",
                kwargs={"phase": phase, "change": asdict(change)},
                timeout=timedelta(seconds=self.waiter_delay * attempts + 600),
            )
        hook.get_waiter("endpoint_settled").wait(
            EndpointName=change.endpoint_name,
            WaiterConfig={"Delay": self.waiter_delay, "MaxAttempts": attempts},
        )


def required_package(arn: str | None, subject: str) -> str:
    """Return a model package's ARN; PipelineError if there is none."""
    if not arn:
        raise PipelineError(subject, "no model package is known for it", "Give the operator a model_package_arn.")
    return arn
