"""Two scenes' traffic through a sandbox: captured in full, and answered by the model that is in service."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from tests.sandbox_process import ROOT, SandboxProcess, run_sandbox

pytestmark = pytest.mark.sandbox

BEFORE = datetime.now(UTC).isoformat()
ENDPOINTS = {"attribution": "house-price", "bias": "mortgage-approval"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        for scene in ENDPOINTS:
            process.run("deploy", "--scene", scene, "--json", "--before", BEFORE)
        process.run("replay", "--scene", "attribution", "--json", "--before", BEFORE, "--live", "0")
        change = run_sandbox("expected", "--scene", "bias", "--before", BEFORE)["succession"]
        options = ("--scene", "bias", "--json", "--before", BEFORE, "--live", "0")
        process.run("replay", *options, "--until", change, "--without-labels")
        succeeded = process.run("succeed", *options[:3])
        assert succeeded == {"in_service": {"mortgage-approval": "mortgage-approval-2"}}
        assert process.run("succeed", *options[:3]) == succeeded
        process.run("replay", *options)
        yield process


def captured(sandbox: SandboxProcess, endpoint: str) -> list[dict[str, Any]]:
    s3 = sandbox.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="watchkeeper", Prefix=f"capture/{endpoint}/AllTraffic/")
    bodies = [
        s3.get_object(Bucket="watchkeeper", Key=item["Key"])["Body"].read()
        for page in pages
        for item in page.get("Contents", [])
    ]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.mark.parametrize(("scene", "rows"), [("attribution", 780), ("bias", 1169)])
def test_all_requests_are_captured_within_the_promised_days(sandbox: SandboxProcess, scene: str, rows: int) -> None:
    lines = captured(sandbox, ENDPOINTS[scene])
    promised = run_sandbox("expected", "--scene", scene, "--before", BEFORE)
    times = [line["eventMetadata"]["inferenceTime"] for line in lines]
    assert len({line["eventMetadata"]["inferenceId"] for line in lines}) == len(lines) == rows
    assert promised["span"]["start"] <= min(times)
    assert max(times) < promised["span"]["end"]
    assert [day["verdict"] for day in promised["verdicts"]] == ["ok", "ok", "violated"]


@pytest.mark.parametrize("scene", ENDPOINTS)
def test_endpoint_files_name_the_columns_that_are_sent(sandbox: SandboxProcess, scene: str) -> None:
    endpoint = ENDPOINTS[scene]
    text = (ROOT / "sandbox" / "endpoints" / scene / f"{endpoint}.yaml").read_text()
    capture = yaml.safe_load(text)["capture"]
    body = sandbox.client("s3").get_object(Bucket="watchkeeper", Key=f"datasets/{endpoint}/baseline.csv")["Body"]
    header = next(csv.reader(io.StringIO(body.read().decode())))
    assert header == capture["output_columns"] + capture["input_columns"]
    line = captured(sandbox, endpoint)[0]
    assert len(line["captureData"]["endpointInput"]["data"].split(",")) == len(capture["input_columns"])


def test_a_house_is_priced_from_raw_columns_text_included(sandbox: SandboxProcess) -> None:
    runtime = sandbox.client("sagemaker-runtime")

    def prices(body: str) -> list[float]:
        answer = runtime.invoke_endpoint(EndpointName="house-price", ContentType="text/csv", Body=body.encode())
        return [float(line) for line in answer["Body"].read().decode().splitlines()]

    small, large, elsewhere, unknown = prices(
        "Old_Town,900,8000,5,1.0,1\nOld_Town,1800,8000,5,1.0,1\nStone_Brook,900,8000,5,1.0,1\nAtlantis,900,8000,5,1,1"
    )
    assert small < large
    assert small < unknown < elsewhere


def test_the_third_day_is_answered_by_the_second_model(sandbox: SandboxProcess) -> None:
    promised = run_sandbox("expected", "--scene", "bias", "--before", BEFORE)
    runtime = sandbox.client("sagemaker-runtime")
    same = {True: 0, False: 0}
    for line in captured(sandbox, "mortgage-approval")[::20]:
        asked, answered = (line["captureData"][side]["data"] for side in ("endpointInput", "endpointOutput"))
        now = runtime.invoke_endpoint(
            EndpointName="mortgage-approval", ContentType="text/csv", Body=asked.encode(), InferenceId="again"
        )
        is_third_day = line["eventMetadata"]["inferenceTime"] >= promised["succession"]
        same[is_third_day] += 1
        assert (now["Body"].read().decode() == answered) == is_third_day
    assert min(same.values()) > 10
