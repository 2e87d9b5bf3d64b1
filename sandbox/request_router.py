"""One port for all of AWS: the SigV4 service name decides whether ministack, moto or the sandbox itself answers."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from hypercorn.middleware import AsyncioWSGIMiddleware

from sandbox.live_endpoints import HttpAnswer, LiveEndpoints

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# What ministack does better (it delivers, evaluates, aligns); all else is moto's.
MINISTACK = frozenset(
    {
        "s3",
        "monitoring",
        "logs",
        "sns",
        "sqs",
        "events",
        "scheduler",
        "pipes",
        "lambda",
        "firehose",
        "states",
    }
)

_CREDENTIAL = re.compile(r"Credential=[^/,\s]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_INVOCATIONS = re.compile(r"^/endpoints/([^/]+)/invocations(-response-stream)?$")
_MOTO_BODY = 2**31  # moto's WSGI bridge wants a limit; ministack keeps large objects


@dataclass(frozen=True)
class Route:
    """The service and region a request is meant for; the service is empty if unsigned and unknown."""

    service: str
    region: str


def route_of(headers: dict[str, str], path: str, query: str) -> Route:
    """Read the service from the signature, a presigned URL, or what an unsigned call says of itself."""
    signed = _CREDENTIAL.search(headers.get("authorization", ""))
    if signed:
        return Route(signed[2].lower(), signed[1])
    presigned = parse_qs(query).get("X-Amz-Credential", [""])[0].split("/")
    if len(presigned) == 5:
        return Route(presigned[3].lower(), presigned[2])
    target = headers.get("x-amz-target", "").lower()
    if target.startswith("sagemaker") or _INVOCATIONS.match(path):
        return Route("sagemaker", "us-east-1")
    if path.startswith("/moto-api"):
        return Route("moto-api", "us-east-1")
    return Route("", "us-east-1")


class RequestRouter:
    """The ASGI application of the sandbox."""

    def __init__(self, ministack: Application, moto: Any, endpoints: LiveEndpoints) -> None:
        self._ministack = ministack
        self._moto = AsyncioWSGIMiddleware(moto, max_body_size=_MOTO_BODY)
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request to whoever answers for its service."""
        if scope["type"] != "http":  # ministack owns the lifespan, and websockets
            await self._ministack(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        route = route_of(headers, path, scope["query_string"].decode("latin-1"))
        invocation = _INVOCATIONS.match(path)
        if path == "/_sandbox/health":
            await _send(send, HttpAnswer(200, {"content-type": "application/json"}, b'{"status": "ready"}'))
        elif route.service == "sagemaker" and invocation and scope["method"] == "POST":
            await self._invoke(invocation, route.region, headers, receive, send)
        elif route.service == "" or route.service in MINISTACK:
            # Unsigned calls are S3's (public objects), SNS confirmations and ministack's own pages.
            await self._ministack(scope, receive, send)
        else:
            await self._moto(scope, receive, send)

    async def _invoke(
        self, invocation: re.Match[str], region: str, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        body = await _body(receive)
        if invocation[2]:
            message = json.dumps({"Message": "The sandbox does not stream responses"}).encode()
            await _send(send, HttpAnswer(501, {"x-amzn-errortype": "NotImplemented"}, message))
            return
        # The body goes to the endpoint before moto sees it: moto fails on bytes that are not UTF-8.
        answer = await asyncio.get_running_loop().run_in_executor(
            None, self._endpoints.invoke, unquote(invocation[1]), region, headers, body
        )
        await _send(send, answer)


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _send(send: Send, answer: HttpAnswer) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
