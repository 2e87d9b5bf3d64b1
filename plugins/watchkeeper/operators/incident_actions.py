"""The actions of remediation: what each is to bring about, written down first, and how it is done."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.auto_scaling_hook import AutoScalingHook
from watchkeeper.aws.code_pipeline_hook import CodePipelineHook
from watchkeeper.aws.endpoint_capacity import CapacityTarget, plan_scale_out, scale_out
from watchkeeper.aws.endpoint_restart import make_restart_config
from watchkeeper.aws.endpoint_roll_back import previous_config, previous_package_config, put_in_service
from watchkeeper.aws.service_failure import error_code, is_refused, permission_named
from watchkeeper.aws.variant_weights import plan_shift, set_weights
from watchkeeper.errors import EndpointStateError, PermissionMissingError, PipelineError
from watchkeeper.registry.alarm_name import ALL_VARIANTS, AlarmName

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.endpoint_snapshot import EndpointSnapshot
    from watchkeeper.aws.incident_record import IncidentRecord, IncidentStep
    from watchkeeper.aws.pipeline_hook import PipelineHook
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.remediation_spec import RemediationSpec

RETRAIN_DAG = "retrain"
#: No function of Lambda runs longer than 15 minutes.
_LONGEST_FUNCTION_SECONDS = 910
_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


@dataclass(frozen=True)
class ActionCase:
    """One step of an incident, and all that is needed to do it."""

    deployment: "Deployment"
    spec: "EndpointSpec"
    policy: "RemediationSpec"
    record: "IncidentRecord"
    step: "IncidentStep"
    access: "AwsAccess"
    hook: "PipelineHook"
    snapshot: "EndpointSnapshot"

    @property
    def purpose(self) -> str:
        """What names everything that this step makes: another try of it finds the same."""
        return f"{self.record.endpoint}-{self.record.incident_id}-{len(self.record.steps)}"

    def variant(self, given: str | None) -> str:
        """Return the variant to act on: as given, else that of the first alarm that is of one, else the only one."""
        if given is not None:
            return given
        prefix = self.deployment.settings.resource_prefix
        for name in self.step.alarms:
            parts = AlarmName.parse(name, prefix)
            if parts is not None and parts.variant != ALL_VARIANTS:
                return parts.variant
        if len(self.snapshot.weights) > 1:
            raise EndpointStateError(
                self.spec.endpoint_name,
                f"it has the variants {', '.join(sorted(self.snapshot.weights))}, and no alarm says which is meant",
                f"Name one in remediation.{self.step.action} of its file.",
            )
        return next(iter(self.snapshot.weights), self.spec.variants[0])


def plan_action(case: ActionCase) -> dict[str, Any]:
    """Return what a step is to bring about, as its record keeps it. Configurations are made, nothing is changed.

    EndpointStateError when it cannot be done.
    """
    return _PLANS[case.step.action](case)


def do_action(case: ActionCase, target: Mapping[str, Any]) -> dict[str, Any]:
    """Bring about what was planned, and return what is to be added to it; asked again, it is done once."""
    return _DEEDS[case.step.action](case, target) or {}


def is_refusal(error: Exception) -> bool:
    """Return whether trying again would be refused again: AWS said no, or the thing is not as it has to be."""
    from botocore.exceptions import ClientError, ParamValidationError

    if isinstance(error, EndpointStateError | PermissionMissingError | PipelineError | ParamValidationError):
        return True
    if not isinstance(error, ClientError):
        return False
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    return is_refused(error) or (400 <= status < 500 and error_code(error) not in _THROTTLED)


# ---- plans


def _plan_scale_out(case: ActionCase) -> dict[str, Any]:
    wanted = case.policy.scale_out
    target = plan_scale_out(
        case.access.open(AutoScalingHook),
        case.spec.endpoint_name,
        case.snapshot,
        case.variant(wanted.variant),
        add_instances=wanted.add_instances,
        maximum_instances=wanted.maximum_instances,
    )
    return asdict(target)


def _plan_shift(case: ActionCase) -> dict[str, Any]:
    wanted = case.policy.shift_weights
    assert wanted is not None, case.spec.registry_id  # noqa: S101 - the file is refused without it
    giving = case.variant(wanted.from_variant)
    weights = plan_shift(case.spec.endpoint_name, case.snapshot, giving, wanted.to_variant, wanted.share)
    return {"weights": weights}


def _plan_roll_back(case: ActionCase) -> dict[str, Any]:
    serving, endpoint = case.snapshot.config, case.spec.registry_id
    if case.policy.roll_back.to == "previous_package" and case.spec.retraining is not None:
        group = case.spec.retraining.model_package_group
        target = previous_package_config(case.hook, case.spec.endpoint_name, case.variant(None), serving, group)
        return {"from_config": serving, "config": target.config, "told_by": target.told_by}
    history, promoted = case.deployment.config_history, case.deployment.actions.last_promotion(endpoint)
    known = promoted is not None and promoted.previous_config is not None and promoted.new_config is not None
    target = previous_config(
        case.hook,
        case.spec.endpoint_name,
        serving,
        promotion=(str(promoted.previous_config), str(promoted.new_config)) if known and promoted else None,
        seen=history.before(endpoint, serving),
        is_bad=lambda config: history.is_bad(endpoint, config),
    )
    return {"from_config": serving, "config": target.config, "told_by": target.told_by}


def _plan_restart(case: ActionCase) -> dict[str, Any]:
    config = make_restart_config(case.hook, case.snapshot.config, case.purpose)
    return {"from_config": case.snapshot.config, "config": config}


def _plan_retrain(case: ActionCase) -> dict[str, Any]:
    return {"dag_id": RETRAIN_DAG, "run_id": f"remediate__{case.purpose}"}


def _plan_lambda(case: ActionCase) -> dict[str, Any]:
    assert case.policy.invoke_lambda is not None, case.spec.registry_id  # noqa: S101 - the file is refused without it
    return {"function_name": case.policy.invoke_lambda.function_name}


def _plan_pipeline(case: ActionCase) -> dict[str, Any]:
    assert case.policy.start_pipeline is not None, case.spec.registry_id  # noqa: S101 - the file is refused without it
    return {"pipeline_name": case.policy.start_pipeline.pipeline_name}


# ---- deeds


def _scale_out(case: ActionCase, target: Mapping[str, Any]) -> None:
    plan = CapacityTarget(**target)
    running = case.snapshot.wanted_instances.get(plan.variant, 0)
    if plan.through == "autoscaling" or running < plan.wanted:
        scale_out(case.hook, case.access.open(AutoScalingHook), case.spec.endpoint_name, plan)


def _shift(case: ActionCase, target: Mapping[str, Any]) -> None:
    weights = dict(target["weights"])
    if any(case.snapshot.weights.get(name) != weight for name, weight in weights.items()):
        set_weights(case.hook, case.spec.endpoint_name, weights)


def _put_config(case: ActionCase, target: Mapping[str, Any]) -> None:
    put_in_service(case.hook, case.spec.endpoint_name, str(target["config"]))


def _nothing_here(_case: ActionCase, _target: Mapping[str, Any]) -> None:
    """Do nothing: Airflow starts the run once the task has ended."""


def _invoke(case: ActionCase, target: Mapping[str, Any]) -> dict[str, Any]:
    if target.get("asked"):
        # A try that died has asked: the function is not asked twice, and the alarm tells whether it acted.
        return {}
    name = str(target["function_name"])
    document = {
        "incident_id": case.record.incident_id,
        "idempotency_key": case.purpose,
        "endpoint": case.record.endpoint,
        "endpoint_name": case.spec.endpoint_name,
        "rule": case.step.rule,
        "alarms": list(case.step.alarms),
        "why": case.step.why,
    }
    case.deployment.incidents.change_step(
        case.record.endpoint, case.record.incident_id, by=case.record.held_by, target={**target, "asked": True}
    )
    answer = _asked_once(case, name, json.dumps(document).encode(), target)
    if answer.get("FunctionError"):
        raise EndpointStateError(
            f"function {name}", f"it answered with the error {answer['FunctionError']}", "Read its log."
        )
    return {"asked": True, "status": int(answer.get("StatusCode", 0))}


def _asked_once(case: ActionCase, name: str, payload: bytes, target: Mapping[str, Any]) -> Any:
    """Return a function's answer. botocore would ask again a function that answers late: here nobody does."""
    from botocore.config import Config
    from botocore.exceptions import ClientError

    from watchkeeper.aws.service_hook import ServiceHook

    hook = case.access.open(ServiceHook, client_type="lambda")
    once = Config(
        read_timeout=_LONGEST_FUNCTION_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
    )
    client: Any = hook.get_client_type(config=hook.config.merge(once))
    try:
        with permission_named("lambda", f"function:{name}"):
            return client.invoke(FunctionName=name, InvocationType="RequestResponse", Payload=payload)
    except ClientError as error:
        if error_code(error) in _THROTTLED:
            # It did not run: the next try of this task may ask.
            case.deployment.incidents.change_step(
                case.record.endpoint, case.record.incident_id, by=case.record.held_by, target=dict(target)
            )
        raise


def _start_pipeline(case: ActionCase, target: Mapping[str, Any]) -> dict[str, Any]:
    name = str(target["pipeline_name"])
    return {"execution_id": case.access.open(CodePipelineHook).start_execution(name, case.purpose)}


_PLANS: dict[str, Callable[[ActionCase], dict[str, Any]]] = {
    "scale_out": _plan_scale_out,
    "shift_weights": _plan_shift,
    "roll_back": _plan_roll_back,
    "restart": _plan_restart,
    "retrain": _plan_retrain,
    "invoke_lambda": _plan_lambda,
    "start_pipeline": _plan_pipeline,
}
_DEEDS: dict[str, Callable[[ActionCase, Mapping[str, Any]], dict[str, Any] | None]] = {
    "scale_out": _scale_out,
    "shift_weights": _shift,
    "roll_back": _put_config,
    "restart": _put_config,
    "retrain": _nothing_here,
    "invoke_lambda": _invoke,
    "start_pipeline": _start_pipeline,
}
