"""Base of the operators that start something in AWS, wait until it has ended, and stop it when they are killed."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowException

from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.service_trigger import ServiceTrigger


class AwaitedRunOperator(ServiceOperator):
    """Start or adopt a run, wait until it has ended, and return what came of it.

    Subclasses say how one is started, asked for, waited for and stopped.

    :param deferrable: Wait in the triggerer rather than in a worker.
    :param cancel_on_kill: Stop the run when the task is killed, also while it is deferred.
    :param waiter_delay: Seconds between two looks at the run.
    :param waiter_max_attempts: How many looks to take; after that the run is stopped.
    """

    ui_color = "#e6dff4"

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        cancel_on_kill: bool = True,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 480,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.cancel_on_kill = cancel_on_kill
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.run_id: str | None = None

    def execute(self, context: "Context") -> Any:
        """Return what came of the run; AirflowFailException with the reason if it did not succeed."""
        with failing_at_once():
            self.run_id = self.start(context)
            if not self.has_ended(self.run_id):
                self._wait(self.run_id)
            return self.result(self.run_id)

    def execute_complete(self, context: "Context", event: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Come back from the trigger, and read what became of the run."""
        with failing_at_once():
            self.run_id = (event or {}).get("run_id")
            if not event or event.get("status") != "success" or self.run_id is None:
                self._give_up()
                message = f"Waiting ended with {event!r}"
                raise AirflowException(message)
            return self.result(self.run_id)

    def on_kill(self) -> None:
        """Stop the run when the task is killed while a worker waits for it."""
        if self.run_id is not None and self.cancel_on_kill and self.stop(self.run_id):
            self.log.info("Stopped %s", self.run_id)

    def start(self, context: "Context") -> str:
        """Return the id of the run that this task is for: one that was started for it before, or a new one."""
        raise NotImplementedError

    def has_ended(self, run_id: str) -> bool:
        """Say whether nothing more will come of the run."""
        raise NotImplementedError

    def result(self, run_id: str) -> Any:
        """Return what came of a run that has ended; raise if it did not succeed."""
        raise NotImplementedError

    def stop(self, run_id: str) -> bool:
        """Stop the run; return ``False`` if it has ended already."""
        raise NotImplementedError

    def trigger(self, run_id: str) -> "ServiceTrigger":
        """Return the trigger that waits for the run and gives its id back as ``run_id``."""
        raise NotImplementedError

    def trigger_arguments(self) -> dict[str, Any]:
        """Return the arguments that all these triggers share."""
        return {
            "cancel_on_kill": self.cancel_on_kill,
            "waiter_delay": self.waiter_delay,
            "waiter_max_attempts": self.waiter_max_attempts,
            **self.access.trigger_arguments(),
        }

    def _wait(self, run_id: str) -> None:
        trigger = self.trigger(run_id)
        if self.deferrable:
            self.defer(
                trigger=trigger,
                method_name="execute_complete",
                # The waiter gives up first, so that the run is stopped rather than left to go on.
                timeout=timedelta(seconds=self.waiter_delay * self.waiter_max_attempts + 600),
            )
        from botocore.exceptions import WaiterError

        try:
            trigger.hook().get_waiter(trigger.waiter_name).wait(
                **trigger.waiter_args,
                WaiterConfig={"Delay": self.waiter_delay, "MaxAttempts": self.waiter_max_attempts},
            )
        except WaiterError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        if self.run_id is not None and self.cancel_on_kill and self.stop(self.run_id):
            self.log.warning("Stopped %s, which did not end in time", self.run_id)


def task_purpose(context: "Context") -> str:
    """Return what tells this task of this run from all others; the same for each of its tries."""
    instance: Any = context.get("ti")
    parts = (getattr(instance, name, None) for name in ("dag_id", "run_id", "task_id", "map_index"))
    return "/".join(str(part) for part in parts)
