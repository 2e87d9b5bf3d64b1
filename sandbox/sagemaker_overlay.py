"""What moto's SageMaker lacks and an endpoint's life needs: updates that take time, shift traffic and may roll back,
configurations kept whole, refusal of duplicates, capture status.

Moto answers everything else. Status is worked out from the clock when asked; only the alarms of a deployment are
watched by a thread. An update rolls back silently, as AWS's can, if the endpoint or its new configuration has the tag
``sandbox:update`` = ``rollback``, and with a failure reason if one of its alarms goes into ALARM. An endpoint with the
tag ``sandbox:create`` = ``fail`` cannot be created.
"""

import importlib
import random
import re
import threading
import time
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker import models as moto_models
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeEndpoint
from moto.sagemaker.responses import SageMakerResponse

from sandbox.alarm_watch import watch_alarms
from sandbox.endpoint_change import EndpointChange, TrafficShift
from sandbox.endpoint_simulator import EndpointFacts
from sandbox.registry_overlay import RegistryBackend
from sandbox.service_load import ServiceProfile

ROLLBACK_TAG = {"Key": "sandbox:update", "Value": "rollback"}
FAILURE_TAG = {"Key": "sandbox:create", "Value": "fail"}

# Parts of an EndpointConfig that moto drops although AWS keeps and describes them.
_KEPT = ("ShadowProductionVariants", "ExplainerConfig", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")

# What UpdateEndpoint retains of a variant, by the name under which it can be excluded.
_VARIANT_PROPERTIES = {
    "DesiredInstanceCount": ("CurrentInstanceCount", "DesiredInstanceCount"),
    "DesiredWeight": ("CurrentWeight", "DesiredWeight"),
}


class EndpointBackend(RegistryBackend):
    """Moto's backend with endpoints that live.

    ``settle_seconds`` is how long creating and updating take, ``wait_scale`` what a declared second of a traffic
    shift's waits takes.
    """

    settle_seconds = 2.0
    wait_scale = 1.0

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.kept: dict[str, dict[str, Any]] = {}
        self.changes: dict[str, EndpointChange] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.transitions: list[dict[str, Any]] = []
        """What EventBridge is to be told of endpoints, the oldest first: whoever tells it takes it out."""
        self._changing = threading.RLock()

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
        endpoint.production_variants = self._running(endpoint, endpoint_config_name)
        self._begin(endpoint, "Creating", endpoint_config_name)
        return endpoint

    def update_endpoint(
        self,
        endpoint_name: str,
        endpoint_config_name: str,
        *,
        retain: bool,
        excluded: list[str],
        deployment: dict[str, Any] | None,
        retain_deployment: bool,
    ) -> str:
        """Start swapping the configuration and return the endpoint's ARN; refused while another change runs."""
        with self._changing:
            endpoint = self._idle(endpoint_name)
            self.describe_endpoint_config(endpoint_config_name)
            if retain_deployment:
                deployment = deployment or self.deployments.get(endpoint_name)
            instances = sum(v.get("CurrentInstanceCount", 1) for v in endpoint.production_variants)
            change = self._begin(
                endpoint,
                "Updating",
                endpoint_config_name,
                shift=TrafficShift.of(deployment, instances, self.wait_scale),
                retained=tuple(kind for kind in _VARIANT_PROPERTIES if retain and kind not in excluded),
            )
            if deployment:
                self.deployments[endpoint_name] = deployment
        rollback = (deployment or {}).get("AutoRollbackConfiguration", {})
        alarms = [alarm["AlarmName"] for alarm in rollback.get("Alarms", ())]
        if alarms:
            watch_alarms(self.url, self.region_name, alarms, change)
        return str(endpoint.arn)

    def update_endpoint_weights_and_capacities(
        self, endpoint_name: str, desired_weights_and_capacities: list[dict[str, Any]]
    ) -> str:
        """Start changing weights and instance counts, which takes time too."""
        with self._changing:
            endpoint = self._idle(endpoint_name)
            running = {variant["VariantName"] for variant in endpoint.production_variants}
            unknown = [wanted["VariantName"] for wanted in desired_weights_and_capacities]
            unknown = [name for name in unknown if name not in running]
            if unknown:
                message = f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration'
                raise ValidationError(message=message)
            for variant in endpoint.production_variants:
                for wanted in desired_weights_and_capacities:
                    if wanted["VariantName"] == variant["VariantName"]:
                        variant |= {name: wanted[name] for name in _VARIANT_PROPERTIES if name in wanted}
            self._begin(
                endpoint, "Updating", endpoint.endpoint_config_name, weights=tuple(desired_weights_and_capacities)
            )
            return str(endpoint.arn)

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Delete the endpoint; refused while a change of it runs."""
        with self._changing:
            self.settled(endpoint_name)
            if endpoint_name in self.changes:
                message = f'Cannot delete in-progress endpoint "{self.endpoints[endpoint_name].arn}".'
                raise ValidationError(message=message)
            self._note(self.endpoints[endpoint_name], "DELETING")
            super().delete_endpoint(endpoint_name)
            self.deployments.pop(endpoint_name, None)

    def _idle(self, endpoint_name: str) -> FakeEndpoint:
        endpoint = self.settled(endpoint_name)
        if endpoint.endpoint_status != "InService":
            message = f'Cannot update in-progress endpoint "{endpoint.arn}".'
            raise ValidationError(message=message)
        return endpoint

    def _begin(self, endpoint: FakeEndpoint, kind: str, config_name: str, **more: Any) -> EndpointChange:
        now = moto_models.utcnow()
        change = EndpointChange(kind, config_name, time.monotonic(), now, self.settle_seconds, **more)
        endpoint.endpoint_status, endpoint.last_modified_time, endpoint.failure_reason = kind, now, None
        self.changes[endpoint.endpoint_name] = change
        self._note(endpoint)
        return change

    def _note(self, endpoint: FakeEndpoint, status: str | None = None) -> None:
        """Note the endpoint's state as its event tells it, in capitals: ``IN_SERVICE``."""
        detail = {
            "EndpointName": endpoint.endpoint_name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": endpoint.endpoint_config_name,
            "ProductionVariants": [dict(variant) for variant in endpoint.production_variants],
            "EndpointStatus": status or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", endpoint.endpoint_status).upper(),
            "FailureReason": endpoint.failure_reason,
            "CreationTime": _milliseconds(endpoint.creation_time),
            "LastModifiedTime": _milliseconds(endpoint.last_modified_time),
            "Tags": {tag["Key"]: tag["Value"] for tag in endpoint.tags or ()},
        }
        self.transitions.append({name: part for name, part in detail.items() if part is not None})

    def settled(self, endpoint_name: str) -> FakeEndpoint:
        """Return the endpoint as it is now, after finishing a change whose time has come."""
        with self._changing:
            endpoint = self.endpoints.get(endpoint_name)
            if endpoint is None:
                arn = FakeEndpoint.arn_formatter(endpoint_name, self.account_id, self.region_name)
                message = f'Could not find endpoint "{arn}".'
                raise ValidationError(message=message)
            change = self.changes.get(endpoint_name)
            if change:
                before, status = endpoint.endpoint_status, change.status(time.monotonic())
                endpoint.endpoint_status = status or "InService"
                if status is None:
                    del self.changes[endpoint_name]
                    self._finish(endpoint, change)
                if endpoint.endpoint_status != before:
                    self._note(endpoint)
            return endpoint

    def _finish(self, endpoint: FakeEndpoint, change: EndpointChange) -> None:
        endpoint.last_modified_time = moto_models.utcnow()
        endpoint.failure_reason = change.reason
        config = self.endpoint_configs.get(change.config_name)
        if change.weights:
            for variant in endpoint.production_variants:
                variant.update(
                    CurrentWeight=variant["DesiredWeight"], CurrentInstanceCount=variant["DesiredInstanceCount"]
                )
            return
        if change.kind == "Creating" and FAILURE_TAG in (endpoint.tags or ()):
            endpoint.endpoint_status = "Failed"
            endpoint.failure_reason = "The primary container for production variant did not pass the ping health check."
            return
        if change.kind == "Creating" or change.reason or config is None:
            return  # created, or rolled back: the configuration in service stays
        if ROLLBACK_TAG in [*config.tags, *endpoint.tags]:
            return
        before = {variant["VariantName"]: variant for variant in endpoint.production_variants}
        endpoint.production_variants = self._running(endpoint, change.config_name)
        for variant in endpoint.production_variants:
            running = before.get(variant["VariantName"], {})
            kept = [key for kind in change.retained for key in _VARIANT_PROPERTIES[kind] if key in running]
            variant.update({key: running[key] for key in kept})
        endpoint.endpoint_config_name = change.config_name
        endpoint.data_capture_config = config.data_capture_config

    def describe_endpoint(self, endpoint_name: str) -> dict[str, Any]:
        """Describe the endpoint as AWS does: capture with its status, what is under way, no empty parts."""
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
            described["ShadowProductionVariants"] = self._variants(endpoint, shadows)
        change = self.changes.get(endpoint_name)
        if change and change.kind == "Updating" and not change.weights:
            described["PendingDeploymentSummary"] = self._pending(endpoint, change)
        if endpoint_name in self.deployments:
            described["LastDeploymentConfig"] = self.deployments[endpoint_name]
        return described

    def _pending(self, endpoint: FakeEndpoint, change: EndpointChange) -> dict[str, Any]:
        variants = self._running(endpoint, change.config_name)
        for variant in variants:
            variant["VariantStatus"] = [
                {"Status": change.variant_status(time.monotonic()), "StartTime": change.started}
            ]
        return {
            "EndpointConfigName": change.config_name,
            "ProductionVariants": variants,
            "StartTime": change.started,
        }

    def _running(self, endpoint: FakeEndpoint, config_name: str) -> list[dict[str, Any]]:
        return self._variants(endpoint, self.endpoint_configs[config_name].production_variants)

    def _variants(self, endpoint: FakeEndpoint, configured: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return variants as an endpoint describes them. Moto loses a weight of zero and the image, which AWS keeps."""
        running: list[dict[str, Any]] = endpoint._process_production_variants(configured)
        for described, variant in zip(running, configured, strict=True):
            weight = float(variant.get("InitialVariantWeight", 1.0))
            described.update(CurrentWeight=weight, DesiredWeight=weight)
            image = (
                self.container_of(variant["ModelName"]).get("Image")
                if variant.get("ModelName") in self._models
                else None
            )
            if image:
                described["DeployedImages"] = [
                    {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": endpoint.creation_time}
                ]
        return running

    def list_endpoints(self, *args: Any, **kwargs: Any) -> Any:
        """Finish what is due first, so that filters by status see the present."""
        for name in list(self.endpoints):
            self.settled(name)
        return super().list_endpoints(*args, **kwargs)

    def variants_in_service(self) -> list[tuple[str, str]]:
        """Return the (endpoint, variant) whose instances run now."""
        found = [self.settled(name) for name in list(self.endpoints)]
        return [
            (endpoint.endpoint_name, variant["VariantName"])
            for endpoint in found
            if endpoint.endpoint_status not in {"Creating", "Failed"}
            for variant in endpoint.production_variants
        ]

    def in_service(self, endpoint_name: str) -> tuple[EndpointFacts, dict[str, str]] | None:
        """Return the facts of the fleet that answers now and the artifact of each model; None if none does.

        While traffic is shifted, each call draws the fleet that it meets.
        """
        if endpoint_name not in self.endpoints:
            return None
        endpoint = self.settled(endpoint_name)
        if endpoint.endpoint_status in {"Creating", "Failed"}:
            return None
        change = self.changes.get(endpoint_name)
        config_name, variants = endpoint.endpoint_config_name, endpoint.production_variants
        if change and random.random() < change.share(time.monotonic()):
            config_name, variants = change.config_name, self._running(endpoint, change.config_name)
        config = self.describe_endpoint_config(config_name)
        models = {variant["VariantName"]: variant["ModelName"] for variant in config["ProductionVariants"]}
        facts = EndpointFacts(
            endpoint_name=endpoint_name,
            weights={v["VariantName"]: float(v["CurrentWeight"]) for v in variants},
            models=models,
            capture=config.get("DataCaptureConfig") or None,
            instances={v["VariantName"]: int(v.get("CurrentInstanceCount", 1)) for v in variants},
            profiles={
                variant: ServiceProfile.of(self.container_of(name).get("Environment") or {})
                for variant, name in models.items()
            },
        )
        return facts, {name: self.container_of(name)["ModelDataUrl"] for name in models.values()}


def install(settle_seconds: float, wait_scale: float) -> None:
    """Give moto the operations that it lacks. Call once, before the first request."""
    EndpointBackend.settle_seconds, EndpointBackend.wait_scale = settle_seconds, wait_scale
    SageMakerResponse.create_endpoint_config = _create_endpoint_config(SageMakerResponse.create_endpoint_config)
    SageMakerResponse.update_endpoint = _update_endpoint


def _milliseconds(moment: Any) -> Any:
    return int(moment.timestamp() * 1000) if hasattr(moment, "timestamp") else moment


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
        deployment=self._get_param("DeploymentConfig"),
        retain_deployment=bool(self._get_param("RetainDeploymentConfig")),
    )
    return ActionResult({"EndpointArn": arn})
