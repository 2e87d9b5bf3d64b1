"""An endpoint that answers: picks a variant, asks its model, captures, counts. Live and in replay alike."""

import random
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.capture_agent import CaptureAgent, CaptureConfig, Payload, capture_line
from sandbox.invocation_metrics import InvocationMetrics
from sandbox.service_load import ServiceLoad, ServiceProfile, overhead_us

if TYPE_CHECKING:  # scikit-learn takes seconds to import: a server that is asked for no prediction is spared them
    from sandbox.model_container import Answer, ModelContainer


@dataclass(frozen=True)
class EndpointFacts:
    """What is in service: variants with their traffic weight, model and instances, and the capture configuration."""

    endpoint_name: str
    weights: Mapping[str, float]
    models: Mapping[str, str]
    capture: CaptureConfig | None
    instances: Mapping[str, int]
    profiles: Mapping[str, ServiceProfile]


@dataclass(frozen=True)
class Invocation:
    """One call of InvokeEndpoint."""

    content_type: str
    body: bytes
    at: datetime
    event_id: str | None = None
    inference_id: str | None = None
    custom_attributes: str | None = None
    target_variant: str | None = None
    capture_lost: bool = False
    """The agent could not write this line (its disk was full): the invocation is counted but not captured."""


@dataclass(frozen=True)
class EndpointSimulator:
    """Answers invocations of any endpoint; ``container_of`` loads a model by its name."""

    container_of: Callable[[str], "ModelContainer"]
    agent: CaptureAgent
    metrics: InvocationMetrics
    source: random.Random
    rate_seconds: float = 60.0
    """The time over which calls are counted to know the load."""
    _arrivals: dict[tuple[str, str], deque[datetime]] = field(default_factory=lambda: defaultdict(deque))

    def invoke(self, facts: EndpointFacts, call: Invocation) -> "tuple[str, Answer]":
        """Return the variant that answered and its answer; ``KeyError`` for an unknown target variant.

        A status of 503 is SageMaker's own: the variant's instances could take no more. Latencies are worked out by
        ``service_load`` and told to CloudWatch; nobody waits for them.
        """
        variant = call.target_variant or self._draw(facts)
        profile = facts.profiles[variant]
        load = ServiceLoad.of(
            profile, self._arrivals_per_second(facts.endpoint_name, variant, call.at), facts.instances[variant]
        )
        answer, refused = self._answer(facts.models[variant], call, profile, load)
        self.metrics.count(
            facts.endpoint_name,
            variant,
            call.at,
            status=answer.status,
            by_model=not refused,
            load=load,
            latency_us=None if refused else load.latency_us(profile, self.source),
            overhead_us=overhead_us(load, self.source),
        )
        if answer.status == 200 and self.agent.sampled(facts.capture) and not call.capture_lost:
            line = capture_line(
                facts.capture or {},
                Payload(call.content_type, call.body),
                Payload(answer.content_type, answer.body),
                event_id=call.event_id or str(uuid.uuid4()),
                at=call.at,
                inference_id=call.inference_id,
                custom_attributes=call.custom_attributes,
            )
            self.agent.add(facts.endpoint_name, variant, facts.capture or {}, call.at, line)
        return variant, answer

    def _answer(
        self, model_name: str, call: Invocation, profile: ServiceProfile, load: ServiceLoad
    ) -> "tuple[Answer, bool]":
        """Return the answer, and whether it is SageMaker's refusal."""
        from sandbox.model_container import Answer

        if self.source.random() < load.refused_share:
            return Answer(503, "text/plain", b"The instances of this variant are at capacity"), True
        if self.source.random() < profile.fault_share:
            return Answer(500, "text/plain", b"RuntimeError: the model failed to predict"), False
        return self.container_of(model_name).answer(call.content_type, call.body), False

    def _arrivals_per_second(self, endpoint: str, variant: str, at: datetime) -> float:
        arrivals = self._arrivals[endpoint, variant]
        arrivals.append(at)
        while at - arrivals[0] >= timedelta(seconds=self.rate_seconds):
            arrivals.popleft()
        return len(arrivals) / self.rate_seconds

    def _draw(self, facts: EndpointFacts) -> str:
        names = list(facts.weights)
        weights = [facts.weights[name] for name in names]
        return self.source.choices(names, weights=weights)[0] if any(weights) else names[0]
