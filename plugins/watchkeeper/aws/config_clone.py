"""Endpoint configurations made from the one in service: named by their content, with its tags."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.aws.service_failure import error_code, permission_named

NAME_LIMIT = 63
_NAME_MARK = "-wk-"


def cloned_name(source: str, wanted: Mapping[str, Any]) -> str:
    """Return the name of a configuration cloned from ``source``: a function of both, so a retry finds what it made."""
    # The source counts too: content that is in service and yet not in force needs a configuration of another name.
    content = {**wanted, "EndpointConfigName": source}
    text = json.dumps(content, sort_keys=True, default=str, separators=(",", ":"))
    return marked_name(source, sha256(text.encode()).hexdigest()[:10])


def marked_name(source: str, digest: str) -> str:
    """Return ``source``, without an earlier mark, with ours, within SageMaker's limit for names."""
    stem = source.partition(_NAME_MARK)[0]
    return f"{stem[: NAME_LIMIT - len(_NAME_MARK) - len(digest)].rstrip('-')}{_NAME_MARK}{digest}"


def create_clone(
    hook: EndpointHook, wanted: Mapping[str, Any], cloned_from: str, tags: Mapping[str, str] | None = None
) -> None:
    """Create a configuration with its source's tags and ``tags`` over them; no error if an earlier try made it."""
    from botocore.exceptions import ClientError

    request = dict(wanted)
    with permission_named("sagemaker", f"endpoint-config/{wanted['EndpointConfigName']}"):
        # AWS's own tags cannot be set by anybody.
        kept = {key: value for key, value in config_tags(hook, cloned_from).items() if not key.startswith("aws:")}
        all_tags = [{"Key": key, "Value": value} for key, value in (kept | dict(tags or {})).items()]
        if all_tags:
            request["Tags"] = all_tags
        try:
            hook.client.create_endpoint_config(**request)
        except ClientError as error:
            if error_code(error) == "ValidationException" and "exist" in str(error):
                # Made by an earlier try: its name holds the digest of its content.
                return
            raise


def config_tags(hook: EndpointHook, config_name: str) -> dict[str, str]:
    """Return a configuration's tags."""
    with permission_named("sagemaker", f"endpoint-config/{config_name}"):
        arn = hook.client.describe_endpoint_config(EndpointConfigName=config_name)["EndpointConfigArn"]
        pages = hook.client.get_paginator("list_tags").paginate(ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", [])}
