"""Which configuration an endpoint goes back to, and how it is put in service."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.config_clone import config_tags
from watchkeeper.aws.endpoint_restart import restart_origin
from watchkeeper.aws.model_deployment import REPLACES_TAG, plan_promotion, variant_of
from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.errors import EndpointStateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchkeeper.aws.pipeline_hook import PipelineHook
    from watchkeeper.aws.sagemaker_hook import EndpointHook


@dataclass(frozen=True)
class RollBackTarget:
    """The configuration to put back, and who says that it served before."""

    config: str
    told_by: str


def previous_config(
    hook: "EndpointHook",
    endpoint_name: str,
    serving: str,
    *,
    promotion: tuple[str, str] | None = None,
    seen: Iterable[str] = (),
    is_bad: "Callable[[str], bool]" = lambda _config: False,
) -> RollBackTarget:
    """Return the configuration that served before ``serving``.

    By the record of the newest promotion (its configurations before and after), by the tag of what Watchkeeper made,
    then by what was ``seen`` in service, newest first. A configuration that was deleted, or rolled back from itself
    (``is_bad``), is passed over.

    Raises
    ------
    EndpointStateError
        when nobody knows one.
    """
    origin = restart_origin(hook, serving)
    told: list[RollBackTarget] = []
    if promotion is not None and promotion[1] in {serving, origin}:
        told.append(RollBackTarget(promotion[0], "the record of its promotion"))
    replaced = config_tags(hook, origin).get(REPLACES_TAG)
    if replaced is not None:
        told.append(RollBackTarget(replaced, f"the tag {REPLACES_TAG}"))
    told += [RollBackTarget(config, "what was seen in service") for config in seen]
    ours = {serving, origin}
    for target in told:
        passed = target.config in ours or is_bad(target.config) or not _exists(hook, target.config)
        if not passed and restart_origin(hook, target.config) != origin:
            return target
    raise EndpointStateError(
        endpoint_name,
        f"no configuration from before {serving} is known that still exists and was not rolled back from",
        "Put the configuration that you want in service by hand.",
    )


def previous_package_config(
    hook: "PipelineHook", endpoint_name: str, variant: str, serving: str, group: str
) -> RollBackTarget:
    """Return a configuration with the newest approved package that is older than the one in service, having made it.

    Raises
    ------
    EndpointStateError
        when the model in service is of no package of the group, or no older one is approved.
    """
    model = str(variant_of(hook.endpoint_config(serving), variant, endpoint_name).get("ModelName"))
    packages = _approved_packages(hook, group)
    with permission_named("sagemaker", f"model/{model}"):
        described: Any = hook.client.describe_model(ModelName=model)
    containers = [described.get("PrimaryContainer") or {}, *(described.get("Containers") or [])]
    current = next((str(item["ModelPackageName"]) for item in containers if item.get("ModelPackageName")), None)
    if current is None or f"/{group}/" not in current:
        raise EndpointStateError(
            endpoint_name,
            f"model {model} in service is of no package of the group {group}",
            "Use roll_back.to previous_config, or correct retraining.model_package_group.",
        )
    older = [arn for arn in packages if _version(arn) < _version(current)]
    if not older:
        raise EndpointStateError(
            endpoint_name,
            f"no package of {group} older than version {_version(current)} is approved",
            "Approve one, or put the model that you want in service by hand.",
        )
    chosen = max(older, key=_version)
    change = plan_promotion(hook, endpoint_name, variant, chosen)
    return RollBackTarget(change.config_name, f"model package {chosen.rpartition(':')[2]}")


def put_in_service(hook: "EndpointHook", endpoint_name: str, config: str) -> bool:
    """Begin to put a configuration in service, keeping what runs of counts, weights and capture.

    Return ``False``, having done nothing, where it is in service or on its way already.
    """
    live = hook.require_endpoint(endpoint_name)
    if live.config_name == config:
        return False
    with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
        hook.client.update_endpoint(
            EndpointName=endpoint_name, EndpointConfigName=config, RetainAllVariantProperties=True
        )
    return True


def _exists(hook: "EndpointHook", config: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        hook.endpoint_config(config)
    except ClientError as error:
        if error_code(error) == "ValidationException" and "Could not find" in str(error):
            return False
        raise
    return True


def _approved_packages(hook: "PipelineHook", group: str) -> list[str]:
    with permission_named("sagemaker", f"model-package-group/{group}"):
        pages = hook.client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group, ModelApprovalStatus="Approved"
        )
        return [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]


def _version(arn: str) -> int:
    text = arn.rpartition("/")[2]
    return int(text) if text.isdigit() else 0
