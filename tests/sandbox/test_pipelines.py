import csv
import io
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import Replayed
from tests.sandbox_process import ROOT, SandboxProcess

pytestmark = pytest.mark.sandbox

DEFINITION = (ROOT / "include" / "pipelines" / "retraining.json").read_text()
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sandbox-linear-model:1"
ROLE = "arn:aws:iam::123456789012:role/sandbox-sagemaker"
INPUTS = ["carrier", "origin", "distance", "dep_delay", "recent_delay"]
INPUTS += ["temp", "humidity", "wind_speed", "visibility", "precipitation"]
ENDED = {"Succeeded", "Failed", "Stopped"}


def labelled_flights(rows: int = 400) -> bytes:
    """Return a training file in which a flight is late if it left late, and a row that cannot be used."""
    source = random.Random(7)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*INPUTS, "late"])
    for _ in range(rows):
        delay = source.uniform(-10, 60)
        weather = [50, 60, 8, 10, 0]
        writer.writerow([source.choice("AB"), "EWR", 1000, round(delay, 1), 5, *weather, int(delay > 25)])
    writer.writerow(["A", "EWR", 1000, "", 5, 50, 60, 8, 10, 0, 1])
    return text.getvalue().encode()


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of its own, with a place in S3 for its data and results."""

    sandbox: SandboxProcess
    name: str
    arn: str

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    @property
    def s3(self) -> Any:
        return self.sandbox.client("s3")

    def put(self, body: bytes, name: str = "rows.csv") -> str:
        self.s3.put_object(Bucket="pipelines", Key=f"{self.name}/training/{name}", Body=body)
        return f"s3://pipelines/{self.name}/training/"

    def parameters(self, **changes: str) -> list[dict[str, str]]:
        values = {
            "EndpointId": "flights-delay",
            "TrainingWindowStart": "2026-11-01T00:00:00Z",
            "TrainingWindowEnd": "2026-11-04T00:00:00Z",
            "TrainingDataUri": f"s3://pipelines/{self.name}/training/",
            "EvaluationDataUri": f"s3://pipelines/{self.name}/held-out/",
            "BaselineUri": f"s3://pipelines/{self.name}/baseline",
            "ModelPackageGroupName": self.name,
            "RoleArn": ROLE,
            "TrainingImage": IMAGE,
        } | changes
        return [{"Name": name, "Value": value} for name, value in values.items()]

    def start(self, token: str | None = None, **changes: str) -> str:
        more = {"ClientRequestToken": token} if token else {}
        started = self.sagemaker.start_pipeline_execution(
            PipelineName=self.name, PipelineParameters=self.parameters(**changes), **more
        )
        return str(started["PipelineExecutionArn"])

    def describe(self, arn: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return described

    def ended(self, arn: str) -> dict[str, Any]:
        return until(lambda: self.describe(arn), lambda found: found["PipelineExecutionStatus"] in ENDED)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        listed = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}

    def json(self, key: str) -> dict[str, Any]:
        body = self.s3.get_object(Bucket="pipelines", Key=f"{self.name}/{key}")["Body"].read()
        document: dict[str, Any] = json.loads(body)
        return document


def until[T](ask: Callable[[], T], enough: Callable[[T], bool], seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while not enough(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


@pytest.fixture
def pipeline(sandbox: SandboxProcess) -> Pipeline:
    sandbox.client("s3").create_bucket(Bucket="pipelines")
    name = f"retraining-{uuid.uuid4().hex[:8]}"
    header, *rows = labelled_flights().decode().splitlines()
    held_out = [f"row_id,{header}", *(f"{number}/0,{row}" for number, row in enumerate(rows[:30]))]
    sandbox.client("s3").put_object(Bucket="pipelines", Key=f"{name}/held-out/rows.csv", Body="\n".join(held_out))
    made = sandbox.client("sagemaker").create_pipeline(
        PipelineName=name, PipelineDefinition=DEFINITION, RoleArn=ROLE, ClientRequestToken=uuid.uuid4().hex
    )
    return Pipeline(sandbox, name, made["PipelineArn"])


def test_the_shipped_definition_trains_evaluates_and_registers(pipeline: Pipeline) -> None:
    pipeline.put(labelled_flights())
    arn = pipeline.start()
    assert pipeline.describe(arn)["PipelineExecutionStatus"] == "Executing"
    described = pipeline.ended(arn)
    assert described["PipelineExecutionStatus"] == "Succeeded", described
    assert "FailureReason" not in described
    steps = pipeline.steps(arn)
    assert [(name, step["StepStatus"]) for name, step in steps.items()] == [
        ("TrainModel", "Succeeded"),
        ("EvaluateModel", "Succeeded"),
        ("RegisterModel", "Succeeded"),
    ]
    assert all(step["EndTime"] >= step["StartTime"] for step in steps.values())
    quality = pipeline.json("baseline/evaluation/evaluation.json")
    assert quality["dataset"]["item_count"] == 80
    assert quality["binary_classification_metrics"]["auc"]["value"] > 0.95
    key = f"{pipeline.name}/baseline/evaluation/predictions.csv"
    header, *answers = pipeline.s3.get_object(Bucket="pipelines", Key=key)["Body"].read().decode().splitlines()
    assert header == "row_id,prediction"
    assert [answer.split(",")[0] for answer in answers] == [f"{number}/0" for number in range(30)]
    assert all(0 <= float(answer.split(",")[1]) <= 1 for answer in answers)
    for name, columns in {
        "baseline.csv": ["late_probability", *INPUTS],
        "model_quality.csv": ["label", "prediction"],
        "bias.csv": ["label", "prediction", *INPUTS],
    }.items():
        body = pipeline.s3.get_object(Bucket="pipelines", Key=f"{pipeline.name}/baseline/{name}")["Body"].read()
        header, *rows = body.decode().splitlines()
        assert (header.split(","), len(rows)) == (columns, 400)

    package_arn = steps["RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
    assert package_arn.endswith(f":model-package/{pipeline.name}/1")
    package = pipeline.sagemaker.describe_model_package(ModelPackageName=package_arn)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    statistics = package["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics["S3Uri"] == f"s3://pipelines/{pipeline.name}/baseline/evaluation/evaluation.json"
    assert package["CustomerMetadataProperties"] == {
        "endpoint_id": "flights-delay",
        "training_data_uri": f"s3://pipelines/{pipeline.name}/training/",
        "training_window_start": "2026-11-01T00:00:00Z",
        "training_window_end": "2026-11-04T00:00:00Z",
        "baseline_uri": f"s3://pipelines/{pipeline.name}/baseline",
    }


def test_a_token_starts_one_execution_only(pipeline: Pipeline) -> None:
    pipeline.put(labelled_flights())
    first = pipeline.start("a-token-of-at-least-thirty-two-characters")
    assert pipeline.start("a-token-of-at-least-thirty-two-characters") == first
    second = pipeline.start()
    assert second != first
    listed = pipeline.sagemaker.list_pipeline_executions(PipelineName=pipeline.name)["PipelineExecutionSummaries"]
    assert [summary["PipelineExecutionArn"] for summary in listed] == [second, first]
    given = pipeline.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=first)
    assert given["PipelineParameters"] == pipeline.parameters()
    assert {pipeline.ended(arn)["PipelineExecutionStatus"] for arn in (first, second)} == {"Succeeded"}


def test_an_execution_stops_when_it_is_told(pipeline: Pipeline) -> None:
    pipeline.put(labelled_flights())
    arn = pipeline.start()
    pipeline.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)
    assert pipeline.describe(arn)["PipelineExecutionStatus"] in {"Stopping", "Stopped"}
    assert pipeline.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert "RegisterModel" not in pipeline.steps(arn)
    with pytest.raises(ClientError, match="has ended: Stopped"):
        pipeline.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)


@pytest.mark.parametrize(
    ("body", "changes", "reason"),
    [
        pytest.param(None, {}, "No S3 objects found under S3 URL", id="no data"),
        pytest.param(labelled_flights(5), {}, "5 usable rows in 1 CSV files; at least 20", id="too few rows"),
        pytest.param(labelled_flights(), {"EndpointId": "nothing"}, "endpoint_id 'nothing' is unknown", id="endpoint"),
        pytest.param(labelled_flights(), {"TrainingImage": "other"}, "image other is not in the sandbox", id="image"),
    ],
)
def test_a_failure_says_which_step_and_why(
    pipeline: Pipeline, body: bytes | None, changes: dict[str, str], reason: str
) -> None:
    if body:
        pipeline.put(body)
    arn = pipeline.start(**changes)
    described = pipeline.ended(arn)
    assert described["PipelineExecutionStatus"] == "Failed"
    assert "TrainModel" in described["FailureReason"]
    steps = pipeline.steps(arn)
    assert list(steps) == ["TrainModel"]
    assert reason in steps["TrainModel"]["FailureReason"]


def test_what_cannot_run_is_refused(pipeline: Pipeline) -> None:
    sagemaker = pipeline.sagemaker
    with pytest.raises(ClientError, match=r"'BaselineUri'.*must be given"):
        sagemaker.start_pipeline_execution(
            PipelineName=pipeline.name,
            PipelineParameters=[p for p in pipeline.parameters() if p["Name"] != "BaselineUri"],
        )
    with pytest.raises(ClientError, match=r"'Typo'.*not defined"):
        pipeline.start(Typo="1")
    with pytest.raises(ClientError, match="ModelApprovalStatus must be one of"):
        pipeline.start(ModelApprovalStatus="Perhaps")
    broken = json.loads(DEFINITION)
    broken["Steps"][0]["Type"] = "Callback"
    with pytest.raises(ClientError, match=r"runs steps of type .*; found Callback"):
        sagemaker.update_pipeline(PipelineName=pipeline.name, PipelineDefinition=json.dumps(broken))
    assert sagemaker.describe_pipeline(PipelineName=pipeline.name)["PipelineDefinition"] == DEFINITION


def test_a_package_is_approved_deployed_and_deleted(pipeline: Pipeline, replayed: Replayed) -> None:
    sagemaker = pipeline.sagemaker
    pipeline.put(labelled_flights())
    arns = [pipeline.start(), pipeline.start(ModelApprovalStatus="Approved")]
    assert {pipeline.ended(arn)["PipelineExecutionStatus"] for arn in arns} == {"Succeeded"}

    def packages(status: str) -> list[str]:
        listed = sagemaker.list_model_packages(ModelPackageGroupName=pipeline.name, ModelApprovalStatus=status)
        return [package["ModelPackageArn"] for package in listed["ModelPackageSummaryList"]]

    (pending,) = packages("PendingManualApproval")
    sagemaker.update_model_package(ModelPackageArn=pending, ModelApprovalStatus="Rejected", ApprovalDescription="lost")
    assert packages("Rejected") == [pending]
    described = sagemaker.describe_model_package(ModelPackageName=pending)
    assert described["ApprovalDescription"] == "lost"
    assert described["CustomerMetadataProperties"]["endpoint_id"] == "flights-delay"  # kept

    (approved,) = packages("Approved")
    name = pipeline.name
    sagemaker.create_model(ModelName=name, PrimaryContainer={"ModelPackageName": approved}, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "A", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    asked = "A,EWR,1000,{},5,50,60,8,10,0"
    answer = pipeline.sandbox.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Body=f"{asked.format(50)}\n{asked.format(-5)}"
    )
    late, early = map(float, answer["Body"].read().split())
    assert late > 0.9
    assert early < 0.1
    (described_variant,) = sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
    assert described_variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE

    with pytest.raises(ClientError, match="contains model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)
    highest = max(pending, approved)
    sagemaker.delete_model_package(ModelPackageName=highest)
    assert pipeline.ended(pipeline.start())["PipelineExecutionStatus"] == "Succeeded"
    (newest,) = packages("PendingManualApproval")
    assert newest.endswith("/3")  # a number is not given twice
