"""Events that AWS's own services put on the default bus: ministack refuses them from callers, as EventBridge does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import eventbridge


def emit(
    source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str], account: str, region: str
) -> None:
    """Put one event on the default bus of an account and region; rules deliver it to their targets."""
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail, default=str),
        "Resources": list(resources),
    }
    with request_scope(account, region):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
