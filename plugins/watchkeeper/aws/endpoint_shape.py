"""What a live endpoint runs on, and how its data capture differs from what its file declares."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchkeeper.aws.data_capture import DeclaredCapture

if TYPE_CHECKING:
    from watchkeeper.aws.sagemaker_hook import EndpointHook
    from watchkeeper.registry.endpoint_spec import EndpointSpec


@dataclass(frozen=True)
class VariantShape:
    """What a variant runs on; no type for one whose instances SageMaker chooses."""

    instance_type: str | None = None
    is_serverless: bool = False


@dataclass(frozen=True)
class EndpointShape:
    """A live endpoint's variants, and a sentence for each way in which capture is not as declared."""

    variants: dict[str, VariantShape]
    capture_differences: tuple[str, ...] = ()


def endpoint_shape(spec: "EndpointSpec", hook: "EndpointHook") -> EndpointShape | None:
    """Return an endpoint's shape; ``None`` if SageMaker knows no such endpoint. Two calls."""
    live = hook.live_endpoint(spec.endpoint_name)
    if live is None:
        return None
    config = hook.endpoint_config(live.config_name)
    variants = {
        item["VariantName"]: VariantShape(item.get("InstanceType"), "ServerlessConfig" in item)
        for item in config.get("ProductionVariants", ())
    }
    declared = declared_capture(spec)
    return EndpointShape(variants, declared.differences(config) + declared.running_differences(live))


def declared_capture(spec: "EndpointSpec") -> DeclaredCapture:
    """Return the data capture that an endpoint's file declares."""
    capture = spec.capture
    return DeclaredCapture(
        s3_uri=capture.s3_uri,
        sampling_percentage=capture.sampling_percentage,
        kms_key_id=capture.kms_key_id,
        csv_content_types=capture.csv_content_types,
        json_content_types=capture.json_content_types,
    )
