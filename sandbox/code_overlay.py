"""CodePipeline executions and CodeBuild builds that take a while and may fail, where moto's have always succeeded.

They fail if the pipeline or the project has the tag ``sandbox:run`` = ``fail``.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from moto.codebuild.models import CodeBuildBackend, codebuild_backends
from moto.codepipeline.models import CodePipelineBackend, PipelineExecution, codepipeline_backends
from moto.core.utils import utcnow

from sandbox.aws_client import ACCOUNT
from sandbox.platform_clock import PlatformState

FAILURE_TAG = ("sandbox:run", "fail")


class _Execution(PipelineExecution):
    """An execution whose status is worked out from the clock."""

    ends: Any = None
    outcome = "Succeeded"

    @property
    def status(self) -> str:
        return "InProgress" if self.ends is None or utcnow() < self.ends else self.outcome

    @status.setter
    def status(self, _status: str) -> None:
        self.last_update_time = self.start_time


def install(seconds: float) -> None:
    """Let executions and builds take ``seconds``. Call once, before the first request."""
    start_execution, start_build = CodePipelineBackend.start_pipeline_execution, CodeBuildBackend.start_build

    def start_pipeline_execution(self: CodePipelineBackend, name: str, variables: Any) -> str:
        execution_id = start_execution(self, name, variables)
        execution = self.pipelines[name].executions[execution_id]
        execution.__class__ = _Execution
        execution.__dict__.pop("status", None)
        execution.ends = execution.start_time + timedelta(seconds=seconds)
        failing = self.pipelines[name].tags.get(FAILURE_TAG[0]) == FAILURE_TAG[1]
        execution.outcome = "Failed" if failing else "Succeeded"
        return str(execution_id)

    def begin_build(self: CodeBuildBackend, project_name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        build: dict[str, Any] = start_build(self, project_name, *args, **kwargs)
        build["sandboxEnds"] = utcnow() + timedelta(seconds=seconds)
        return build

    def batch_get_builds(self: CodeBuildBackend, ids: list[str]) -> list[dict[str, Any]]:
        found = [build for builds in self.build_metadata_history.values() for build in builds if build["id"] in ids]
        return [_settled(self, build) for build in found]

    CodePipelineBackend.start_pipeline_execution = start_pipeline_execution
    CodeBuildBackend.start_build, CodeBuildBackend.batch_get_builds = begin_build, batch_get_builds


def _settled(backend: CodeBuildBackend, build: dict[str, Any]) -> dict[str, Any]:
    if build["buildStatus"] == "IN_PROGRESS" and utcnow() >= build["sandboxEnds"]:
        tags = backend.codebuild_projects[build["projectName"]].tags or []
        failing = any((tag["key"], tag["value"]) == FAILURE_TAG for tag in tags)
        build["buildStatus"] = "FAILED" if failing else "SUCCEEDED"
        build["buildComplete"], build["currentPhase"], build["endTime"] = True, "COMPLETED", build["sandboxEnds"]
    return {name: part for name, part in build.items() if name != "sandboxEnds"}


def code_states(region: str) -> Iterator[PlatformState]:
    """Yield the pipelines' executions and the projects' builds, as their events name them."""
    words = {"InProgress": "STARTED", "Succeeded": "SUCCEEDED", "Failed": "FAILED"}
    for pipeline in list(codepipeline_backends[ACCOUNT][region].pipelines.values()):
        for execution in list(pipeline.executions.values()):
            arn = pipeline.metadata["pipelineArn"]
            detail = {
                "pipeline": execution.pipeline_name,
                "execution-id": execution.pipeline_execution_id,
                "state": words[execution.status],
                "version": execution.pipeline_version,
            }
            yield PlatformState(
                "aws.codepipeline",
                "CodePipeline Pipeline Execution State Change",
                arn,
                execution.pipeline_execution_id,
                detail["state"],
                lambda _before, detail=detail: detail,
            )
    builds = codebuild_backends[ACCOUNT][region]
    for build in [build for history in list(builds.build_metadata_history.values()) for build in history]:
        settled = _settled(builds, build)
        detail = {
            "build-status": settled["buildStatus"],
            "project-name": settled["projectName"],
            "build-id": settled["arn"],
            "current-phase": settled["currentPhase"],
        }
        yield PlatformState(
            "aws.codebuild",
            "CodeBuild Build State Change",
            settled["arn"],
            settled["id"],
            detail["build-status"],
            lambda _before, detail=detail: detail,
        )
