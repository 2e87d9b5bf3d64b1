"""Clients of the sandbox itself, for what runs inside it or beside it."""

from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"


def local_client(service: str, url: str, region: str = "us-east-1", *, attempts: int = 3) -> Any:
    """Return a boto3 client of the sandbox at ``url``; its credentials are no secret."""
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, s3={"addressing_style": "path"})
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",  # noqa: S106 - no secret
        config=config,
    )
