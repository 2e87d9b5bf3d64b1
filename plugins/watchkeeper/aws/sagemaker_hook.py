"""SageMaker endpoints through the amazon provider: what is in service, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import EndpointStateError
from watchkeeper.registry.capture_window import utc_moment

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from watchkeeper.registry.capture_window import Window

#: What DescribeEndpointConfig answers and CreateEndpointConfig does not take.
_ANSWER_ONLY = frozenset({"EndpointConfigArn", "CreationTime", "ResponseMetadata"})


@dataclass(frozen=True)
class LiveEndpoint:
    """What SageMaker says about a live endpoint; ``capture`` is the data capture that really runs."""

    endpoint_name: str
    status: str
    config_name: str
    last_modified: datetime
    variants: tuple[str, ...]
    failure_reason: str | None = None
    capture: Mapping[str, Any] = field(default_factory=dict)

    def changed_in(self, window: "Window") -> bool:
        """Return whether the endpoint was last modified inside the window."""
        return window.holds(self.last_modified)

    def config_in(self, window: "Window") -> str | None:
        """Return the configuration in service at the window's end; ``None`` if it was changed after that."""
        return self.config_name if self.last_modified < window.end else None


class EndpointHook(ServiceHook):
    """Interact with Amazon SageMaker endpoints.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("sagemaker") <SageMaker.Client>`;
    throttled calls are retried with backoff, and the waiters are those of ``watchkeeper/aws/waiters``.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "sagemaker"
        super().__init__(*args, **kwargs)

    @property
    def client(self) -> "SageMakerClient":
        """The boto3 client."""
        return cast("SageMakerClient", self.conn)

    def live_endpoint(self, endpoint_name: str) -> LiveEndpoint | None:
        """Return the endpoint's facts, or ``None`` if SageMaker knows no such endpoint.

        :param endpoint_name: SageMaker's name of the endpoint.
        """
        from botocore.exceptions import ClientError

        with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
            try:
                answer = self.client.describe_endpoint(EndpointName=endpoint_name)
            except ClientError as error:
                # SageMaker answers a ValidationException where others answer that nothing was found.
                if error_code(error) == "ValidationException" and "Could not find" in str(error):
                    return None
                raise
        return LiveEndpoint(
            endpoint_name=answer["EndpointName"],
            status=answer["EndpointStatus"],
            config_name=answer["EndpointConfigName"],
            last_modified=utc_moment(answer["LastModifiedTime"]),
            variants=tuple(variant["VariantName"] for variant in answer.get("ProductionVariants", [])),
            failure_reason=answer.get("FailureReason"),
            capture=dict(answer.get("DataCaptureConfig", {})),
        )

    def require_endpoint(self, endpoint_name: str) -> LiveEndpoint:
        """Return the endpoint's facts; EndpointStateError if there is no such endpoint.

        :param endpoint_name: SageMaker's name of the endpoint.
        """
        facts = self.live_endpoint(endpoint_name)
        if facts is None:
            raise EndpointStateError(
                endpoint_name,
                f"SageMaker in {self.client.meta.region_name} knows no such endpoint",
                "Correct endpoint_name, region_name or aws_conn_id in the endpoint's file.",
            )
        return facts

    def endpoint_config(self, config_name: str) -> dict[str, Any]:
        """Return a configuration as CreateEndpointConfig takes it, without what only answers hold.

        :param config_name: the configuration's name.
        """
        with permission_named("sagemaker", f"endpoint-config/{config_name}"):
            answer: Mapping[str, Any] = self.client.describe_endpoint_config(EndpointConfigName=config_name)
        return {name: value for name, value in answer.items() if name not in _ANSWER_ONLY}
