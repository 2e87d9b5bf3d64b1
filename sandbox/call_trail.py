"""CloudTrail's word of who changed an endpoint, as an event on the default bus."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.aws_client import ACCOUNT
from sandbox.native_events import emit

TOLD = frozenset(
    {
        "CreateEndpoint",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "DeleteEndpoint",
        "CreateEndpointConfig",
        "DeleteEndpointConfig",
        "UpdateModelPackage",
        "DeleteModel",
    }
)
_ACCESS_KEY = re.compile(r"Credential=([^/,\s]+)/")


def recorded(call_action: Any) -> Any:
    """Return moto's dispatch of an action, which tells of those that change an endpoint once they are done."""

    def wrapped(self: Any) -> Any:
        answer = call_action(self)
        action = self._get_action()
        if self.service_name == "sagemaker" and action in TOLD and answer[0] < 300:
            _tell(self, action)
        return answer

    return wrapped


def _tell(response: Any, action: str) -> None:
    headers = response.headers
    signed = _ACCESS_KEY.search(headers.get("Authorization", ""))
    user = signed[1] if signed else "anonymous"
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
            "accountId": ACCOUNT,
            "accessKeyId": user,
            "userName": user,
        },
        "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": action,
        "awsRegion": response.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": headers.get("User-Agent", ""),
        "requestParameters": _camel(json.loads(response.body or "{}")),
        "responseElements": None,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    emit("aws.sagemaker", "AWS API Call via CloudTrail", detail, [], ACCOUNT, response.region)


def _camel(part: Any) -> Any:
    if isinstance(part, dict):
        return {f"{name[:1].lower()}{name[1:]}": _camel(value) for name, value in part.items()}
    return [_camel(one) for one in part] if isinstance(part, list) else part
