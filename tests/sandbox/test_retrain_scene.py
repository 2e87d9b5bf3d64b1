"""The retraining scene keeps its promise through the sandbox's own pipeline: fall, succession, haste."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.test_pipelines import DEFINITION, INPUTS, until
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox

Rows = list[tuple[list[str], float, int]]
BEFORE = datetime.now(UTC).isoformat()


@dataclass
class Story:
    """The scene in a sandbox of its own."""

    sandbox: SandboxProcess
    deployed: dict[str, Any]
    promised: dict[str, Any]
    rows: list[tuple[str, list[str], float, int]] = field(default_factory=list)

    def replay(self, moment: str) -> dict[str, Any]:
        return self.sandbox.run("replay", "--scene", "retrain", "--json", "--before", BEFORE, "--until", moment)

    def joined(self, window: dict[str, str]) -> Rows:
        """Return inputs, prediction and the last label of the captures in a window."""
        s3 = self.sandbox.client("s3")

        def lines(prefix: str) -> Iterator[dict[str, Any]]:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket="watchkeeper", Prefix=prefix):
                for item in page.get("Contents", []):
                    body = s3.get_object(Bucket="watchkeeper", Key=item["Key"])["Body"].read()
                    yield from map(json.loads, body.splitlines())

        labels = {
            line["eventMetadata"]["eventId"]: int(line["groundTruthData"]["data"])
            for line in lines("ground-truth/flights-delay/")
        }
        return [
            (
                line["captureData"]["endpointInput"]["data"].split(","),
                float(line["captureData"]["endpointOutput"]["data"]),
                labels[line["eventMetadata"]["inferenceId"]],
            )
            for line in lines("capture/flights-delay/AllTraffic/")
            if window["start"] <= line["eventMetadata"]["inferenceTime"] < window["end"]
            and line["eventMetadata"].get("inferenceId") in labels
        ]

    def retrain(self, promised: dict[str, Any]) -> str:
        """Run the pipeline on a promised training window and return the ARN of the package that it registers."""
        sagemaker, s3 = self.sandbox.client("sagemaker"), self.sandbox.client("s3")
        name, window = promised["name"], promised["training_window"]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*INPUTS, "late"])
        writer.writerows([*inputs, label] for inputs, _predicted, label in self.joined(window))
        s3.put_object(Bucket="watchkeeper", Key=f"training/{name}/rows.csv", Body=text.getvalue().encode())
        # One row held out, since no training job takes an empty prefix; what it is answered is not looked at here.
        held_out = "row_id," + text.getvalue().splitlines()[0] + "\n"
        s3.put_object(Bucket="watchkeeper", Key=f"held-out/{name}/rows.csv", Body=held_out.encode())
        if not sagemaker.list_pipelines()["PipelineSummaries"]:
            sagemaker.create_pipeline(
                PipelineName="retraining",
                PipelineDefinition=DEFINITION,
                RoleArn=self.deployed["role_arn"],
                ClientRequestToken="a-token-of-at-least-thirty-two-characters",
            )
        values = {
            "EndpointId": "flights-delay",
            "TrainingWindowStart": window["start"],
            "TrainingWindowEnd": window["end"],
            "TrainingDataUri": f"s3://watchkeeper/training/{name}/",
            "EvaluationDataUri": f"s3://watchkeeper/held-out/{name}/",
            "BaselineUri": f"s3://watchkeeper/training-results/{name}",
            "ModelPackageGroupName": "flights-delay",
            "RoleArn": self.deployed["role_arn"],
            "TrainingImage": self.deployed["training_image"],
        }
        arn = sagemaker.start_pipeline_execution(
            PipelineName="retraining", PipelineParameters=[{"Name": k, "Value": v} for k, v in values.items()]
        )["PipelineExecutionArn"]
        ended = until(
            lambda: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn),
            lambda found: found["PipelineExecutionStatus"] not in {"Executing", "Stopping"},
        )
        assert ended["PipelineExecutionStatus"] == "Succeeded", ended
        step, *_ = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return str(step["Metadata"]["RegisterModel"]["Arn"])

    def endpoint_of(self, package: str, name: str) -> str:
        """Deploy a package behind an endpoint of its own and return the endpoint's name."""
        sagemaker = self.sandbox.client("sagemaker")
        role = self.deployed["role_arn"]
        sagemaker.create_model(ModelName=name, PrimaryContainer={"ModelPackageName": package}, ExecutionRoleArn=role)
        variant = {"VariantName": "A", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        waiter = sagemaker.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        return name

    def answers(self, endpoint: str, rows: Rows) -> Rows:
        """Return the rows with the predictions of another endpoint."""
        body = "\n".join(",".join(inputs) for inputs, _predicted, _label in rows)
        answer = self.sandbox.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, ContentType="text/csv", Body=body
        )
        predictions = map(float, answer["Body"].read().split())
        return [(inputs, new, label) for (inputs, _old, label), new in zip(rows, predictions, strict=True)]


