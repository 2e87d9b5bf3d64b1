"""What AWS answered when it did not do what was asked: missing, taken, refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchkeeper.errors import PermissionMissingError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_MISSING = frozenset(
    {
        "404",
        "DashboardNotFoundError",
        "NoSuchKey",
        "NotFound",
        "ObjectNotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }
)
_TAKEN = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
_REFUSED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "KMS.AccessDeniedException",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "UnauthorizedOperation",
    }
)
_REFUSAL = re.compile(
    r"not authorized to perform: (?P<action>[\w-]+:\w+) on (?:the )?resource:? \"?(?P<resource>[^\s\"]+)"
)
# Where the IAM action is not simply service:Operation.
_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "DeleteObjects": "s3:DeleteObject",
    "UploadPart": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
}


def error_code(error: "ClientError") -> str:
    """Return AWS's error code, such as ``NoSuchKey``; an empty string if the answer had none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: "ClientError") -> bool:
    """Return whether the thing asked for does not exist."""
    return error_code(error) in _MISSING


def is_taken(error: "ClientError") -> bool:
    """Return whether a conditional write lost: the object exists, or is not the one that was read."""
    return error_code(error) in _TAKEN


def is_refused(error: "ClientError") -> bool:
    """Return whether AWS refused for lack of a permission."""
    return error_code(error) in _REFUSED


def iam_action(service: str, operation: str) -> str:
    """Return the IAM action that allows an API operation, such as ``s3:ListBucket`` for ListObjectsV2."""
    return _ACTIONS.get(operation, f"{service}:{operation}")


@contextmanager
def permission_named(service: str, resource: str) -> Iterator[None]:
    """Turn a refusal inside the block into ``PermissionMissingError`` naming action and resource."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if not is_refused(error):
            raise
        needed = _refused_permission(error) or f"{iam_action(service, error.operation_name)} on {resource}"
        raise PermissionMissingError(
            needed, f"AWS refused ({error_code(error)})", f"Allow {needed} for the role that Airflow's workers use."
        ) from error


def _refused_permission(error: "ClientError") -> str | None:
    """Return action and resource as the service names them, which may be others than the call's: its KMS key.

    The rest of its message is left out: it repeats the caller's ARN, and the original stays chained.
    """
    found = _REFUSAL.search(str(error.response.get("Error", {}).get("Message", "")))
    return f"{found['action']} on {found['resource']}" if found else None
