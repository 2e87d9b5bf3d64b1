import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import boto3
import pytest
import yaml

from tests import airflow_home
from tests.aws.conftest import BUCKET, REGION
from watchkeeper.aws.endpoint_facts import main, read_endpoint_facts
from watchkeeper.errors import EndpointStateError
from watchkeeper.registry.registry_files import load_registry

NOW = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)


@pytest.fixture
def endpoint(s3):
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    client.create_endpoint_config(
        EndpointConfigName="c",
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 40,
            "DestinationS3Uri": f"s3://{BUCKET}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
        },
    )
    client.create_endpoint(
        EndpointName="flights-delay", EndpointConfigName="c", Tags=[{"Key": "team", "Value": "flight-ops"}]
    )
    return "flights-delay"


def capture(s3, when, request, response):
    record = {
        "captureData": {
            "endpointInput": {"observedContentType": "x", "mode": "INPUT", "data": request[1], "encoding": request[0]},
            "endpointOutput": {
                "observedContentType": "x",
                "mode": "OUTPUT",
                "data": response[1],
                "encoding": response[0],
            },
        },
        "eventMetadata": {"eventId": "1"},
        "eventVersion": "0",
    }
    key = f"capture/flights-delay/AllTraffic/{when:%Y/%m/%d/%H}/00-00-000-x.jsonl"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(record) + "\n")


def test_everything_that_aws_tells(endpoint, s3, access):
    capture(s3, NOW, ("CSV", '1.5,"a,b",3'), ("CSV", "0.2\n"))
    facts = read_endpoint_facts(endpoint, access, NOW)
    assert (facts.capture_enabled, facts.sampling_percentage, facts.capture_s3_uri) == (
        True,
        40,
        f"s3://{BUCKET}/capture",
    )
    assert (facts.request.column_count, facts.response.column_count) == (3, 1)
    assert (facts.variants, dict(facts.tags)) == (("AllTraffic",), {"team": "flight-ops"})


def test_json_names_its_columns(endpoint, s3, access):
    capture(s3, NOW, ("JSON", '{"age": 4, "job": "x"}'), ("JSON", '[{"p": 0.5}]'))
    facts = read_endpoint_facts(endpoint, access, NOW)
    assert facts.request.column_names == ("age", "job")
    assert facts.response.column_names == ("p",)


def test_no_capture_yet_and_unreadable_capture_are_unknown(endpoint, s3, access):
    assert read_endpoint_facts(endpoint, access, NOW).request is None
    key = f"capture/flights-delay/AllTraffic/{NOW:%Y/%m/%d/%H}/00-00-000-x.jsonl"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"\xff\xfe not json")
    assert read_endpoint_facts(endpoint, access, NOW).request is None


def test_a_request_of_ours_does_not_say_what_callers_send(endpoint, s3, access):
    line = {
        "captureData": {"endpointInput": {"mode": "INPUT", "data": "1,2", "encoding": "CSV"}},
        "eventMetadata": {"eventId": "e", "inferenceId": "watchkeeper-attribution-a1-1"},
    }
    ours = json.dumps(line)
    line["captureData"]["endpointInput"]["data"] = "1,2,3"
    line["eventMetadata"]["inferenceId"] = "theirs"
    key = f"capture/flights-delay/AllTraffic/{NOW:%Y/%m/%d/%H}/00-00-000-x.jsonl"
    s3.put_object(Bucket=BUCKET, Key=key, Body=f"{ours}\n{json.dumps(line)}\n{ours}\n")
    assert read_endpoint_facts(endpoint, access, NOW).request.column_count == 3


def test_no_such_endpoint(access):
    with pytest.raises(EndpointStateError, match="knows no such endpoint"):
        read_endpoint_facts("nobody", access, NOW)


def test_the_command_writes_a_file_that_the_registry_takes(endpoint, s3, tmp_path, capsys):
    capture(s3, datetime.now(UTC), ("CSV", "1,2,3"), ("CSV", "0.2\n"))
    arguments = [endpoint, "--folder", str(tmp_path), "--region-name", REGION]
    assert main(arguments) == 0
    text = (tmp_path / "flights-delay.yaml").read_text()
    assert yaml.safe_load(text)["owner"] == "flight-ops"
    registry = load_registry(tmp_path)
    assert registry.problems == ()
    assert registry.endpoints["flights-delay"].capture.sampling_percentage == 40
    assert "0.2" not in text
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


def test_the_command_reaches_another_account_through_a_role(endpoint, s3, capsys):
    role = "arn:aws:iam::123456789012:role/watchkeeper"
    assert main([endpoint, "--region-name", REGION, "--role-arn", role, "--print"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["role_arn"] == role
    elsewhere = role.replace("123456789012", "210987654321")
    assert main([endpoint, "--region-name", REGION, "--role-arn", elsewhere, "--print"]) == 1
    assert "knows no such endpoint" in capsys.readouterr().err


def test_the_command_fails_in_one_sentence(capsys, tmp_path):
    assert main(["nobody", "--folder", str(tmp_path), "--region-name", REGION]) == 1
    assert capsys.readouterr().err.startswith("nobody: SageMaker in us-east-1 knows no such endpoint")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "remedy"),
    [
        ({}, "You must specify a region. Set AWS_DEFAULT_REGION, or give --region-name"),
        ({"AWS_DEFAULT_REGION": REGION}, "Log in (aws sso login), set AWS_PROFILE, or give --aws-conn-id"),
        ({"AWS_PROFILE": "nobody"}, "Check the region, the credentials and the network"),
    ],
)
def test_the_command_that_cannot_ask_aws_tells_the_remedy_in_one_line(tmp_path, variables, remedy):
    """In a process of its own, where nothing stands in for AWS."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_CONFIG_FILE": str(tmp_path / "no"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no")}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(airflow_home.REPOSITORY / "plugins")}
    done = subprocess.run(
        [sys.executable, "-m", "watchkeeper.aws.endpoint_facts", "flights"],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("AWS could not be asked: ")
    assert remedy in last
