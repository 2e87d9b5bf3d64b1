import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.sandbox_process import PYTHON, ROOT, SandboxProcess

pytestmark = pytest.mark.sandbox


def test_both_emulators_are_one_account(sandbox: SandboxProcess) -> None:
    account = sandbox.client("sts").get_caller_identity()["Account"]
    topic = sandbox.client("sns").create_topic(Name="one-account")["TopicArn"]
    assert topic == f"arn:aws:sns:us-east-1:{account}:one-account"


def test_s3_refuses_a_conditional_write_over_what_is_there(sandbox: SandboxProcess) -> None:
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="conditional")
    s3.put_object(Bucket="conditional", Key="a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="conditional", Key="a", Body=b"2", IfNoneMatch="*")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_a_presigned_url_is_served_without_a_signature_header(sandbox: SandboxProcess) -> None:
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="a b/ü.txt", Body=b"here")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a b/ü.txt"})
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the sandbox's own
        assert response.read() == b"here"


def test_what_is_published_can_be_read_with_its_attributes(sandbox: SandboxProcess) -> None:
    sns, sqs = sandbox.client("sns"), sandbox.client("sqs")
    topic = sns.create_topic(Name="readable")["TopicArn"]
    queue = sqs.create_queue(QueueName="readable")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"verdict": ["violated"]})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": policy})
    for verdict in ("ok", "violated"):
        attributes = {"verdict": {"DataType": "String", "StringValue": verdict}}
        sns.publish(TopicArn=topic, Subject="flights", Message=verdict, MessageAttributes=attributes)
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
    bodies = [json.loads(message["Body"]) for message in messages]
    assert [(body["Subject"], body["Message"]) for body in bodies] == [("flights", "violated")]
    assert bodies[0]["MessageAttributes"]["verdict"]["Value"] == "violated"


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        pytest.param("sagemaker", "list_monitoring_schedules", {}, id="JSON protocol"),
        pytest.param("iam", "list_service_specific_credentials", {}, id="query protocol"),
        pytest.param("health", "describe_events", {}, id="no such service"),
    ],
)
def test_what_is_not_there_says_501(
    sandbox: SandboxProcess, service: str, operation: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sandbox.client(service), operation)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_it_listens_on_loopback_only_and_stops_cleanly(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as process:
        sockets = psutil.Process(process.pid).net_connections("tcp")
        [address] = [socket.laddr for socket in sockets if socket.status == psutil.CONN_LISTEN]
        assert (address.ip, f"http://{address.ip}:{address.port}") == ("127.0.0.1", process.url)
        port = str(address.port)
        second = subprocess.run(
            [PYTHON, "-m", "sandbox", "serve", "--port", port], capture_output=True, cwd=ROOT, check=False, text=True
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another")
        assert process.stop() == 0
        assert not (tmp_path / "sandbox.json").exists()
        assert "Traceback" not in process.log
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{process.url}/_sandbox/health", timeout=2)  # noqa: S310 - the sandbox's own
