"""Sessions of a role: assumed with another session's credentials, and renewed for as long as they are used."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from boto3.session import Session

#: What CloudTrail of the other account calls us.
SESSION_NAME: Final = "watchkeeper"


def assumed_session(source: "Session", role_arn: str, **client_options: Any) -> "Session":
    """Return a session of ``role_arn``; the role is assumed when a call is made, so that a refusal names it there.

    ``client_options`` are those of the STS client: its endpoint, configuration and certificates.
    """
    import boto3
    import botocore.session
    from botocore.credentials import DeferredRefreshableCredentials

    session: Any = botocore.session.get_session()
    session._credentials = DeferredRefreshableCredentials(
        lambda: _fetch(source, role_arn, client_options), "sts-assume-role"
    )
    return boto3.session.Session(botocore_session=session, region_name=source.region_name)


def assumed_async_session(source: "Session", role_arn: str, **client_options: Any) -> Any:
    """Return the same for aiobotocore. ``source`` is an ordinary session: STS is asked in a thread."""
    from aiobotocore.credentials import AioDeferredRefreshableCredentials
    from aiobotocore.session import get_session
    from airflow.providers.amazon.aws.hooks.base_aws import _loader
    from asgiref.sync import sync_to_async

    session: Any = get_session()
    session.register_component("data_loader", _loader)  # one for all sessions: they are large
    session._credentials = AioDeferredRefreshableCredentials(
        sync_to_async(lambda: _fetch(source, role_arn, client_options)), "sts-assume-role"
    )
    session.set_config_variable("region", source.region_name)
    return session


def _fetch(source: "Session", role_arn: str, client_options: dict[str, Any]) -> dict[str, str]:
    sts: Any = source.client("sts", **client_options)
    given = sts.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)["Credentials"]
    return {
        "access_key": given["AccessKeyId"],
        "secret_key": given["SecretAccessKey"],
        "token": given["SessionToken"],
        "expiry_time": given["Expiration"].isoformat(),
    }
