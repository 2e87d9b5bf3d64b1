"""Runs an endpoint's retraining pipeline for one attempt, and waits for its model package."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowException

from watchkeeper.aws.pipeline_hook import ExecutionFacts, PipelineHook
from watchkeeper.aws.pipeline_trigger import PipelineEndedTrigger
from watchkeeper.errors import PipelineError
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.retraining_spec import RetrainingSpec

PIPELINES_FOLDER = "pipelines"


class RunRetrainingPipelineOperator(MonitorOperator):
    """Start the endpoint's SageMaker Pipeline for an attempt, or adopt its execution, and wait until it has ended.

    The definition (rendered by this run, else shipped in ``include/pipelines``) is put in force first, where it has
    changed, and kept below ``pipelines/`` in the store. An execution that
    somebody killed the task of is stopped; one that runs or has succeeded is adopted by a retry, one that failed is
    followed by another. What the attempt's audit record says is brought along, where there is one.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param attempt_id: Which attempt this is: the same id finds the same execution. (templated)
    :param parameters: The pipeline's parameters of this run, over those of the endpoint's file; ``EndpointId``,
        ``ModelPackageGroupName`` and ``RoleArn`` are added. Those that every run sets and this pipeline does not take
        are left out. (templated)
    :param definitions: Rendered definitions by their file's name, over those that are shipped. (templated)
    :param deferrable: Wait in the triggerer rather than in a worker.
    :param cancel_on_kill: Stop the execution when the task is killed, also while it is deferred.
    :param waiter_delay: Seconds between two looks at the execution's status.
    :param waiter_max_attempts: How many looks to take; after that the execution is stopped.
    """

    template_fields: "Sequence[str]" = (
        *MonitorOperator.template_fields,
        "endpoint",
        "attempt_id",
        "parameters",
        "definitions",
    )
    ui_color = "#e6dff4"

    def __init__(
        self,
        *,
        endpoint: str,
        attempt_id: str,
        parameters: dict[str, str] | None = None,
        definitions: dict[str, str] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        cancel_on_kill: bool = True,
        waiter_delay: int = 60,
        waiter_max_attempts: int = 720,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.attempt_id = attempt_id
        self.parameters = parameters
        self.definitions = definitions
        self.deferrable = deferrable
        self.cancel_on_kill = cancel_on_kill
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.execution_arn: str | None = None

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def execute(self, context: "Context") -> dict[str, str]:
        """Return ``attempt_id``, ``execution_arn`` and ``model_package_arn``; AirflowFailException with the reason."""
        with failing_at_once():
            deployment, hook = self._open()
            definition_uri = self._put_definition(deployment, hook)
            self.execution_arn = self._start(deployment, hook)
            fields: dict[str, Any] = {"execution_arn": self.execution_arn, "definition_uri": definition_uri}
            _record(deployment, self, "training", context, **fields)
            if not hook.execution(self.execution_arn).has_ended:
                self._wait(deployment, hook, self.execution_arn)
            return self._finish(deployment, hook, context)

    def execute_complete(self, context: "Context", event: dict[str, Any] | None = None) -> dict[str, str]:
        """Come back from the trigger, and read what became of the execution."""
        with failing_at_once():
            deployment, hook = self._open()
            self.execution_arn = (event or {}).get("execution_arn")
            if not event or event.get("status") != "success" or self.execution_arn is None:
                self._give_up(hook)
                message = f"Waiting for the pipeline ended with {event!r}"
                raise AirflowException(message)
            return self._finish(deployment, hook, context)

    def on_kill(self) -> None:
        """Stop the execution when the task is killed while a worker waits for it."""
        if self.execution_arn is not None and self.cancel_on_kill:
            self.log.info("Stopping pipeline execution %s", self.execution_arn)
            self._open()[1].stop_execution(self.execution_arn)

    def _open(self) -> "tuple[Deployment, PipelineHook]":
        deployment = self.open_deployment()
        spec = deployment.registry.require(self.endpoint)
        return deployment, deployment.access_of(spec).open(PipelineHook)

    def _put_definition(self, deployment: "Deployment", hook: PipelineHook) -> str | None:
        """Put the pipeline's definition in force and return where it is kept; None where it is kept elsewhere."""
        retraining = required_retraining(deployment.registry.require(self.endpoint))
        if retraining.definition is None or retraining.role_arn is None:
            return None
        rendered = (self.definitions or {}).get(retraining.definition)
        definition = rendered or _shipped(deployment, retraining.definition)
        if hook.put_pipeline(retraining.pipeline_name, definition, retraining.role_arn):
            told = "rendered" if rendered else "shipped"
            self.log.info("Pipeline %s now has the %s %s", retraining.pipeline_name, told, retraining.definition)
        return deployment.actions.write_definition(retraining.definition, definition)

    def _start(self, deployment: "Deployment", hook: PipelineHook) -> str:
        spec = deployment.registry.require(self.endpoint)
        retraining = required_retraining(spec)
        known = hook.pipeline_parameters(retraining.pipeline_name)
        parameters = self._parameters(spec, retraining, known)
        arn = hook.start_execution(retraining.pipeline_name, self.attempt_id, parameters)
        self.log.info("Attempt %s of %s is execution %s", self.attempt_id, self.endpoint, arn)
        return arn

    def _parameters(self, spec: "EndpointSpec", retraining: "RetrainingSpec", known: frozenset[str]) -> dict[str, str]:
        from watchkeeper.registry.retraining_spec import OWN_PARAMETERS

        own = {
            "EndpointId": spec.registry_id,
            "ModelPackageGroupName": retraining.model_package_group,
            **({"RoleArn": retraining.role_arn} if retraining.role_arn else {}),
        }
        given = {**own, **retraining.parameters, **(self.parameters or {})}
        unknown = sorted(set(given) - known - set(OWN_PARAMETERS))
        if unknown:
            raise PipelineError(
                retraining.pipeline_name,
                f"it takes no parameter {', '.join(unknown)}; it takes {', '.join(sorted(known)) or 'none'}",
                "Correct retraining.parameters in the endpoint's file.",
            )
        return {name: value for name, value in given.items() if name in known}

    def _wait(self, deployment: "Deployment", hook: PipelineHook, arn: str) -> None:
        if self.deferrable:
            access = deployment.access_of(deployment.registry.require(self.endpoint))
            self.defer(
                trigger=PipelineEndedTrigger(
                    execution_arn=arn,
                    cancel_on_kill=self.cancel_on_kill,
                    waiter_delay=self.waiter_delay,
                    waiter_max_attempts=self.waiter_max_attempts,
                    **access.trigger_arguments(),
                ),
                method_name="execute_complete",
                # The waiter gives up first, so that the execution is stopped rather than left to run.
                timeout=timedelta(seconds=self.waiter_delay * self.waiter_max_attempts + 600),
            )
        from botocore.exceptions import WaiterError

        try:
            hook.get_waiter("pipeline_execution_ended").wait(
                PipelineExecutionArn=arn,
                WaiterConfig={"Delay": self.waiter_delay, "MaxAttempts": self.waiter_max_attempts},
            )
        except WaiterError:
            self._give_up(hook)
            raise

    def _give_up(self, hook: PipelineHook) -> None:
        if self.execution_arn is not None and self.cancel_on_kill and hook.stop_execution(self.execution_arn):
            self.log.warning("Stopped pipeline execution %s, which did not end in time", self.execution_arn)

    def _finish(self, deployment: "Deployment", hook: PipelineHook, context: "Context") -> dict[str, str]:
        facts = hook.execution(str(self.execution_arn))
        try:
            package = self._package_of(facts)
        except PipelineError as error:
            _record(deployment, self, "failed", context, why=error.found)
            raise
        _record(deployment, self, "trained", context, model_package_arn=package)
        self.log.info("Attempt %s of %s made %s", self.attempt_id, self.endpoint, package)
        return {"attempt_id": self.attempt_id, "execution_arn": facts.arn, "model_package_arn": package}

    def _package_of(self, facts: ExecutionFacts) -> str:
        if not facts.has_succeeded:
            raise PipelineError(facts.arn, facts.reason, "Mend the cause and clear this task: it starts another one.")
        if facts.model_package_arn is None:
            raise PipelineError(
                facts.arn,
                "it succeeded, and no step of it registered a model package",
                "Give the pipeline a RegisterModel step.",
            )
        return facts.model_package_arn


