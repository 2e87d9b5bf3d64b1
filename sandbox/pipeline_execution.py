"""One execution of a pipeline: its steps one after another in a thread of its own, stopped when asked.

Steps run in an order that their references allow, one at a time, whatever ParallelismConfiguration permits.
"""

import logging
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.utils import utcnow
from moto.sagemaker.models import FakePipelineExecution

from sandbox.aws_client import local_client
from sandbox.container_job import ContainerJobs, JobError, JobStoppedError
from sandbox.pipeline_definition import DefinitionError, PipelineDefinition, resolve

logger = logging.getLogger("sandbox")


@dataclass
class StepRun:
    """What ListPipelineExecutionSteps says of one step that was started."""

    name: str
    started: datetime
    status: str = "Executing"
    ended: datetime | None = None
    failure_reason: str | None = None
    metadata: dict[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        """Return the step without what it does not have."""
        told = {
            "StepName": self.name,
            "StartTime": self.started,
            "EndTime": self.ended,
            "StepStatus": self.status,
            "FailureReason": self.failure_reason,
            "Metadata": self.metadata,
            "AttemptCount": 1,
        }
        return {name: value for name, value in told.items() if value is not None}


class PipelineExecution(FakePipelineExecution):
    """Moto's record of an execution, which really runs: ``start`` begins, ``stop`` asks it to end."""

    def __init__(self, *, url: str, region: str, pipeline_arn: str, arguments: dict[str, Any], **record: Any) -> None:
        super().__init__(**record)
        self.pipeline_execution_status = "Executing"
        self.steps: list[StepRun] = []
        self._s3, self._sagemaker = local_client("s3", url), local_client("sagemaker", url, region)
        self._stop = threading.Event()
        self._changing = threading.Lock()
        self._definition = PipelineDefinition.parse(str(self.pipeline_definition_for_execution))
        self._id = self.arn.rpartition("/")[2]
        self._known: dict[str, Any] = {
            "Parameters": arguments,
            "Steps": {},
            "Execution": {
                "PipelineName": pipeline_arn.rpartition("/")[2],
                "PipelineArn": pipeline_arn,
                "PipelineExecutionArn": self.arn,
                "PipelineExecutionId": self._id,
                "StartDateTime": self.start_time.isoformat(),
            },
        }
        self._thread = threading.Thread(target=self._run, name=f"sandbox-pipeline-{self._id}", daemon=True)

    def start(self) -> None:
        """Begin with the first step, in the background."""
        self._thread.start()

    def stop(self) -> bool:
        """Ask the execution to stop; False if it has ended already."""
        with self._changing:
            if self.pipeline_execution_status not in {"Executing", "Stopping"}:
                return False
            self._told("Stopping")
            self._stop.set()
            return True

    def _told(self, status: str, reason: str | None = None) -> None:
        self.pipeline_execution_failure_reason = reason
        self.pipeline_execution_status = status
        self.last_modified_time = utcnow()

    def _run(self) -> None:
        for step in self._definition.steps:
            if self._stop.is_set():
                break
            run = StepRun(step["Name"], utcnow())
            self.steps.append(run)
            self._run_step(step, run)
            run.ended = utcnow()
            if run.status == "Failed":
                reason = f"Step failure: One or multiple steps failed: {run.name}: {run.failure_reason}"
                with self._changing:
                    self._told("Failed", reason)
                return
        with self._changing:
            self._told("Stopped" if self._stop.is_set() else "Succeeded")

    def _run_step(self, step: dict[str, Any], run: StepRun) -> None:
        try:
            arguments = resolve(step["Arguments"], self._known)
            self._known["Steps"][run.name] = self._properties(step["Type"], run, arguments)
            run.status = "Succeeded"
        except JobStoppedError:
            run.status = "Stopped"
        except (JobError, DefinitionError, ClientError, BotoCoreError) as error:
            run.status, run.failure_reason = "Failed", str(error)
        except KeyError as error:
            run.status, run.failure_reason = "Failed", f"the step's arguments lack {error}"
        except Exception as error:
            logger.exception("%s: step %s", self.arn, run.name)
            run.status, run.failure_reason = "Failed", f"InternalServerError: {type(error).__name__}"

    def _properties(self, kind: str, run: StepRun, arguments: dict[str, Any]) -> dict[str, Any]:
        if kind == "RegisterModel":
            return self._register(run, arguments)
        jobs = ContainerJobs(self._s3, self._stop.is_set)
        name = f"pipelines-{self._id}-{re.sub(r'[^A-Za-z0-9-]', '-', run.name)[:30]}"
        work = jobs.train if kind == "Training" else jobs.process
        run.metadata = {f"{kind}Job": {"Arn": self._job_arn(kind, name)}}
        return work(name, arguments)

    def _job_arn(self, kind: str, name: str) -> str:
        return self.arn.partition(":pipeline/")[0] + f":{kind.lower()}-job/{name}"

    def _register(self, run: StepRun, arguments: dict[str, Any]) -> dict[str, Any]:
        group = arguments["ModelPackageGroupName"]
        try:
            self._sagemaker.describe_model_package_group(ModelPackageGroupName=group)
        except ClientError:  # as the service does, the first model makes its group
            self._sagemaker.create_model_package_group(ModelPackageGroupName=group)
        arn = self._sagemaker.create_model_package(**arguments)["ModelPackageArn"]
        run.metadata = {"RegisterModel": {"Arn": arn}}
        described: dict[str, Any] = self._sagemaker.describe_model_package(ModelPackageName=arn)
        return described
