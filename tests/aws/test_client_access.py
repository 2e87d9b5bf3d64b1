"""Throttling on the wire: a server that refuses twice before it answers."""

import http.server
import threading
from typing import ClassVar

import pytest
from botocore.exceptions import ClientError

from watchkeeper.aws.client_access import RETRY_ATTEMPTS, AwsAccess
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import PermissionMissingError

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@pytest.fixture
def server(monkeypatch):
    class Answers(http.server.BaseHTTPRequestHandler):
        answers: ClassVar[list[tuple[int, bytes]]] = []
        seen = 0

        def do_GET(self):
            type(self).seen += 1
            status, body = self.answers.pop(0) if self.answers else (200, b"hello")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"e"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.server_port}")
    # Backoff is real; here it need not be long.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_arguments: 0.01)
    yield Answers
    listening.shutdown()


@pytest.fixture
def unmocked(aws):
    """moto answers for AWS's own addresses only, so a local server is reached."""


def test_throttling_is_outlived(server, unmocked, access):
    server.answers = [(503, SLOW_DOWN)] * 3
    assert ObjectStore("bucket", "", access.client("s3")).read("key").body == b"hello"
    assert server.seen == 4


def test_throttling_without_end_is_told_after_all_attempts(server, unmocked, access):
    server.answers = [(503, SLOW_DOWN)] * 50
    with pytest.raises(Exception, match="SlowDown"):
        ObjectStore("bucket", "", access.client("s3")).read("key")
    assert server.seen == RETRY_ATTEMPTS


def test_a_missing_permission_is_not_retried(server, unmocked, access):
    server.answers = [(403, DENIED)]
    with pytest.raises(PermissionMissingError, match="s3:GetObject on s3://bucket/key"):
        ObjectStore("bucket", "", access.client("s3")).read("key")
    assert server.seen == 1


def test_a_connections_own_retries_win(access):
    own = AwsAccess(None, "us-east-1", botocore_config={"retries": {"total_max_attempts": 2}})
    assert own.client("s3").meta.config.retries["total_max_attempts"] == 2
    assert CloudWatchHook(**own.hook_arguments()).conn.meta.config.retries["total_max_attempts"] == 2


def test_a_refusal_that_names_another_action_is_believed() -> None:
    """A bucket's key refuses in the name of KMS, whatever call it was."""
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    message = (
        f"User: arn:aws:sts::123456789012:assumed-role/worker is not authorized to perform: kms:Decrypt on resource: "
        f"{key} because no identity-based policy allows it"
    )
    with (
        pytest.raises(PermissionMissingError, match=f"^kms:Decrypt on {key}: AWS refused") as caught,
        permission_named("s3", "s3://bucket/key"),
    ):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "GetObject")
    assert "assumed-role" not in str(caught.value)
