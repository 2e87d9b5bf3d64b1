"""Waits until alarms are in a state."""

from typing import Any

from watchkeeper.aws.alarm_hook import NAMES_A_CALL, AlarmHook, AlarmState
from watchkeeper.aws.service_trigger import ServiceTrigger


class AlarmStateTrigger(ServiceTrigger):
    """Fires when all alarms are in a state.

    :param alarm_names: the alarms' names, metric or composite; at most 100.
    :param state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = AlarmHook

    def __init__(
        self,
        *,
        alarm_names: list[str],
        state: AlarmState = "OK",
        waiter_delay: int = 60,
        waiter_max_attempts: int = 60,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        told = ", ".join(alarm_names)
        super().__init__(
            serialized_fields={"alarm_names": alarm_names, "state": state},
            waiter_name=alarm_waiter(state),
            waiter_args=alarm_selection(alarm_names),
            failure_message=f"Waiting for {told} to be {state} failed",
            status_message=f"Alarms {told}",
            status_queries=["[MetricAlarms[].StateValue, CompositeAlarms[].StateValue][]"],
            return_key="alarm_names",
            return_value=alarm_names,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )


def alarm_waiter(state: AlarmState) -> str:
    """Return the name of the waiter for a state."""
    return f"alarms_{state.lower()}"


def alarm_selection(alarm_names: list[str]) -> dict[str, Any]:
    """Return the arguments of DescribeAlarms for these very alarms, metric and composite, on one page.

    A waiter sees the first page only, and CloudWatch's own is shorter: the alarms beyond it would not be waited for.
    """
    return {"AlarmNames": alarm_names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": NAMES_A_CALL}
