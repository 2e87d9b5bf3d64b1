"""Waits until alarms are OK again."""

from collections.abc import Sequence
from typing import Any

from watchkeeper.aws.alarm_hook import AlarmHook
from watchkeeper.aws.service_trigger import ServiceTrigger


class AlarmsOverTrigger(ServiceTrigger):
    """Fires when all alarms are OK; its event says ``error`` when they were not within the looks that it takes.

    :param names: the alarms' names; at most 100.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = AlarmHook

    def __init__(
        self,
        *,
        names: Sequence[str],
        waiter_delay: int = 30,
        waiter_max_attempts: int = 60,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={"names": list(names)},
            waiter_name="alarms_ok",
            waiter_args={"AlarmNames": list(names), "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
            failure_message="The alarms are not OK again",
            status_message="Alarms",
            status_queries=["MetricAlarms[].StateValue", "CompositeAlarms[].StateValue"],
            return_key="names",
            return_value=list(names),
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
