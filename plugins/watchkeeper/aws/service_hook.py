"""The base of our hooks: the amazon provider's, with throttling retried and one session for all services."""

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from watchkeeper.aws.client_access import retrying

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config


class ServiceHook(AwsBaseHook):
    """Reaches one AWS service through the amazon provider.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.

    :param shared_session: A session that other hooks of the same connection and region use too: making one costs
        more than making a client. ``None`` for a session of its own.
    """

    def __init__(self, *args: Any, shared_session: "Session | None" = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shared_session = shared_session

    @property
    def config(self) -> "Config":
        """The connection's botocore config, with our retry policy under it."""
        return retrying(super().config)

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> "Session":
        """Return the shared session, if it serves; else one of this hook's own."""
        if self.shared_session is not None and not deferrable and region_name in {None, self.region_name}:
            return self.shared_session
        return super().get_session(region_name=region_name, deferrable=deferrable)
