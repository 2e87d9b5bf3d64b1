"""How AWS is reached: one Airflow connection, role, region and retry policy, and a client per service."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from botocore.config import Config

    from watchkeeper.aws.service_hook import ServiceHook

#: Throttling is retried with backoff by botocore; a connection's own ``config_kwargs`` win over this.
RETRY_ATTEMPTS = 8
_SESSION = "session"


def retrying(config: "Config | None") -> "Config":
    """Return ``config`` with Watchkeeper's retry policy under it."""
    from botocore.config import Config

    ours = Config(retries={"mode": "standard", "total_max_attempts": RETRY_ATTEMPTS})
    return ours if config is None else ours.merge(config)


@dataclass(frozen=True)
class AwsAccess:
    """One way to reach AWS: its session and its clients are made once each.

    With a ``role_arn``, that role is assumed with the connection's credentials.
    """

    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: dict[str, Any] | None = field(default=None, hash=False)
    role_arn: str | None = None
    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def hook_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that our hooks take, and without a role those of the amazon provider.

        With a role they refuse them, rather than work in another account: use ``open`` or ``client`` then.
        """
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
            **self._role(),
        }

    def trigger_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that our waiting triggers take, and without a role the amazon provider's."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
            **self._role(),
        }

    def open[H: ServiceHook](self, hook_class: type[H], **arguments: Any) -> H:
        """Return one of our hooks; all that one access opens share a session."""
        hook = hook_class(**self.hook_arguments(), **arguments)
        if _SESSION not in self._made:
            self._made[_SESSION] = hook.get_session()
        hook.shared_session = self._made[_SESSION]
        return hook

    def client(self, service: str) -> Any:
        """Return the boto3 client of ``service``, with throttling retried."""
        if service not in self._made:
            from watchkeeper.aws.service_hook import ServiceHook

            self._made[service] = self.open(ServiceHook, client_type=service).conn
        return self._made[service]

    def anew(self) -> Self:
        """Return the same way with a session and clients of its own, for who must not wait for another's locks."""
        return replace(self, _made={})

    def _role(self) -> dict[str, str]:
        return {} if self.role_arn is None else {"role_arn": self.role_arn}

    def resolved_region(self) -> str:
        """Return the region that calls go to."""
        return str(self.client("s3").meta.region_name)
