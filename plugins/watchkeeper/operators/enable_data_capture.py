"""Brings data capture on a live endpoint to what its file declares."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowException

from watchkeeper.aws.data_capture import (
    CaptureChange,
    DeclaredCapture,
    plan_capture,
    start_update,
    verify_capture,
)
from watchkeeper.aws.endpoint_shape import declared_capture
from watchkeeper.aws.endpoint_trigger import EndpointSettledTrigger
from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.client_access import AwsAccess


class EnableDataCaptureOperator(MonitorOperator):
    """Enable data capture on a live endpoint as its file declares it; a no-op where it is so already.

    Clones the endpoint's configuration with a DataCaptureConfig (sampling, content types, KMS key), updates the
    endpoint keeping weights and instance counts, waits, and verifies that the new configuration is really in
    service: an update that fails rolls back silently. A retry finds what an earlier try made.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param deferrable: Wait in the triggerer rather than in a worker.
    :param waiter_delay: Seconds between two looks at the endpoint's status.
    :param waiter_max_attempts: How many looks to take.
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoint")

    def __init__(
        self,
        *,
        endpoint: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        waiter_delay: int = 30,
        waiter_max_attempts: int = 120,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.deferrable = deferrable
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts

    @property
    def label(self) -> str:
        """What the mapped instance is called."""
        return self.endpoint

    def execute(self, context: "Context") -> str:  # noqa: ARG002
        """Return the name of the configuration in service; AirflowFailException if capture is not as declared."""
        with failing_at_once():
            return self._bring_about()

    def execute_complete(
        self, context: "Context", event: dict[str, Any] | None = None, config_name: str | None = None
    ) -> str:
        """Come back from the trigger: verify our update, or start it now that somebody else's has ended."""
        if not event or event.get("status") != "success":
            message = f"Waiting for the endpoint ended with {event!r}"
            raise AirflowException(message)
        if config_name is None:
            return self.execute(context)
        with failing_at_once():
            access, endpoint_name, declared = self._declared()
            return verify_capture(access.open(EndpointHook), endpoint_name, declared).config_name

    def _bring_about(self) -> str:
        access, endpoint_name, declared = self._declared()
        hook = access.open(EndpointHook)
        change = plan_capture(hook, endpoint_name, declared)
        if change.in_progress:
            self.log.info("%s is being updated already: waiting for that to end", endpoint_name)
            self._wait(hook, access, endpoint_name, None)
            change = plan_capture(hook, endpoint_name, declared)
        if change.config_name is None:
            self.log.info("Capture of %s is as declared: nothing to do", endpoint_name)
        else:
            self._start(hook, change)
            self._wait(hook, access, endpoint_name, change.config_name)
        return verify_capture(hook, endpoint_name, declared).config_name

    def _start(self, hook: EndpointHook, change: CaptureChange) -> None:
        for difference in change.differences:
            self.log.info("%s differs in %s", change.endpoint_name, difference)
        self.log.info("Updating %s to configuration %s", change.endpoint_name, change.config_name)
        start_update(hook, change)

    def _wait(self, hook: EndpointHook, access: "AwsAccess", endpoint_name: str, config_name: str | None) -> None:
        if self.deferrable:
            self.defer(
                trigger=EndpointSettledTrigger(
                    endpoint_name=endpoint_name,
                    waiter_delay=self.waiter_delay,
                    waiter_max_attempts=self.waiter_max_attempts,
                    **access.trigger_arguments(),
                ),
                method_name="execute_complete",
                kwargs={"config_name": config_name},
                timeout=timedelta(seconds=self.waiter_delay * self.waiter_max_attempts + 600),
            )
        waiter = hook.get_waiter("endpoint_settled")
        waiter.wait(
            EndpointName=endpoint_name,
            WaiterConfig={"Delay": self.waiter_delay, "MaxAttempts": self.waiter_max_attempts},
        )

    def _declared(self) -> "tuple[AwsAccess, str, DeclaredCapture]":
        deployment = self.open_deployment()
        spec = deployment.registry.require(self.endpoint)
        return deployment.access_of(spec), spec.endpoint_name, declared_capture(spec)
