"""An endpoint that is retrained, for tests of an attempt's steps: its file, merged hours, and its record."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3

from tests.operators.conftest import BUCKET, REGION
from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.aws.merge_manifest import MergeManifest
from watchkeeper.aws.merged_store import MergedFolder
from watchkeeper.registry.capture_window import HOUR, Window, hour_floor, moment_text

ATTEMPT = "20261120T05-20261120T06-abc"
NOW = hour_floor(datetime.now(UTC)) + timedelta(minutes=30)
LAST = Window(hour_floor(NOW) - HOUR, hour_floor(NOW))
GATE = {"metric": "f1", "minimum_rows": 20, "evaluation_days": 1, "evaluation_share": 0.3}
RETRAINING = {
    "pipeline_name": "flights-retraining",
    "model_package_group": "flights",
    "role_arn": "arn:aws:iam::123456789012:role/training",
    "mode": "automatic",
    "minimum_training_rows": 50,
    "training_days": 2,
    "gate": GATE,
    "deployment": {"mode": "automatic"},
}
QUALITY = {"problem_type": "BinaryClassification", "probability_attribute": "late_probability"}


class AttemptWorld:
    """One endpoint with labels and a retraining policy."""

    def __init__(self, place) -> None:
        self.place = place
        self.endpoint()

    def endpoint(self, *, retraining=None, quality=None, **changes):
        self.place.endpoint(
            ground_truth={"s3_uri": f"s3://{BUCKET}/truth"},
            **{
                "capture": {
                    "s3_uri": f"s3://{BUCKET}/capture",
                    "input_columns": ["carrier", "delay"],
                    "output_columns": ["late_probability"],
                },
                "monitors": {"model_quality": QUALITY | (quality or {})},
                "retraining": RETRAINING | (retraining or {}),
            }
            | changes,
        )

    @property
    def actions(self):
        return self.place.deployment.actions

    def open(self, state="decided", attempt_id=ATTEMPT, **fields):
        """Record an attempt that trains on two days and compares on the last of them."""
        start, middle, end = (moment_text(LAST.end - timedelta(days=days)) for days in (2, 1, 0))
        windows = {
            "training_start": start,
            "training_end": end,
            "evaluation_start": middle,
            "evaluation_end": end,
        }
        record = AttemptRecord(
            attempt_id=attempt_id,
            endpoint="flights",
            state=state,
            decided_at=moment_text(NOW),
            **(windows | fields),
        )
        return self.actions.open_attempt(record, by="test", why="drift", now=NOW)

    def advance(self, state, **fields):
        fields.setdefault("why", "so")
        return self.actions.advance("flights", ATTEMPT, AttemptState(state), by="test", now=datetime.now(UTC), **fields)

    def record(self, attempt_id=ATTEMPT):
        return self.actions.read("flights", attempt_id)

    def states(self, attempt_id=ATTEMPT):
        return [event.state for event in self.record(attempt_id).history]

    def merge(self, hour, rows=40, *, variant="AllTraffic", parts=1, answers=True, folder: Path):
        """Merge an hour of labelled invocations and return their ids."""
        lines = [_line(f"{variant}-{hour.name}-{number}", number, hour, answers=answers) for number in range(rows)]
        files = []
        for part in range(parts):
            files.append(folder / f"{hour.name}-{variant}-{part}.jsonl")
            files[-1].write_text("".join(lines[part::parts]))
        manifest = MergeManifest(
            endpoint="flights",
            endpoint_name="flights-delay",
            variant=variant,
            hour=hour.name,
            digest="d",
            capture_digest="c",
            capture_object_count=1,
            label_objects=(),
            captured_count=rows,
            matched_count=rows,
            unmatched_count=0,
            malformed_capture_count=0,
            duplicate_label_count=0,
            conflicting_label_count=0,
            malformed_label_count=0,
            coverage=1.0,
            merge_rules=1,
            code_version="1",
            run_id="r",
            merged_at="2026-11-20T00:00:00Z",
            revision=1,
        )
        assert self.place.deployment.merged.write_hour(manifest, files, MergedFolder()) is not None

    def table(self, name, attempt_id=ATTEMPT):
        """Return an attempt's table as rows of texts, the header first; ``None`` if there is none."""
        stored = self.actions.objects.read(self.actions.folder("flights", attempt_id) + name)
        return None if stored is None else [line.split(",") for line in stored.body.decode().splitlines()]

    def put(self, name, text, attempt_id=ATTEMPT):
        self.actions.objects.write(self.actions.folder("flights", attempt_id) + name, text.encode())

    def package(self, model_data="s3://b/model.tar.gz"):
        """Register a model package that waits for a decision, and return its ARN."""
        client = boto3.client("sagemaker", region_name=REGION)
        client.create_model_package_group(ModelPackageGroupName="flights")
        return client.create_model_package(
            ModelPackageGroupName="flights",
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [{"Image": "image", "ModelDataUrl": model_data}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]

    def approval(self, arn):
        """Return what the model registry says about a package: its status, and why."""
        facts = boto3.client("sagemaker", region_name=REGION).describe_model_package(ModelPackageName=arn)
        return facts["ModelApprovalStatus"], facts.get("ApprovalDescription", "")

    def told(self):
        """Return the stage of each message that was sent, with its subject."""
        return [(item["MessageAttributes"]["stage"]["Value"], item["Subject"]) for item in self.place.messages()]


def hours(count):
    """Return the newest complete hours, oldest first."""
    return [LAST.shifted(-ago * HOUR) for ago in reversed(range(count))]


def predictions(rows=300, seed=1):
    """Return labels, and probabilities that tell them."""
    chance = random.Random(seed)
    found = []
    for _ in range(rows):
        label = chance.randrange(2)
        found.append((label, round(0.8 * label + 0.2 * chance.random(), 3)))
    return found


def _line(key, number, hour, *, answers):
    chance = random.Random(key)
    sides = {"endpointInput": {"data": f"AA,{number}", "encoding": "CSV", "mode": "INPUT"}}
    if answers:
        sides["endpointOutput"] = {"data": f"{chance.random():.3f}", "encoding": "CSV", "mode": "OUTPUT"}
    moment = hour.start + timedelta(seconds=number)
    record = {
        "captureData": sides,
        "eventMetadata": {"eventId": key, "inferenceTime": moment_text(moment)},
        "groundTruthData": {"data": str(chance.randrange(2)), "encoding": "CSV"},
        "eventVersion": "0",
    }
    return json.dumps(record) + "\n"