def required_retraining(spec: "EndpointSpec") -> "RetrainingSpec":
    """Return what an endpoint's file says about retraining; PipelineError if it says nothing."""
    if spec.retraining is None:
        raise PipelineError(
            spec.registry_id, "its file has no section retraining", "Add it, or do not ask for retraining."
        )
    return spec.retraining


def run_name(context: "Context") -> str:
    """Return what an audit record calls this run."""
    run: Any = context.get("dag_run")
    return f"{getattr(run, 'dag_id', 'unknown')} {getattr(run, 'run_id', 'unknown')}"


def _record(
    deployment: "Deployment",
    operator: RunRetrainingPipelineOperator,
    state: str,
    context: "Context",
    *,
    why: str = "",
    **fields: Any,
) -> None:
    """Bring the attempt's record along, if the attempt was recorded at all and is not beyond that state already."""
    from watchkeeper.aws.action_store import AttemptState

    record = deployment.actions.read(operator.endpoint, operator.attempt_id)
    if record is None or (record.state in _BEYOND[state] and record.execution_arn == operator.execution_arn):
        return
    told = why or f"pipeline execution {operator.execution_arn}"
    deployment.actions.advance(
        operator.endpoint,
        operator.attempt_id,
        AttemptState(state),
        by=run_name(context),
        why=told,
        now=datetime.now(UTC),
        **fields,
    )


#: A retry that adopts a finished execution does not throw its attempt back.
_BEYOND = {
    "training": {"training", "trained", "compared", "approved", "promoted", "rejected", "rolled_back"},
    "trained": {"trained", "compared", "approved", "promoted", "rejected", "rolled_back"},
    "failed": {"failed", "rejected"},
}


def _shipped(deployment: "Deployment", name: str) -> str:
    path = deployment.settings.include_folder() / PIPELINES_FOLDER / name
    if not path.is_file():
        raise PipelineError(str(path), "there is no such file", "Render it with `make pipelines`, or ship it.")
    return path.read_text(encoding="utf-8")
