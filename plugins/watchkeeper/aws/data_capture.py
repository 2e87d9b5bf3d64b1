"""Data capture on a live endpoint: what is declared, what is in service, and the way from one to the other."""

from dataclasses import dataclass
from typing import Any

from watchkeeper.aws.config_clone import cloned_name, create_clone
from watchkeeper.aws.sagemaker_hook import EndpointHook, LiveEndpoint
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import EndpointStateError


@dataclass(frozen=True)
class DeclaredCapture:
    """Data capture as an endpoint's file declares it: both directions, always on."""

    s3_uri: str
    sampling_percentage: int = 100
    kms_key_id: str | None = None
    csv_content_types: tuple[str, ...] = ("text/csv",)
    json_content_types: tuple[str, ...] = ("application/json", "application/jsonlines")

    def as_request(self) -> dict[str, Any]:
        """Return the DataCaptureConfig of CreateEndpointConfig."""
        content_types = {
            "CsvContentTypes": list(self.csv_content_types),
            "JsonContentTypes": list(self.json_content_types),
        }
        request: dict[str, Any] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": self.sampling_percentage,
            "DestinationS3Uri": self.s3_uri,
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            # SageMaker refuses empty lists.
            "CaptureContentTypeHeader": {name: types for name, types in content_types.items() if types},
        }
        if self.kms_key_id:
            request["KmsKeyId"] = self.kms_key_id
        return request

    def differences(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Return what of a configuration is not as declared, one sentence each; none if it all is."""
        current = _comparable(config.get("DataCaptureConfig") or {})
        wanted = _comparable(self.as_request())
        return tuple(
            f"{name}: {current.get(name)!r}, declared {wanted.get(name)!r}"
            for name in sorted(wanted.keys() | current.keys())
            if current.get(name) != wanted.get(name)
        )

    def running_differences(self, live: LiveEndpoint) -> tuple[str, ...]:
        """Return what of the capture that really runs is not as declared.

        Capture counts as a variant property, so an update may keep the old one under a new configuration.
        """
        running = live.capture
        wanted = {
            "EnableCapture": True,
            "CurrentSamplingPercentage": self.sampling_percentage,
            "DestinationS3Uri": self.s3_uri.rstrip("/"),
        }
        found = {name: running[name] for name in wanted if name in running}
        if "DestinationS3Uri" in found:
            found["DestinationS3Uri"] = str(found["DestinationS3Uri"]).rstrip("/")
        return tuple(
            f"{name} in service: {value!r}, declared {wanted[name]!r}"
            for name, value in found.items()
            if value != wanted[name]
        )


@dataclass(frozen=True)
class CaptureChange:
    """What it takes to bring capture into force; ``config_name`` is ``None`` where it is as declared."""

    endpoint_name: str
    config_name: str | None
    differences: tuple[str, ...] = ()
    in_progress: bool = False


def plan_capture(hook: EndpointHook, endpoint_name: str, declared: DeclaredCapture) -> CaptureChange:
    """Return the change that the endpoint needs, having made its new configuration (but not put it in service).

    The configuration's name is a function of what is cloned and declared, so a retry finds what it made.
    Raises EndpointStateError where the endpoint is not in service.
    """
    facts = hook.require_endpoint(endpoint_name)
    current = hook.endpoint_config(facts.config_name)
    differences = declared.differences(current) + declared.running_differences(facts)
    if not differences and facts.status == "InService":
        return CaptureChange(endpoint_name, None)
    if facts.status == "Updating":
        # A retry of ours, or somebody else's deployment: wait it out, then look again.
        return CaptureChange(endpoint_name, None, differences, in_progress=True)
    if facts.status != "InService":
        raise EndpointStateError(
            endpoint_name,
            f"its status is {facts.status}{_because(facts)}, expected InService",
            "Bring the endpoint into service, then enable capture again.",
        )
    wanted = {**current, "DataCaptureConfig": declared.as_request()}
    wanted["EndpointConfigName"] = cloned_name(facts.config_name, wanted)
    create_clone(hook, wanted, facts.config_name)
    return CaptureChange(endpoint_name, wanted["EndpointConfigName"], differences)


def start_update(hook: EndpointHook, change: CaptureChange) -> None:
    """Put the change's configuration in service, keeping weights and instance counts of all variants."""
    if change.config_name is None:
        return
    with permission_named("sagemaker", f"endpoint/{change.endpoint_name}"):
        hook.client.update_endpoint(
            EndpointName=change.endpoint_name,
            EndpointConfigName=change.config_name,
            RetainAllVariantProperties=True,
            # Data capture counts as a variant property: without this the old one would be retained.
            ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DataCaptureConfig"}],
        )


def verify_capture(hook: EndpointHook, endpoint_name: str, declared: DeclaredCapture) -> LiveEndpoint:
    """Return the endpoint's facts if declared capture is really in service; EndpointStateError if not.

    An update that fails rolls back silently: the endpoint is InService again, with the old configuration.
    """
    facts = hook.require_endpoint(endpoint_name)
    differences = declared.differences(hook.endpoint_config(facts.config_name))
    differences += declared.running_differences(facts)
    if facts.status == "InService" and not differences:
        return facts
    rolled_back = facts.status == "InService"
    found = (
        f"the update was rolled back: configuration {facts.config_name} is in service, and of capture "
        f"{'; '.join(differences)}{_because(facts)}"
        if rolled_back
        else f"its status is {facts.status}{_because(facts)}"
    )
    raise EndpointStateError(
        endpoint_name, found, "Read the endpoint's events and logs in SageMaker, mend the cause, and run again."
    )


def _comparable(capture: dict[str, Any]) -> dict[str, Any]:
    headers = capture.get("CaptureContentTypeHeader") or {}
    return {
        "EnableCapture": bool(capture.get("EnableCapture", False)),
        "InitialSamplingPercentage": capture.get("InitialSamplingPercentage"),
        "DestinationS3Uri": (capture.get("DestinationS3Uri") or "").rstrip("/"),
        "KmsKeyId": capture.get("KmsKeyId") or None,
        "CaptureOptions": sorted(option["CaptureMode"] for option in capture.get("CaptureOptions", [])),
        "CsvContentTypes": sorted(headers.get("CsvContentTypes", [])),
        "JsonContentTypes": sorted(headers.get("JsonContentTypes", [])),
    }


def _because(facts: LiveEndpoint) -> str:
    return f" ({facts.failure_reason})" if facts.failure_reason else ""
