"""A model tried out by a second variant whose weight grows, where deployment guardrails do not serve an endpoint.

Where it stands is read from the endpoint whenever it is asked, so a retry goes on from there. At the end the new model
takes the old one's variant: captures and monitors keep their name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from watchkeeper.aws.config_clone import NAME_LIMIT, cloned_name, create_clone
from watchkeeper.aws.model_deployment import TRIAL_TAG, ModelChange, start_change, variant_of
from watchkeeper.aws.rollout import Rollout
from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import EndpointStateError

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess

_SUFFIX = "-challenger"
_NEARLY = 1e-6


@dataclass(frozen=True)
class ShiftStep:
    """What was begun, and what is to be waited for: ``change`` to come into service, or a share to be watched."""

    phase: Literal["trial", "shift", "final"]
    change: ModelChange
    share: float


def next_step(hook: EndpointHook, change: ModelChange, rollout: Rollout, alarms: Sequence[str] = ()) -> ShiftStep:
    """Begin the next step of a shift by weights and return it.

    First a second variant with the new model and no traffic, then its share of the traffic step by step, last the
    change itself.

    Raises
    ------
    EndpointStateError
        when one of ``alarms``, those that are going off, is set: the old model is given all traffic back.
    """
    trial = _trial_of(hook, change)
    facts = hook.require_endpoint(change.endpoint_name)
    if facts.config_name != trial.config_name:
        start_change(hook, trial)
        return ShiftStep("trial", trial, 0.0)
    old, new = _weights(hook, change)
    share = new / (old + new) if old + new else 0.0
    if alarms and change.previous_config is not None:
        start_change(hook, replace(change, config_name=change.previous_config), retain_weights=False)
        raise EndpointStateError(
            change.endpoint_name,
            f"alarm {', '.join(alarms)} went off with {share:.0%} of the traffic on the new model; configuration "
            f"{change.previous_config} is put back in service",
            "Find the cause before this model package is tried again.",
        )
    following = next((wanted for wanted in rollout.shares if wanted > share + _NEARLY), None)
    if following is None:
        # The old variant weighs nothing by now, and would go on so with the new model on it.
        start_change(hook, change, retain_weights=False)
        return ShiftStep("final", change, 1.0)
    _shift(hook, change, old + new, following)
    return ShiftStep("shift", trial, following)


def alarms_going_off(access: "AwsAccess", names: Sequence[str]) -> tuple[str, ...]:
    """Return which of these CloudWatch alarms, metric or composite, are in alarm now.

    EndpointStateError when one does not exist: nothing would watch the shift.
    """
    if not names:
        return ()
    client = access.client("cloudwatch")
    with permission_named("cloudwatch", ", ".join(names)):
        answer: Mapping[str, Any] = client.describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    unknown = sorted(set(names) - {alarm["AlarmName"] for alarm in found})
    if unknown:
        raise EndpointStateError(
            f"alarm {', '.join(unknown)}", "CloudWatch knows no such alarm", "Correct retraining.deployment.alarms."
        )
    return tuple(sorted(alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"))


def challenger_variant(variant: str) -> str:
    """Return the name of the variant that tries a model out beside ``variant``."""
    return f"{variant[: NAME_LIMIT - len(_SUFFIX)].rstrip('-')}{_SUFFIX}"


def _trial_of(hook: EndpointHook, change: ModelChange) -> ModelChange:
    """Return the change that puts the second variant in service, having made its configuration."""
    base = str(change.previous_config)
    current = hook.endpoint_config(base)
    old = variant_of(current, change.variant, change.endpoint_name)
    second = {
        **old,
        "VariantName": challenger_variant(change.variant),
        "ModelName": change.model_name,
        "InitialVariantWeight": 0.0,
    }
    wanted = {**current, "ProductionVariants": [*current["ProductionVariants"], second]}
    wanted["EndpointConfigName"] = cloned_name(base, wanted)
    create_clone(hook, wanted, base, {TRIAL_TAG: base})
    return replace(change, config_name=wanted["EndpointConfigName"])


def _weights(hook: EndpointHook, change: ModelChange) -> tuple[float, float]:
    with permission_named("sagemaker", f"endpoint/{change.endpoint_name}"):
        answer = hook.client.describe_endpoint(EndpointName=change.endpoint_name)
    weights = {item["VariantName"]: item.get("DesiredWeight", 0.0) for item in answer.get("ProductionVariants", [])}
    return weights[change.variant], weights[challenger_variant(change.variant)]


def _shift(hook: EndpointHook, change: ModelChange, total: float, share: float) -> None:
    with permission_named("sagemaker", f"endpoint/{change.endpoint_name}"):
        hook.client.update_endpoint_weights_and_capacities(
            EndpointName=change.endpoint_name,
            DesiredWeightsAndCapacities=[
                {"VariantName": change.variant, "DesiredWeight": total * (1 - share)},
                {"VariantName": challenger_variant(change.variant), "DesiredWeight": total * share},
            ],
        )
