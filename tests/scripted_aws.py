"""AWS at the wire, for services whose runs no emulator lets run: a server that answers what a test says."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True)
class Refusal:
    """An error that AWS answers."""

    code: str
    message: str = "no"


@dataclass
class ScriptedAws:
    """Answers by operation, in order; the last of each goes on. ``calls`` holds what was asked."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the requests of one operation."""
        return [request for name, request in self.calls if name == operation]

    def answer(self, operation: str, request: dict[str, Any]) -> Any:
        """Return the next answer to an operation."""
        self.calls.append((operation, request))
        left = self.answers.get(operation) or [Refusal("UnknownOperationException", f"no answer to {operation}")]
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def scripted_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    """Serve a script on this machine, and point all AWS clients at it that speak JSON."""
    script = ScriptedAws()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            found = script.answer(operation, json.loads(body or b"{}"))
            refused = isinstance(found, Refusal)
            text = {"__type": found.code, "message": found.message} if refused else found
            answer = json.dumps(text).encode()
            self.send_response(400 if refused else 200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("watchkeeper.aws.service_trigger.FIRST_EVENT_SECONDS", 0)
    yield script
    server.shutdown()
    server.server_close()
