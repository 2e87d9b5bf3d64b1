"""Base of the operators that work on one AWS service, of any account and region, and need no deployment."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.operators.monitor_base import MonitorOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT_CONNECTION = "aws_default"


class ServiceOperator(MonitorOperator):
    """Base of operators that ask one AWS service: reaches it by a connection, a region and a role.

    Its other arguments are those of MonitorOperator; without ``aws_conn_id`` the connection is ``aws_default``.

    :param role_arn: A role that is assumed with the connection's credentials, such as one of another account; ``None``
        for the connection's own. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "role_arn")

    def __init__(self, *, role_arn: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.role_arn = role_arn

    @property
    def access(self) -> AwsAccess:
        """The way to AWS that the arguments describe: a new one each time."""
        return AwsAccess(
            self.aws_conn_id or _DEFAULT_CONNECTION,
            self.region_name,
            self.verify,
            self.botocore_config,
            self.role_arn,
        )
