"""What moto's SageMaker lacks and an endpoint's life needs: updates that take time and may roll back,
configurations kept whole, refusal of duplicates, capture status.

Moto answers everything else. Status is worked out from the clock when asked, so there is no timer thread.
An update rolls back silently, as AWS's can, if the endpoint or its new configuration has the tag
``sandbox:update`` = ``rollback``.
"""

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker import models as moto_models
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from sandbox.endpoint_simulator import EndpointFacts

ROLLBACK_TAG = {"Key": "sandbox:update", "Value": "rollback"}

# Parts of an EndpointConfig that moto drops although AWS keeps and describes them.
_KEPT = ("ShadowProductionVariants", "ExplainerConfig", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")

# What UpdateEndpoint retains of a variant, by the name under which it can be excluded.
_VARIANT_PROPERTIES = {
    "DesiredInstanceCount": ("CurrentInstanceCount", "DesiredInstanceCount"),
    "DesiredWeight": ("CurrentWeight", "DesiredWeight"),
}


@dataclass(frozen=True)
class _Change:
    status: str
    until: float
    config_name: str
    retained: tuple[str, ...] = ()


class EndpointBackend(SageMakerModelBackend):
    """Moto's backend with the overlays; ``settle_seconds`` is how long creating and updating take."""

    settle_seconds = 2.0

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.kept: dict[str, dict[str, Any]] = {}
        self.changes: dict[str, _Change] = {}

    @property
    def _url_module(self) -> Any:
        # Moto derives it from the class's own module, which for a subclass elsewhere has no urls.
        return importlib.import_module("moto.sagemaker.urls")

    def keep(self, config_name: str, parts: dict[str, Any]) -> None:
        """Remember the parts of an EndpointConfig that moto drops."""
        self.kept[config_name] = parts

    def create_endpoint_config(self, endpoint_config_name: str, *args: Any, **kwargs: Any) -> Any:
        """Refuse a name that is taken, as AWS does."""
        if endpoint_config_name in self.endpoint_configs:
            arn = self.endpoint_configs[endpoint_config_name].endpoint_config_arn
            message = f'Cannot create already existing endpoint configuration "{arn}".'
            raise ValidationError(message=message)
        return super().create_endpoint_config(endpoint_config_name, *args, **kwargs)

    def describe_endpoint_config(self, endpoint_config_name: str) -> dict[str, Any]:
        """Describe the configuration with the parts that moto drops."""
        return super().describe_endpoint_config(endpoint_config_name) | self.kept.get(endpoint_config_name, {})

    def create_endpoint(self, endpoint_name: str, endpoint_config_name: str, tags: Any) -> FakeEndpoint:
        """Create an endpoint that is ``Creating`` for a while; refuse a name that is taken."""
        if endpoint_name in self.endpoints:
            message = f'Cannot create already existing endpoint "{self.endpoints[endpoint_name].arn}".'
            raise ValidationError(message=message)
        self.describe_endpoint_config(endpoint_config_name)
        endpoint = super().create_endpoint(endpoint_name, endpoint_config_name, tags)
        config = self.endpoint_configs[endpoint_config_name]
        endpoint.production_variants = _running(endpoint, config.production_variants)
        self._begin(endpoint, "Creating", endpoint_config_name)
        return endpoint

    def update_endpoint(
        self, endpoint_name: str, endpoint_config_name: str, *, retain: bool, excluded: list[str]
    ) -> str:
        """Start swapping the configuration and return the endpoint's ARN; refused while another change runs."""
        endpoint = self.settled(endpoint_name)
        if endpoint.endpoint_status != "InService":
            message = f'Cannot update in-progress endpoint "{endpoint.arn}".'
            raise ValidationError(message=message)
        self.describe_endpoint_config(endpoint_config_name)
        retained = [kind for kind in _VARIANT_PROPERTIES if retain and kind not in excluded]
        self._begin(endpoint, "Updating", endpoint_config_name, retained)
        return str(endpoint.arn)

    def _begin(self, endpoint: FakeEndpoint, status: str, config_name: str, retained: Sequence[str] = ()) -> None:
        endpoint.endpoint_status = status
        endpoint.last_modified_time = moto_models.utcnow()
        until = time.monotonic() + self.settle_seconds
        self.changes[endpoint.endpoint_name] = _Change(status, until, config_name, tuple(retained))

    def settled(self, endpoint_name: str) -> FakeEndpoint:
        """Return the endpoint after finishing a change whose time has come."""
        endpoint = self.endpoints.get(endpoint_name)
        if endpoint is None:
            arn = FakeEndpoint.arn_formatter(endpoint_name, self.account_id, self.region_name)
            message = f'Could not find endpoint "{arn}".'
            raise ValidationError(message=message)
        change = self.changes.get(endpoint_name)
        if change and time.monotonic() >= change.until:
            del self.changes[endpoint_name]
            self._finish(endpoint, change)
        return endpoint

    def _finish(self, endpoint: FakeEndpoint, change: _Change) -> None:
        endpoint.endpoint_status = "InService"
        endpoint.last_modified_time = moto_models.utcnow()
        config = self.endpoint_configs.get(change.config_name)
        if change.status == "Creating" or config is None or ROLLBACK_TAG in [*config.tags, *endpoint.tags]:
            return  # created, or rolled back: the configuration in service stays
        before = {variant["VariantName"]: variant for variant in endpoint.production_variants}
        endpoint.production_variants = _running(endpoint, config.production_variants)
        for variant in endpoint.production_variants:
            running = before.get(variant["VariantName"], {})
            kept = [key for kind in change.retained for key in _VARIANT_PROPERTIES[kind] if key in running]
            variant.update({key: running[key] for key in kept})
        endpoint.endpoint_config_name = change.config_name
        endpoint.data_capture_config = config.data_capture_config

    def describe_endpoint(self, endpoint_name: str) -> dict[str, Any]:
        """Describe the endpoint as AWS does: capture with its status, shadow variants, no empty parts."""
        endpoint = self.settled(endpoint_name)
        described = super().describe_endpoint(endpoint_name)
        capture = endpoint.data_capture_config
        if capture:
            enabled = bool(capture.get("EnableCapture", False))
            described["DataCaptureConfig"] = {
                "EnableCapture": enabled,
                "CaptureStatus": "Started" if enabled else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
                "KmsKeyId": capture.get("KmsKeyId", ""),
            }
        else:
            described.pop("DataCaptureConfig", None)
        shadows = self.kept.get(endpoint.endpoint_config_name, {}).get("ShadowProductionVariants")
        if shadows:
            described["ShadowProductionVariants"] = _running(endpoint, shadows)
        return described

    def list_endpoints(self, *args: Any, **kwargs: Any) -> Any:
        """Finish what is due first, so that filters by status see the present."""
        for name in list(self.endpoints):
            self.settled(name)
        return super().list_endpoints(*args, **kwargs)

    def in_service(self, endpoint_name: str) -> tuple[EndpointFacts, dict[str, str]] | None:
        """Return the facts of an endpoint that can be invoked and the artifact of each model, else None."""
        if endpoint_name not in self.endpoints:
            return None
        endpoint = self.settled(endpoint_name)
        if endpoint.endpoint_status == "Creating":
            return None
        config = self.describe_endpoint_config(endpoint.endpoint_config_name)
        models = {variant["VariantName"]: variant["ModelName"] for variant in config["ProductionVariants"]}
        facts = EndpointFacts(
            endpoint_name=endpoint_name,
            weights={v["VariantName"]: float(v["CurrentWeight"]) for v in endpoint.production_variants},
            models=models,
            capture=endpoint.data_capture_config or None,
        )
        artifacts = {name: self._models[name].primary_container["ModelDataUrl"] for name in models.values()}
        return facts, artifacts


def _running(endpoint: FakeEndpoint, variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the variants as an endpoint describes them. Moto loses a weight of zero, which AWS keeps."""
    running: list[dict[str, Any]] = endpoint._process_production_variants(variants)
    for described, configured in zip(running, variants, strict=True):
        weight = float(configured.get("InitialVariantWeight", 1.0))
        described.update(CurrentWeight=weight, DesiredWeight=weight)
    return running


def install(settle_seconds: float) -> None:
    """Put the overlays on moto. Call once, before the first request."""
    EndpointBackend.settle_seconds = settle_seconds
    moto_models.sagemaker_backends.backend = EndpointBackend
    SageMakerResponse.create_endpoint_config = _create_endpoint_config(SageMakerResponse.create_endpoint_config)
    SageMakerResponse.update_endpoint = _update_endpoint


def _create_endpoint_config(original: Any) -> Any:
    def create_endpoint_config(self: Any) -> ActionResult:
        result = original(self)
        parts = {name: self._get_param(name) for name in _KEPT}
        self.sagemaker_backend.keep(
            self._get_param("EndpointConfigName"), {name: part for name, part in parts.items() if part is not None}
        )
        return result

    return create_endpoint_config


def _update_endpoint(self: Any) -> ActionResult:
    excluded = self._get_param("ExcludeRetainedVariantProperties") or []
    arn = self.sagemaker_backend.update_endpoint(
        self._get_param("EndpointName"),
        self._get_param("EndpointConfigName"),
        retain=bool(self._get_param("RetainAllVariantProperties")),
        excluded=[part["VariantPropertyType"] for part in excluded],
    )
    return ActionResult({"EndpointArn": arn})
