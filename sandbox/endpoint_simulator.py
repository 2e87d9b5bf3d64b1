"""An endpoint that answers: picks a variant, asks its model, captures, counts. Live and in replay alike."""

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.capture_agent import CaptureAgent, CaptureConfig, Payload, capture_line
from sandbox.invocation_metrics import InvocationMetrics

if TYPE_CHECKING:  # scikit-learn takes seconds to import: a server that is asked for no prediction is spared them
    from sandbox.model_container import Answer, ModelContainer


@dataclass(frozen=True)
class EndpointFacts:
    """What is in service: variants with their traffic weight and model, and the capture configuration."""

    endpoint_name: str
    weights: Mapping[str, float]
    models: Mapping[str, str]
    capture: CaptureConfig | None


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

    def invoke(self, facts: EndpointFacts, call: Invocation, *, measure: bool = True) -> "tuple[str, Answer]":
        """Return the variant that answered and its answer; ``KeyError`` for an unknown target variant.

        ``measure`` counts the model's latency too: off in a replay, whose model runs on another machine's clock.
        """
        variant = call.target_variant or self._draw(facts)
        container = self.container_of(facts.models[variant])
        started = time.perf_counter()
        answer = container.answer(call.content_type, call.body)
        latency = (time.perf_counter() - started) * 1e6 if measure else None
        status = 200 if answer.status == 200 else 424
        self.metrics.count(facts.endpoint_name, variant, call.at, status=status, latency_us=latency)
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

    def _draw(self, facts: EndpointFacts) -> str:
        names = list(facts.weights)
        weights = [facts.weights[name] for name in names]
        return self.source.choices(names, weights=weights)[0] if any(weights) else names[0]
