"""A model package into service and out again: a new configuration, a guarded update, and proof that it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from watchkeeper.aws.config_clone import cloned_name, config_tags, create_clone, marked_name
from watchkeeper.aws.rollout import Rollout
from watchkeeper.aws.sagemaker_hook import EndpointHook, LiveEndpoint
from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.errors import EndpointStateError

PACKAGE_TAG, REPLACES_TAG, TRIAL_TAG = "watchkeeper:model-package", "watchkeeper:replaces", "watchkeeper:trial-of"
_CAPTURE_FACTS = ("EnableCapture", "CurrentSamplingPercentage", "DestinationS3Uri")
_READ_EVENTS = "Read the endpoint's events and logs in SageMaker, mend the cause, and run again."


@dataclass(frozen=True)
class ModelChange:
    """What it takes to bring a model into service.

    ``config_name`` is the configuration to put in service, ``previous_config`` the one that was there; where nothing is
    to be done both are as they stand and ``in_service`` is true. ``capture`` is the data capture that ran before.
    ``in_progress`` says that another update is under way, which comes first.
    """

    endpoint_name: str
    variant: str
    model_name: str
    config_name: str
    previous_config: str | None
    capture: Mapping[str, Any] = field(default_factory=dict)
    in_service: bool = False
    in_progress: bool = False


def plan_promotion(
    hook: EndpointHook, endpoint_name: str, variant: str, package_arn: str, role_arn: str | None = None
) -> ModelChange:
    """Return the change that puts a package's model on a variant, having made model and configuration for it.

    Both names follow from what they are made from, so a retry finds what it made. All else of the configuration in
    service is kept: capture, instances, weights, other variants. The model keeps the network settings of the one it
    replaces, and its role unless another is given.

    Raises
    ------
    EndpointStateError
        when the endpoint has no such variant, or is neither in service nor being updated.
    """
    facts = hook.require_endpoint(endpoint_name)
    tags = config_tags(hook, facts.config_name)
    # While a second variant tries the model out, what is to be replaced is the configuration from before that.
    base = tags.get(TRIAL_TAG, facts.config_name)
    current = hook.endpoint_config(base)
    running = variant_of(current, variant, endpoint_name)
    digest = sha256(f"{endpoint_name}\0{package_arn}".encode()).hexdigest()[:10]
    model_name = marked_name(_package_stem(package_arn), digest)
    capture = _running_capture(facts)
    if facts.status == "Updating":
        return ModelChange(endpoint_name, variant, model_name, base, None, capture, in_progress=True)
    _require_service(facts)
    if running.get("ModelName") == model_name:
        replaced = tags.get(REPLACES_TAG)
        return ModelChange(endpoint_name, variant, model_name, facts.config_name, replaced, capture, in_service=True)
    _create_model(hook, model_name, package_arn, running.get("ModelName"), role_arn)
    wanted = {
        **current,
        "ProductionVariants": [
            {**item, "ModelName": model_name} if item["VariantName"] == variant else item
            for item in current["ProductionVariants"]
        ],
    }
    wanted["EndpointConfigName"] = cloned_name(base, wanted)
    create_clone(hook, wanted, base, {PACKAGE_TAG: package_arn, REPLACES_TAG: base})
    return ModelChange(endpoint_name, variant, model_name, wanted["EndpointConfigName"], base, capture)


def plan_rollback(
    hook: EndpointHook, endpoint_name: str, variant: str, promoted_config: str, previous_config: str
) -> ModelChange:
    """Return the change that puts the configuration from before a promotion back in service.

    Raises
    ------
    EndpointStateError
        when the model in service is neither that of the promotion nor the one before: somebody has changed it since,
        and going back would undo that.
    """
    facts = hook.require_endpoint(endpoint_name)
    capture = _running_capture(facts)
    before = variant_of(hook.endpoint_config(previous_config), variant, endpoint_name)["ModelName"]
    if facts.status == "Updating":
        return ModelChange(endpoint_name, variant, before, previous_config, None, capture, in_progress=True)
    _require_service(facts)
    serving = variant_of(hook.endpoint_config(facts.config_name), variant, endpoint_name)["ModelName"]
    if serving == before:
        return ModelChange(endpoint_name, variant, before, facts.config_name, None, capture, in_service=True)
    promoted = variant_of(hook.endpoint_config(promoted_config), variant, endpoint_name)["ModelName"]
    if serving != promoted:
        raise EndpointStateError(
            endpoint_name,
            f"model {serving} is in service, neither {promoted} of the promotion nor {before} from before it",
            "Somebody has changed it since; put the configuration that you want in service by hand.",
        )
    return ModelChange(endpoint_name, variant, before, previous_config, facts.config_name, capture)


def serving_model(hook: EndpointHook, endpoint_name: str, variant: str, config_name: str) -> tuple[str, str]:
    """Return the names of the model that a variant serves now, and of the one that a configuration gives it.

    Raises
    ------
    EndpointStateError
        when there is no such endpoint, or a configuration has no such variant.
    """
    facts = hook.require_endpoint(endpoint_name)
    names = [
        str(variant_of(hook.endpoint_config(name), variant, endpoint_name)["ModelName"])
        for name in (facts.config_name, config_name)
    ]
    return names[0], names[1]


def start_change(
    hook: EndpointHook, change: ModelChange, rollout: Rollout | None = None, *, retain_weights: bool = True
) -> None:
    """Begin to put the change's configuration in service, keeping what runs of counts and capture.

    Weights are kept too, unless ``retain_weights`` is false: then the configuration's own are taken.
    """
    if change.in_service or change.in_progress:
        return
    more: dict[str, Any] = {} if rollout is None else {"DeploymentConfig": rollout.as_request()}
    if not retain_weights:
        more["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": "DesiredWeight"}]
    with permission_named("sagemaker", f"endpoint/{change.endpoint_name}"):
        hook.client.update_endpoint(
            EndpointName=change.endpoint_name,
            EndpointConfigName=change.config_name,
            RetainAllVariantProperties=True,
            **more,
        )


def verify_change(hook: EndpointHook, change: ModelChange) -> LiveEndpoint:
    """Return the endpoint's facts if the change really holds.

    Raises
    ------
    EndpointStateError
        naming both configurations when the update was rolled back (which SageMaker does silently: the endpoint is
        InService again), or saying which variant lacks instances, or how capture is not as it was, or that it is off.
    """
    facts = hook.require_endpoint(change.endpoint_name)
    why = f" ({facts.failure_reason})" if facts.failure_reason else ""
    if facts.status != "InService":
        raise EndpointStateError(
            change.endpoint_name, f"its status is {facts.status}{why}, expected InService", _READ_EVENTS
        )
    if facts.config_name != change.config_name:
        raise EndpointStateError(
            change.endpoint_name,
            f"the update was rolled back: configuration {facts.config_name} is in service, and not "
            f"{change.config_name}{why}",
            _READ_EVENTS,
        )
    faults = [*_unhealthy(hook, change.endpoint_name), *_capture_faults(facts, change)]
    if faults:
        raise EndpointStateError(
            change.endpoint_name,
            f"configuration {facts.config_name} is in service, but {'; '.join(faults)}",
            "Mend it, or roll the model back.",
        )
    return facts


def _unhealthy(hook: EndpointHook, endpoint_name: str) -> list[str]:
    with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
        answer = hook.client.describe_endpoint(EndpointName=endpoint_name)
    faults = []
    for variant in answer.get("ProductionVariants", []):
        current, desired = variant.get("CurrentInstanceCount"), variant.get("DesiredInstanceCount")
        if current is not None and desired is not None and current < desired:
            faults.append(f"variant {variant['VariantName']} has {current} of {desired} instances")
    return faults


def _capture_faults(facts: LiveEndpoint, change: ModelChange) -> list[str]:
    now = _running_capture(facts)
    faults = [
        f"of capture {name} is {now.get(name)!r}, before it was {before!r}"
        for name, before in change.capture.items()
        if now.get(name) != before
    ]
    if not faults and not now.get("EnableCapture"):
        # It was off before as well: a model that nobody can watch is not well in service.
        return ["data capture is off, so the model cannot be monitored"]
    return faults


def _running_capture(facts: LiveEndpoint) -> dict[str, Any]:
    return {name: facts.capture[name] for name in _CAPTURE_FACTS if name in facts.capture}


def _require_service(facts: LiveEndpoint) -> None:
    if facts.status != "InService":
        why = f" ({facts.failure_reason})" if facts.failure_reason else ""
        raise EndpointStateError(
            facts.endpoint_name,
            f"its status is {facts.status}{why}, expected InService",
            "Bring the endpoint into service, then run again.",
        )


def variant_of(config: Mapping[str, Any], variant: str, endpoint_name: str) -> Mapping[str, Any]:
    """Return one variant of a configuration; EndpointStateError if it has none of this name."""
    for item in config["ProductionVariants"]:
        if item["VariantName"] == variant:
            found: Mapping[str, Any] = item
            return found
    known = ", ".join(item["VariantName"] for item in config["ProductionVariants"])
    raise EndpointStateError(
        endpoint_name,
        f"configuration {config['EndpointConfigName']} has no variant {variant}; it has {known}",
        "Correct variants in the endpoint's file.",
    )


def _create_model(
    hook: EndpointHook, model_name: str, package_arn: str, replaced: str | None, role_arn: str | None
) -> None:
    from botocore.exceptions import ClientError

    with permission_named("sagemaker", f"model/{model_name}"):
        before: Mapping[str, Any] = hook.client.describe_model(ModelName=replaced) if replaced else {}
        role = role_arn or before.get("ExecutionRoleArn")
        request: dict[str, Any] = {
            "ModelName": model_name,
            "PrimaryContainer": {"ModelPackageName": package_arn},
            "Tags": [{"Key": PACKAGE_TAG, "Value": package_arn}],
            **({"ExecutionRoleArn": role} if role else {}),
            **({"VpcConfig": before["VpcConfig"]} if before.get("VpcConfig") else {}),
            **({"EnableNetworkIsolation": True} if before.get("EnableNetworkIsolation") else {}),
        }
        try:
            hook.client.create_model(**request)
        except ClientError as error:
            if error_code(error) == "ValidationException" and "already existing" in str(error):
                return
            raise


def _package_stem(package_arn: str) -> str:
    """Return ``group-version`` of a package's ARN."""
    return package_arn.partition(":model-package/")[2].replace("/", "-") or "model"
