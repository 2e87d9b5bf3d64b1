"""Calling an endpoint at a steady rate, as its callers do: until the time is over, or SIGTERM."""

import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws_client import local_client
from sandbox.traffic.request_stream import requests_of
from sandbox.traffic.scene import Scene

_DISTINCT = 500  # requests that are sent over and over
_TOLD_SECONDS = 10.0


def keep_calling(
    url: str, scene: Scene, *, rate: float, seconds: float, progress: Callable[[str], object]
) -> dict[str, Any]:
    """Send the scene's requests to its endpoint, ``rate`` a second, and return the answers by HTTP status."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    runtime = local_client("sagemaker-runtime", url, attempts=1)  # callers that retry would be more load still
    answers: Counter[str] = Counter()
    requests = itertools.cycle(list(itertools.islice(requests_of(scene), _DISTINCT)))
    started = told = time.monotonic()
    for number, request in enumerate(requests):
        due = started + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        if stopped or due - started >= seconds:
            break
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=scene.endpoint, ContentType=request.content_type, Body=request.body
            )
        except ClientError as error:
            answer = error.response
        answers[str(answer["ResponseMetadata"]["HTTPStatusCode"])] += 1
        if time.monotonic() - told > _TOLD_SECONDS:
            told = time.monotonic()
            progress(f"{scene.endpoint}: {dict(answers)}")
    return {"endpoint": scene.endpoint, "answers": dict(answers)}
