"""The base of our hooks: the amazon provider's, with throttling retried, one session for all services, and roles."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from watchkeeper.aws.assumed_role import assumed_async_session, assumed_session
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
    :param role_arn: A role that is assumed with the connection's credentials; ``None`` for the connection's own.
    """

    def __init__(
        self, *args: Any, shared_session: "Session | None" = None, role_arn: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.shared_session = shared_session
        self.role_arn = role_arn

    @property
    def config(self) -> "Config":
        """The connection's botocore config, with our retry policy under it."""
        return retrying(super().config)

    @property
    def client(self) -> Any:
        """The boto3 client."""
        return self.conn

    @property
    def waiter_path(self) -> os.PathLike[str] | None:
        """Our waiter definitions for the service, where we have some: the provider looks only in its own folder."""
        ours = Path(__file__).parent / "waiters" / f"{self.client_type}.json"
        return ours if ours.is_file() else super().waiter_path

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> "Session":
        """Return the shared session, if it serves; else one of this hook's own."""
        if self.shared_session is not None and not deferrable and region_name in {None, self.region_name}:
            return self.shared_session
        if self.role_arn is None:
            return super().get_session(region_name=region_name, deferrable=deferrable)
        assumed = assumed_async_session if deferrable else assumed_session
        session: Session = assumed(
            super().get_session(region_name=region_name),
            self.role_arn,
            endpoint_url=self.conn_config.get_service_endpoint_url("sts", sts_connection_assume=True),
            config=self.config,
            verify=self.verify,
        )
        return session
