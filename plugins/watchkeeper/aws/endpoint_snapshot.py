"""What an endpoint runs on at a moment: the evidence before and after an action, and what must survive it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.service_failure import permission_named

if TYPE_CHECKING:
    from watchkeeper.aws.sagemaker_hook import EndpointHook

#: An update is under way, and SageMaker takes no other.
UNDER_WAY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_CAPTURE_FACTS = ("EnableCapture", "CurrentSamplingPercentage", "DestinationS3Uri")


@dataclass(frozen=True)
class EndpointSnapshot:
    """Configuration, status, and by variant the instances that run and are wanted, and the weight."""

    config: str
    status: str
    reason: str = ""
    instances: Mapping[str, int] = field(default_factory=dict)
    wanted_instances: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    capture: Mapping[str, Any] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """Return what a record keeps of it."""
        return asdict(self)


def take_snapshot(hook: "EndpointHook", endpoint_name: str) -> EndpointSnapshot:
    """Return what an endpoint runs on now; EndpointStateError if there is no such endpoint."""
    live = hook.require_endpoint(endpoint_name)
    with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
        answer: Mapping[str, Any] = hook.client.describe_endpoint(EndpointName=endpoint_name)
    variants = answer.get("ProductionVariants", [])

    def by_variant(name: str) -> dict[str, Any]:
        return {item["VariantName"]: item[name] for item in variants if item.get(name) is not None}

    return EndpointSnapshot(
        config=live.config_name,
        status=live.status,
        reason=live.failure_reason or "",
        instances=by_variant("CurrentInstanceCount"),
        wanted_instances=by_variant("DesiredInstanceCount"),
        weights=by_variant("CurrentWeight"),
        capture={name: live.capture[name] for name in _CAPTURE_FACTS if name in live.capture},
    )


def faults_after(
    now: EndpointSnapshot, before: Mapping[str, Any], config: str | None, instances: Mapping[str, int] | None = None
) -> list[str]:
    """Return what an action did not bring about or broke, a sentence each; none if it holds.

    ``before`` is the document of the snapshot before it, ``config`` the configuration that must serve now,
    ``instances`` how many a variant must have; a variant never may have fewer than before.
    """
    why = f" ({now.reason})" if now.reason else ""
    faults = [] if now.status == "InService" else [f"the endpoint's status is {now.status}{why}, expected InService"]
    if config is not None and now.config != config:
        faults.append(f"configuration {now.config} is in service, and not {config}: the update was rolled back{why}")
    wanted = {**dict(before.get("instances") or {}), **dict(instances or {})}
    for variant, count in sorted(wanted.items()):
        running = now.instances.get(variant)
        # Another configuration may name its variants otherwise: what is gone has no capacity to keep.
        if running is not None and running < count:
            faults.append(f"variant {variant} has {running} instances, expected at least {count}")
    for name, value in sorted(dict(before.get("capture") or {}).items()):
        if now.capture.get(name) != value:
            faults.append(f"of data capture {name} is {now.capture.get(name)!r}, before it was {value!r}")
    return faults
