"""Training and processing jobs as SageMaker runs them: S3 into folders, a container, folders back to S3.

The container is the sandbox's own image, run as a process of its own with a folder in the place of ``/opt/ml``.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.model_archive import IMAGE, packed

_OPT_ML = "/opt/ml/"
_POLL_SECONDS = 0.1
_REASON_LENGTH = 1024


class JobError(Exception):
    """The job failed; the message is its failure reason."""


class JobStoppedError(Exception):
    """The job was stopped before it ended."""


@dataclass(frozen=True)
class ContainerJobs:
    """Runs jobs against the S3 of the sandbox; ``stopped`` is asked while a container runs."""

    s3: Any
    stopped: Callable[[], bool]

    def train(self, job_name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Run a training job and return what DescribeTrainingJob says of it, as far as a pipeline may refer to it."""
        _require_image(arguments["AlgorithmSpecification"]["TrainingImage"])
        with tempfile.TemporaryDirectory(prefix="sandbox-training-") as name:
            root = Path(name)
            for folder in ("input/config", "model"):
                (root / folder).mkdir(parents=True)
            (root / "input/config/hyperparameters.json").write_text(json.dumps(arguments.get("HyperParameters", {})))
            for channel in arguments.get("InputDataConfig", ()):
                uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
                self._download(uri, root / "input/data" / channel["ChannelName"])
            self._run("train", root, {}, arguments)
            files = {path.name: path.read_bytes() for path in sorted((root / "model").iterdir())}
        target = f"{arguments['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job_name}/output/model.tar.gz"
        self._put(target, packed(files))
        return {"TrainingJobName": job_name, "ModelArtifacts": {"S3ModelArtifacts": target}}

    def process(self, job_name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Run a processing job and return what DescribeProcessingJob says of it."""
        specification = arguments["AppSpecification"]
        _require_image(specification["ImageUri"])
        command = [*specification.get("ContainerEntrypoint", ()), *specification.get("ContainerArguments", ())]
        outputs = arguments.get("ProcessingOutputConfig", {}).get("Outputs", [])
        with tempfile.TemporaryDirectory(prefix="sandbox-processing-") as name:
            root = Path(name)
            for source in arguments.get("ProcessingInputs", ()):
                self._download(source["S3Input"]["S3Uri"], _local(root, source["S3Input"]["LocalPath"]))
            for output in outputs:
                _local(root, output["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
            if len(command) != 1:
                message = f"the image's commands take no arguments, got {command}"
                raise JobError(message)
            self._run(command[0], root, arguments.get("Environment", {}), arguments)
            for output in outputs:
                self._upload(_local(root, output["S3Output"]["LocalPath"]), output["S3Output"]["S3Uri"])
        return {"ProcessingJobName": job_name, "ProcessingOutputConfig": {"Outputs": outputs}}

    def _run(self, command: str, root: Path, environment: Mapping[str, str], arguments: Mapping[str, Any]) -> None:
        limit = arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
        with (root / "log.txt").open("w+") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.training_container", command, root],
                cwd=Path(__file__).resolve().parents[1],
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                waited = 0.0
                while process.poll() is None:
                    if self.stopped():
                        raise JobStoppedError
                    if waited > limit:
                        message = f"the job ran longer than {limit} s"
                        raise JobError(message)
                    try:
                        process.wait(_POLL_SECONDS)
                    except subprocess.TimeoutExpired:
                        waited += _POLL_SECONDS
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            if process.returncode:
                log.seek(0)
                said = log.read().strip()[-_REASON_LENGTH:]
                message = f"AlgorithmError: {said}, exit code: {process.returncode}"
                raise JobError(message)

    def _download(self, uri: str, folder: Path) -> None:
        bucket, prefix = _bucket_and_key(uri)
        folder.mkdir(parents=True, exist_ok=True)
        found = 0
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                # As SageMaker's S3Prefix: an object's name below the prefix, or its own name if it is the prefix.
                relative = item["Key"].removeprefix(prefix).lstrip("/") or Path(item["Key"]).name
                path = folder / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
                found += 1
        if not found:
            message = f"ClientError: No S3 objects found under S3 URL {uri!r}"
            raise JobError(message)

    def _upload(self, folder: Path, uri: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self._put(f"{uri.rstrip('/')}/{path.relative_to(folder)}", path.read_bytes())

    def _put(self, uri: str, body: bytes) -> None:
        bucket, key = _bucket_and_key(uri)
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)


def _require_image(image: str) -> None:
    if image != IMAGE:
        message = f"ClientError: the image {image} is not in the sandbox, which has {IMAGE}"
        raise JobError(message)


def _bucket_and_key(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        message = f"ClientError: {uri!r} is no S3 URI"
        raise JobError(message)
    return parts.netloc, parts.path.lstrip("/")


def _local(root: Path, path: str) -> Path:
    if not path.startswith(_OPT_ML) or ".." in Path(path).parts:
        message = f"ClientError: a local path must lie below {_OPT_ML}, got {path}"
        raise JobError(message)
    return root / path.removeprefix(_OPT_ML)
