"""What happens by itself in an AWS: alarms are evaluated, capacities kept, and changes of state become events.

Once a second. A state that came and went between two looks is not told, except an endpoint's.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from sandbox.aws_client import ACCOUNT
from sandbox.native_events import emit

_TICK_SECONDS = 1.0
_SAGEMAKER = "aws.sagemaker"

logger = logging.getLogger("sandbox")


@dataclass(frozen=True)
class PlatformState:
    """The state of one resource, and what an event tells of it when it has become this one."""

    source: str
    detail_type: str
    arn: str
    key: str
    """What tells it from others of its kind."""
    status: str
    detail: Callable[[str | None], dict[str, Any]]
    """Made of the state before, None if the resource is new."""


StatesOf = Callable[[str], Iterator[PlatformState]]
"""The states of all resources of a region."""


class PlatformClock:
    """Runs ``tasks`` every second and tells EventBridge what has changed; ``start`` and ``stop`` frame its thread."""

    def __init__(self, tasks: list[Callable[[], None]], sources: list[StatesOf]) -> None:
        self._tasks, self._sources = tasks, sources
        self._known: dict[tuple[str, str, str], PlatformState] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-clock", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until the last tick is over."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            for task in (*self._tasks, self._tell):
                try:
                    task()
                except Exception:
                    logger.exception("the sandbox's clock goes on")

    def _tell(self) -> None:
        for region in list(sagemaker_backends[ACCOUNT]):
            present = {
                (region, state.detail_type, state.key): state for source in self._sources for state in source(region)
            }
            for key, state in present.items():
                before = self._known.get(key)
                if before is None or before.status != state.status:
                    detail = state.detail(before.status if before else None)
                    emit(state.source, state.detail_type, detail, [state.arn], ACCOUNT, region)
            self._known.update(present)


def tell_of_endpoints() -> None:
    """Let endpoints come as far as they are by now, and tell of every state in between."""
    for region in list(sagemaker_backends[ACCOUNT]):
        backend = sagemaker_backends[ACCOUNT][region]
        for name in list(backend.endpoints):
            backend.settled(name)
        while backend.transitions:
            detail = backend.transitions.pop(0)
            arn = detail["EndpointArn"]
            emit(_SAGEMAKER, "SageMaker Endpoint State Change", detail, [arn], ACCOUNT, region)


def sagemaker_states(region: str) -> Iterator[PlatformState]:
    """Yield endpoint configurations, jobs, model packages and pipeline executions."""
    backend = sagemaker_backends[ACCOUNT][region]
    for config in list(backend.endpoint_configs.values()):
        yield PlatformState(
            _SAGEMAKER,
            "SageMaker Endpoint Config State Change",
            config.endpoint_config_arn,
            config.endpoint_config_arn,
            "Created",
            lambda _before, config=config: {
                "EndpointConfigName": config.endpoint_config_name,
                "EndpointConfigArn": config.endpoint_config_arn,
                "CreationTime": _milliseconds(config.creation_time),
            },
        )
    yield from _jobs(backend)
    yield from _packages_and_executions(backend)


def _jobs(backend: Any) -> Iterator[PlatformState]:
    for kind, jobs in (
        ("Training", backend.training_jobs),
        ("Processing", backend.processing_jobs),
        ("Transform", backend.transform_jobs),
        ("HyperParameter Tuning", backend.hyper_parameter_tuning_jobs),
    ):
        attribute = f"{re.sub(r'(?<=r)(?=P)| ', '_', kind).lower()}_job_status"
        for job in list(jobs.values()):
            yield PlatformState(
                _SAGEMAKER,
                f"SageMaker {kind} Job State Change",
                job.arn,
                job.arn,
                getattr(job, attribute),
                lambda _before, job=job: dict(job.response_object),
            )


def _packages_and_executions(backend: Any) -> Iterator[PlatformState]:
    for package in list(backend.model_packages.values()):
        yield PlatformState(
            _SAGEMAKER,
            "SageMaker Model Package State Change",
            package.arn,
            package.arn,
            f"{package.model_package_status} {package.model_approval_status}",
            lambda _before, package=package: {
                "ModelPackageGroupName": package.model_package_group_name,
                "ModelPackageArn": package.arn,
                "ModelPackageVersion": package.model_package_version,
                "ModelPackageStatus": package.model_package_status,
                "ModelApprovalStatus": package.model_approval_status,
                "CustomerMetadataProperties": package.customer_metadata_properties or {},
            },
        )
    for pipeline in list(backend.pipelines.values()):
        for execution in list(pipeline.pipeline_executions.values()):
            yield PlatformState(
                _SAGEMAKER,
                "SageMaker Model Building Pipeline Execution Status Change",
                execution.arn,
                execution.arn,
                execution.pipeline_execution_status,
                lambda before, execution=execution, pipeline=pipeline: {
                    "pipelineArn": pipeline.arn,
                    "pipelineExecutionArn": execution.arn,
                    "pipelineExecutionDisplayName": execution.pipeline_execution_display_name,
                    "previousPipelineExecutionStatus": before,
                    "currentPipelineExecutionStatus": execution.pipeline_execution_status,
                    "executionStartTime": execution.start_time.isoformat(),
                },
            )


def _milliseconds(moment: Any) -> Any:
    return int(moment.timestamp() * 1000) if hasattr(moment, "timestamp") else moment
