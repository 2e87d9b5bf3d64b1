"""CodeBuild builds: started once, adopted, read and stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from watchkeeper.aws.code_pipeline_hook import request_token
from watchkeeper.aws.service_failure import error_code, is_missing, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import PipelineError

_SUCCEEDED: Final = "SUCCEEDED"
_UNFINISHED: Final = "IN_PROGRESS"
#: A build tells what it is for by this variable of its environment: CodeBuild forgets tokens after five minutes.
PURPOSE_VARIABLE: Final = "WATCHKEEPER_PURPOSE"
#: Builds to look through for a purpose's own; BatchGetBuilds takes so many, newest first.
_LOOK_BACK: Final = 100


@dataclass(frozen=True)
class BuildFacts:
    """What CodeBuild says about a build; ``failures`` holds why phases failed, by their name."""

    build_id: str
    project: str
    status: str
    failures: Mapping[str, str] = field(default_factory=dict)
    log_group: str | None = None
    log_stream: str | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether all of it is done."""
        return self.status == _SUCCEEDED

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status != _UNFINISHED

    @property
    def reason(self) -> str:
        """Why it did not succeed, in a sentence."""
        phases = "; ".join(f"{name}: {why.strip().rstrip('.')}" for name, why in self.failures.items())
        return f"the build is {self.status}: {phases or 'no reason is given'}"


class CodeBuildHook(ServiceHook):
    """Interact with AWS CodeBuild.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("codebuild") <CodeBuild.Client>`;
    throttled calls are retried with backoff, and the waiters are those of ``watchkeeper/aws/waiters``.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "codebuild"
        super().__init__(*args, **kwargs)

    def start_build(self, project: str, purpose: str, request: Mapping[str, Any] | None = None) -> str:
        """Return the id of the build for a purpose: the one that runs or has succeeded, else a new one.

        A build that failed or was stopped is followed by another. PipelineError if there is no such project.

        :param project: the project's name.
        :param purpose: what the build is for.
        :param request: more of StartBuild's arguments.
        """
        earlier = self._builds_for(project, purpose)
        for build in earlier:
            if not build.has_ended or build.has_succeeded:
                return build.build_id
        more = dict(request or {})
        variables = [*more.pop("environmentVariablesOverride", ()), _purpose_variable(purpose)]
        answer = self._ask(
            project,
            "start_build",
            projectName=project,
            # Two workers at once start one.
            idempotencyToken=request_token(project, purpose, str(len(earlier))),
            environmentVariablesOverride=variables,
            **more,
        )
        return str(answer["build"]["id"])

    def build(self, build_id: str) -> BuildFacts:
        """Return what became of a build so far; PipelineError if there is no such build.

        :param build_id: the build's id.
        """
        found = self._ask(build_id, "batch_get_builds", ids=[build_id]).get("builds", ())
        if not found:
            raise PipelineError(build_id, "CodeBuild knows no such build", "Check the project's history of builds.")
        return _facts(found[0])

    def stop_build(self, build_id: str) -> bool:
        """Stop a build; return ``False`` if it has ended already.

        :param build_id: the build's id.
        """
        if self.build(build_id).has_ended:
            return False
        self._ask(build_id, "stop_build", id=build_id)
        return True

    def _builds_for(self, project: str, purpose: str) -> list[BuildFacts]:
        ids = self._ask(project, "list_builds_for_project", projectName=project, sortOrder="DESCENDING").get("ids", ())
        if not ids:
            return []
        builds = self._ask(project, "batch_get_builds", ids=list(ids[:_LOOK_BACK])).get("builds", ())
        mark = _purpose_variable(purpose)
        return [
            _facts(build)
            for build in builds
            if any(
                (item["name"], item["value"]) == (mark["name"], mark["value"])
                for item in build.get("environment", {}).get("environmentVariables", ())
            )
        ]

    def _ask(self, subject: str, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        with permission_named("codebuild", subject):
            try:
                return getattr(self.client, operation)(**arguments)
            except ClientError as error:
                if not is_missing(error):
                    raise
                raise PipelineError(
                    subject,
                    f"CodeBuild in {self.client.meta.region_name} knows no such project or build ({error_code(error)})",
                    "Correct its name, or the region, connection or role that reach it.",
                ) from error


def _purpose_variable(purpose: str) -> dict[str, str]:
    return {"name": PURPOSE_VARIABLE, "value": purpose, "type": "PLAINTEXT"}


def _facts(build: Mapping[str, Any]) -> BuildFacts:
    logs = build.get("logs", {})
    return BuildFacts(
        build_id=build["id"],
        project=build.get("projectName", ""),
        status=build["buildStatus"],
        failures={
            phase["phaseType"]: "; ".join(context.get("message", "") for context in phase.get("contexts", ()))
            or "no reason is given"
            for phase in build.get("phases", ())
            if phase.get("phaseStatus") in {"FAILED", "FAULT", "TIMED_OUT", "CLIENT_ERROR"}
        },
        log_group=logs.get("groupName"),
        log_stream=logs.get("streamName"),
    )
