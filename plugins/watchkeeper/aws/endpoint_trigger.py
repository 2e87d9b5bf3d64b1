"""Waits until an endpoint has settled after an update."""

from typing import Any

from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.aws.service_trigger import ServiceTrigger


class EndpointSettledTrigger(ServiceTrigger):
    """Fires when an endpoint serves again or has failed; whether the update held is for the caller to verify.

    :param endpoint_name: SageMaker's name of the endpoint.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = EndpointHook

    def __init__(
        self,
        *,
        endpoint_name: str,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 120,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={"endpoint_name": endpoint_name},
            waiter_name="endpoint_settled",
            waiter_args={"EndpointName": endpoint_name},
            failure_message=f"Endpoint {endpoint_name} did not settle",
            status_message=f"Endpoint {endpoint_name}",
            status_queries=["EndpointStatus", "FailureReason"],
            return_key="endpoint_name",
            return_value=endpoint_name,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
