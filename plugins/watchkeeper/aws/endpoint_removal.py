"""Deletes an endpoint together with its configuration, as soon as SageMaker lets it."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.aws.serving_model import describe_endpoint, is_unknown

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

#: How long an endpoint may take to show after a request to create it whose answer nobody saw.
_APPEARS_WITHIN_SECONDS = 5.0


def remove_endpoint(
    client: "SageMakerClient",
    name: str,
    *,
    patience_seconds: float,
    may_appear: bool = False,
    poll_seconds: float = 2.0,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Delete the endpoint and the configuration of this name; return whether both are gone or going.

    An endpoint that is being created or updated is not deleted: SageMaker refuses, or says yes and keeps it. So it is
    looked at again after each request, and asked again until ``patience_seconds`` are over. ``may_appear`` says that
    a request to create it may still be on its way.

    Raises
    ------
    PermissionMissingError
        when AWS refuses.
    """
    from botocore.exceptions import ClientError

    began = clock()
    while not _is_going(client, name):
        try:
            with permission_named("sagemaker", f"endpoint/{name}"):
                client.delete_endpoint(EndpointName=name)
        except ClientError as error:
            if not error_code(error).startswith("Validation"):
                raise
        if _is_going(client, name):
            break
        if clock() - began >= patience_seconds:
            return False
        sleep(poll_seconds)
    while may_appear and clock() - began < _APPEARS_WITHIN_SECONDS:
        sleep(poll_seconds)
        if not _is_going(client, name):
            return remove_endpoint(
                client, name, patience_seconds=patience_seconds, poll_seconds=poll_seconds, sleep=sleep, clock=clock
            )
    try:
        with permission_named("sagemaker", f"endpoint-config/{name}"):
            client.delete_endpoint_config(EndpointConfigName=name)
    except ClientError as error:
        if not is_unknown(error):
            raise
    return True


def _is_going(client: "SageMakerClient", name: str) -> bool:
    described = describe_endpoint(client, name)
    return described is None or described["EndpointStatus"] == "Deleting"
