"""Which model a live endpoint's variant serves, and on what: read with a plain boto3 client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.errors import EndpointStateError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

# Parts of a variant that a model may need to start at all.
_START_PARTS = (
    "AcceleratorType",
    "ContainerStartupHealthCheckTimeoutInSeconds",
    "InferenceAmiVersion",
    "ModelDataDownloadTimeoutInSeconds",
    "VolumeSizeInGB",
)


@dataclass(frozen=True)
class ServingModel:
    """A model in service and what it runs on: ``instance_type`` with ``start_parts``, or ``serverless``."""

    model_name: str
    instance_type: str | None = None
    start_parts: Mapping[str, Any] = field(default_factory=dict)
    serverless: Mapping[str, Any] | None = None
    kms_key_id: str | None = None


def serving_model(client: "SageMakerClient", endpoint_name: str, variant: str | None = None) -> ServingModel:
    """Return the model behind a live endpoint's variant, which may be left out where there is only one.

    Raises
    ------
    EndpointStateError
        when there is no such endpoint or variant, or the variant serves inference components.
    PermissionMissingError
        when AWS refuses.
    """
    described = describe_endpoint(client, endpoint_name)
    if described is None:
        found = f"SageMaker in {client.meta.region_name} knows no such endpoint"
        raise EndpointStateError(endpoint_name, found, "Correct endpoint_name or region, or give the model's name.")
    name = described["EndpointConfigName"]
    with permission_named("sagemaker", f"endpoint-config/{name}"):
        config: Mapping[str, Any] = client.describe_endpoint_config(EndpointConfigName=name)
    chosen = _variant(endpoint_name, {part["VariantName"]: part for part in config["ProductionVariants"]}, variant)
    if not chosen.get("ModelName"):
        found = f"variant {chosen['VariantName']} serves inference components, and names no model"
        raise EndpointStateError(endpoint_name, found, "Give the name of the model (model_name).")
    serverless: Mapping[str, Any] | None = chosen.get("ServerlessConfig")
    return ServingModel(
        model_name=chosen["ModelName"],
        instance_type=chosen.get("InstanceType"),
        start_parts={name: chosen[name] for name in _START_PARTS if name in chosen},
        # Provisioned concurrency is paid for whether it is used or not.
        serverless=serverless and {name: serverless[name] for name in ("MemorySizeInMB", "MaxConcurrency")},
        kms_key_id=config.get("KmsKeyId"),
    )


def _variant(endpoint_name: str, variants: Mapping[str, Mapping[str, Any]], wanted: str | None) -> Mapping[str, Any]:
    if wanted is None and len(variants) == 1:
        return next(iter(variants.values()))
    if wanted is not None and wanted in variants:
        return variants[wanted]
    found = f"its variants are {', '.join(sorted(variants))}, and {wanted or 'none'} was chosen"
    raise EndpointStateError(endpoint_name, found, "Name one of them.")


def describe_endpoint(client: "SageMakerClient", endpoint_name: str) -> Mapping[str, Any] | None:
    """Return what SageMaker says about an endpoint, ``None`` if there is none of that name."""
    from botocore.exceptions import ClientError

    with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
        try:
            return client.describe_endpoint(EndpointName=endpoint_name)
        except ClientError as error:
            if is_unknown(error):
                return None
            raise


def is_unknown(error: Any) -> bool:
    """Return whether SageMaker refused because there is nothing of that name: it has no error code of its own."""
    return error_code(error).startswith("Validation") and "Could not find" in str(error)


def is_known_already(error: Any) -> bool:
    """Return whether SageMaker refused because the name is taken."""
    return error_code(error).startswith("Validation") and "already exist" in str(error)
