"""What AWS itself says about runs that events told of: how far one is, and when one last started."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.job_hook import JobHook
from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.errors import JobError
from watchkeeper.registry.capture_window import utc_moment
from watchkeeper.registry.event_kind import JOB_TYPES, SHAPES, EventKind, JobType, Outcome, plain

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess

_OUTCOMES: dict[str, dict[str, Outcome]] = {
    shape.kind: {plain(name): outcome for name, outcome in shape.outcomes.items()} for shape in SHAPES.values()
}
#: CodePipeline's API has words of its own for what its events call STARTED and CANCELED.
_OUTCOMES["code_pipeline"] |= {"inprogress": "running", "cancelled": "stopped"}
_NOT_THERE = frozenset(
    {"PipelineNotFoundException", "PipelineExecutionNotFoundException", "ExecutionDoesNotExist", "ResourceNotFound"}
)


@dataclass(frozen=True)
class RunStatus:
    """How far a run is, in AWS's words and ours, and when it ended if that is known."""

    status: str
    outcome: Outcome
    ended_at: datetime | None = None


def run_status(access: "AwsAccess", kind: EventKind, name: str, run: str) -> RunStatus | None:
    """Return how far a run is; ``None`` for one that AWS does not know any more.

    ``run`` is the execution's id or ARN, the build's ARN or the job's ARN, as events tell them.
    """
    from botocore.exceptions import ClientError

    with permission_named(_SERVICES.get(kind, "sagemaker"), run):
        try:
            if kind in JOB_TYPES:
                return _job(access, kind, run)
            return _OTHERS[kind](access, name, run)
        except (JobError, LookupError):
            return None
        except ClientError as error:
            if error_code(error) in _NOT_THERE:
                return None
            raise


def last_start(access: "AwsAccess", kind: EventKind, name: str, since: datetime) -> datetime | None:
    """Return when a run of exactly this name last started, at or after ``since``; ``None`` if none did.

    LookupError for what AWS cannot be asked: names that are patterns, and state machines, whose ARN a name is not.
    """
    if any(letter in name for letter in "*?[") or kind not in _STARTS:
        message = f"AWS cannot be asked when {kind} {name} last started"
        raise LookupError(message)
    from botocore.exceptions import ClientError

    with permission_named(_SERVICES.get(kind, "sagemaker"), name):
        try:
            started = _STARTS[kind](access, name)
        except ClientError as error:
            if error_code(error) in _NOT_THERE or "does not exist" in str(error):
                return None
            raise
    return started if started is not None and started >= since else None


def _job(access: "AwsAccess", kind: JobType, run: str) -> RunStatus:
    facts = access.open(JobHook).facts(kind, run if kind == "pipeline" else run.rpartition("/")[2])
    return RunStatus(facts.status, facts.outcome, facts.ended_at)


def _code_pipeline(access: "AwsAccess", name: str, run: str) -> RunStatus:
    answer = access.client("codepipeline").get_pipeline_execution(pipelineName=name, pipelineExecutionId=run)
    return _known("code_pipeline", answer["pipelineExecution"]["status"], None)


def _code_build(access: "AwsAccess", name: str, run: str) -> RunStatus:  # noqa: ARG001
    (build,) = access.client("codebuild").batch_get_builds(ids=[run]).get("builds") or [None]
    if build is None:
        raise LookupError(run)
    return _known("code_build", build["buildStatus"], build.get("endTime"))


def _state_machine(access: "AwsAccess", name: str, run: str) -> RunStatus:  # noqa: ARG001
    answer = access.client("stepfunctions").describe_execution(executionArn=run)
    return _known("state_machine", answer["status"], answer.get("stopDate"))


def _known(kind: EventKind, status: str, ended_at: datetime | None) -> RunStatus:
    outcome = _OUTCOMES[kind].get(plain(status), "changed")
    return RunStatus(status, outcome, None if ended_at is None else utc_moment(ended_at))


def _last_pipeline(access: "AwsAccess", name: str) -> datetime | None:
    answer = access.client("sagemaker").list_pipeline_executions(
        PipelineName=name, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )
    return _latest(answer["PipelineExecutionSummaries"], "StartTime")


def _last_code_pipeline(access: "AwsAccess", name: str) -> datetime | None:
    answer = access.client("codepipeline").list_pipeline_executions(pipelineName=name, maxResults=1)
    return _latest(answer["pipelineExecutionSummaries"], "startTime")


def _last_code_build(access: "AwsAccess", name: str) -> datetime | None:
    client = access.client("codebuild")
    ids = client.list_builds_for_project(projectName=name, sortOrder="DESCENDING").get("ids", [])[:1]
    return _latest(client.batch_get_builds(ids=ids)["builds"], "startTime") if ids else None


def _latest(summaries: list[Any], field: str) -> datetime | None:
    moments = [utc_moment(summary[field]) for summary in summaries if summary.get(field) is not None]
    return max(moments, default=None)


_SERVICES = {"code_pipeline": "codepipeline", "code_build": "codebuild", "state_machine": "states"}
_OTHERS: dict[str, Callable[["AwsAccess", str, str], RunStatus]] = {
    "code_pipeline": _code_pipeline,
    "code_build": _code_build,
    "state_machine": _state_machine,
}
_STARTS: dict[str, Callable[["AwsAccess", str], datetime | None]] = {
    "pipeline": _last_pipeline,
    "code_pipeline": _last_code_pipeline,
    "code_build": _last_code_build,
}
