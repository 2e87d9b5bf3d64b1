"""The pipelines shipped in include/pipelines: rendered, up to date, and made of what SageMaker accepts."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.sandbox_process import ROOT

SDK_PYTHON = ROOT / ".venv-sagemaker" / "bin" / "python"
FOLDER = ROOT / "include" / "pipelines"

needs_sdk = pytest.mark.skipif(not SDK_PYTHON.exists(), reason=f"{SDK_PYTHON} is missing: run `make setup`")


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / "retraining.json").read_text())
    return document


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            return {value["Get"]}
        return set[str]().union(*map(references, value.values()))
    return set[str]().union(*map(references, value)) if isinstance(value, list) else set()


@needs_sdk
def test_the_definition_is_what_the_sdk_renders_without_an_account_or_a_network() -> None:
    # No credentials and no region in the environment, and a proxy that leads nowhere.
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [SDK_PYTHON, FOLDER, "--check"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **nowhere},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_every_reference_is_a_parameter_or_a_step_before(definition: dict[str, Any]) -> None:
    assert definition["Version"] == "2020-12-01"
    known = {f"Parameters.{parameter['Name']}" for parameter in definition["Parameters"]}
    for step in definition["Steps"]:
        names = references(step["Arguments"])
        assert {name for name in names if name.startswith("Parameters.")} <= known
        for name in names - known:
            assert name.split(".")[1] in {before["Name"] for before in definition["Steps"]} - {step["Name"]}
    used = references(definition["Steps"])
    assert known <= used  # a parameter that nothing reads would only look as if it did


def test_what_must_be_given_and_what_has_a_default(definition: dict[str, Any]) -> None:
    defaults = {parameter["Name"]: parameter.get("DefaultValue") for parameter in definition["Parameters"]}
    assert defaults == {
        "EndpointId": None,
        "TrainingWindowStart": None,
        "TrainingWindowEnd": None,
        "TrainingDataUri": None,
        "EvaluationDataUri": None,
        "BaselineUri": None,
        "ModelPackageGroupName": None,
        "ModelApprovalStatus": "PendingManualApproval",
        "RoleArn": None,
        "InstanceType": "ml.m5.large",
        "TrainingImage": None,
    }


def test_no_account_region_or_bucket_is_in_the_definition() -> None:
    text = (FOLDER / "retraining.json").read_text()
    assert not [word for word in ("s3://", "arn:", "us-east-1", "amazonaws", "000000000000") if word in text]
