"""Waits until CloudWatch alarms are in a state."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from watchkeeper.aws.alarm_hook import NAMES_A_CALL
from watchkeeper.aws.alarm_trigger import AlarmStateTrigger
from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.monitor_base import failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.alarm_hook import AlarmState


class CloudWatchAlarmStateSensor(BaseSensorOperator):
    """Wait until all of some alarms are in a state; passes at once, without deferring, if they are.

    For any of several, wait for a composite alarm.

    :param alarm_names: The alarms' names, metric or composite; at most 100. (templated)
    :param state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``. (templated)
    :param deferrable: Wait in the triggerer rather than in a worker. How often to look is ``poke_interval``, how long
        to wait ``timeout``, either way.
    :param aws_conn_id: The Airflow connection used for AWS credentials. (templated)
    :param region_name: AWS region_name. If not specified then the connection's. (templated)
    :param role_arn: A role that is assumed with the connection's credentials; ``None`` for the connection's own.
        (templated)
    :param verify: Whether or not to verify SSL certificates. See:
        https://boto3.amazonaws.com/v1/documentation/api/latest/reference/core/session.html
    :param botocore_config: Configuration dictionary (key-values) for botocore client. See:
        https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html
    """

    template_fields: "Sequence[str]" = ("alarm_names", "state", "aws_conn_id", "region_name", "role_arn")

    def __init__(
        self,
        *,
        alarm_names: list[str],
        state: "AlarmState" = "OK",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        role_arn: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alarm_names = alarm_names
        self.state = state
        self.deferrable = deferrable
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.role_arn = role_arn
        self.verify = verify
        self.botocore_config = botocore_config

    def execute(self, context: "Context") -> None:
        """Return when the alarms are in the state; deferrable, unless they are already."""
        if not self.deferrable:
            super().execute(context)
            return
        if not self.poke(context):
            delay = max(1, round(self.poke_interval))
            self.defer(
                trigger=AlarmStateTrigger(
                    alarm_names=self.alarm_names,
                    state=self.state,
                    waiter_delay=delay,
                    waiter_max_attempts=max(1, int(self.timeout // delay)),
                    **self._access.trigger_arguments(),
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout + 60),
            )

    def poke(self, context: "Context") -> bool:  # noqa: ARG002
        """Return whether all are in the state; AirflowFailException if one does not exist, as it never will be."""
        if not 1 <= len(self.alarm_names) <= NAMES_A_CALL:
            message = f"alarm_names: got {len(self.alarm_names)} names; give 1 to {NAMES_A_CALL}"
            raise AirflowFailException(message)
        with failing_at_once():
            found = {
                alarm.name: alarm.state for alarm in self._access.open(CloudWatchHook).alarms(names=self.alarm_names)
            }
        unknown = sorted(set(self.alarm_names) - found.keys())
        if unknown:
            message = f"CloudWatch knows no alarm {', '.join(unknown)}; correct alarm_names, region or role"
            raise AirflowFailException(message)
        waiting = sorted(name for name, state in found.items() if state != self.state)
        if waiting:
            self.log.info("Not %s are %s", self.state, ", ".join(waiting))
        return not waiting

    def execute_complete(self, context: "Context", event: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Come back from the trigger."""
        if not event or event.get("status") != "success":
            message = f"Waiting for the alarms ended with {event!r}"
            raise AirflowException(message)

    @property
    def _access(self) -> AwsAccess:
        return AwsAccess(self.aws_conn_id, self.region_name, self.verify, self.botocore_config, self.role_arn)