def f1(rows: Rows) -> float:
    hits = sum(predicted >= 0.5 and label for _inputs, predicted, label in rows)
    return 2 * hits / sum((predicted >= 0.5) + label for _inputs, predicted, label in rows)


def accuracy(rows: Rows) -> float:
    return sum((predicted >= 0.5) == label for _inputs, predicted, label in rows) / len(rows)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with SandboxProcess(tmp_path_factory.mktemp("retrain")) as process:
        deployed = process.run("deploy", "--scene", "retrain", "--json")
        promised = process.run("expected", "--scene", "retrain", "--before", BEFORE)
        yield Story(process, deployed, promised)


def test_the_champion_falls_the_challenger_succeeds_it_and_haste_loses(story: Story) -> None:
    sagemaker = story.sandbox.client("sagemaker")
    promoted_at = next(one["start"] for one in story.promised["f1"] if one["model"] == "challenger")
    succession, haste = story.promised["retrainings"]
    judged = succession["judged_window"]

    # Three days and the one on which both are judged, then all of their labels but those that come much later.
    first = story.replay(judged["end"])
    assert first["replayed"] == {"start": story.promised["span"]["start"], "end": judged["end"]}
    assert story.replay(judged["end"])["already_replayed"] is True
    by_then = haste["judged_window"]["start"]
    story.sandbox.run("labels", "--scene", "retrain", "--json", "--before", BEFORE, "--until", by_then)
    champion_rows = story.joined(judged)
    challenger = story.retrain(succession)
    challenger_rows = story.answers(story.endpoint_of(challenger, "challenger"), champion_rows)
    assert f1(challenger_rows) > f1(champion_rows) + 0.1
    assert accuracy(challenger_rows) > accuracy(champion_rows)
    assert promoted_at == judged["start"]

    # The champion is a package too, so that there is something to go back to; the challenger takes its place.
    described = sagemaker.describe_endpoint(EndpointName="flights-delay")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    (variant,) = config["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    assert model["ModelPackageName"].endswith(":model-package/flights-delay/1")
    sagemaker.create_endpoint_config(
        EndpointConfigName="flights-delay-2",
        ProductionVariants=[variant | {"ModelName": "challenger"}],
        DataCaptureConfig=config["DataCaptureConfig"],
    )
    sagemaker.update_endpoint(EndpointName="flights-delay", EndpointConfigName="flights-delay-2")
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName="flights-delay", WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    # The rest of the span is answered by whoever is in service now.
    story.replay(story.promised["span"]["end"])
    story.sandbox.run("labels", "--scene", "retrain", "--json", "--before", BEFORE, "--until", "2999-01-01")
    for one in story.promised["f1"]:
        rows = story.joined(one)
        if one["model"] == "challenger" and one["start"] == judged["start"]:
            rows = story.answers("challenger", rows)
        assert one["at_least"] <= f1(rows) <= one["at_most"], one

    rows = story.joined(haste["judged_window"])
    hasty = story.answers(story.endpoint_of(story.retrain(haste), "hasty"), rows)
    assert f1(hasty) < f1(rows) - 0.1
    assert accuracy(hasty) < accuracy(rows) - 0.2
