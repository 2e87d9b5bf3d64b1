"""Slack, PagerDuty and an OpenTelemetry receiver on loopback: what is posted to them, they keep."""

import json
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Receiver:
    """An HTTP server that answers as Slack, PagerDuty or an OTLP receiver does, by path; use it as a context manager.

    ``statuses`` holds, by path, what is answered instead of 200. ``secure_url`` is the same over TLS, which PagerDuty's
    client insists on; ``certificate`` is what such a client has to trust.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[SimpleNamespace] = []
        self.statuses: dict[str, int] = {}
        self.slack_error = ""
        self.otlp_answer = b""
        self.delay_seconds = 0.0
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                keeper.requests.append(SimpleNamespace(path=self.path, headers=dict(self.headers), body=body))
                time.sleep(keeper.delay_seconds)
                answer = keeper.answer(self.path, body)
                self.send_response(keeper.statuses.get(self.path, 202 if "enqueue" in self.path else 200))
                is_otlp = self.path.startswith("/v1/")
                self.send_header("Content-Type", "application/x-protobuf" if is_otlp else "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.certificate = _certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        plain, secure = (ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        self._servers = (plain, secure)
        self.url = f"http://127.0.0.1:{plain.server_port}"
        self.secure_url = f"https://127.0.0.1:{secure.server_port}"

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def answer(self, path: str, body: bytes) -> bytes:
        if path == "/chat.postMessage":
            if self.slack_error:
                return json.dumps({"ok": False, "error": self.slack_error}).encode()
            return json.dumps({"ok": True, "ts": f"1700.{len(self.requests)}", "channel": "C1"}).encode()
        if path == "/v2/enqueue":
            return json.dumps({"status": "success", "dedup_key": json.loads(body)["dedup_key"]}).encode()
        return self.otlp_answer if path == "/v1/metrics" else b""

    def posted(self, path: str) -> list[dict]:
        """Return the JSON bodies that came to a path, oldest first."""
        return [json.loads(one.body) for one in self.requests if one.path == path]

    @property
    def slack(self) -> list[dict]:
        return self.posted("/chat.postMessage")

    @property
    def pager(self) -> list[dict]:
        return self.posted("/v2/enqueue")


def _certificate(folder: Path) -> Path:
    """Write a key and a certificate of loopback's own, good for an hour, and return their file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "loopback.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
