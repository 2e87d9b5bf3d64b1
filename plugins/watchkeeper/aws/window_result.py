"""What came of one window: written by the analysis, read by the report. JSON in S3, never XCom."""

from hashlib import sha256
from typing import Any

import msgspec

from watchkeeper.errors import DocumentError


class FindingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One check's outcome for one feature, as it is stored. Never a captured value."""

    feature: str
    check: str
    outcome: str
    reason: str
    observed: float | None = None
    limit: float | None = None
    excess: float = 0.0
    severity: str | None = None


class WindowResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one (endpoint, variant, monitor, window), with everything it was computed from.

    ``findings`` holds what is violated or could not be evaluated; satisfied checks are only counted.
    ``severity`` is that of the worst violation. ``distances`` holds the drift distance of every feature that was
    compared; ``worst_distance_rank`` is the place of the farthest one in the baseline's order, 1 being the first.
    ``matched_count`` counts captured invocations that have a label, ``label_state`` says why the window was ripe,
    ``merge_digest`` which merged hours it was judged on, and ``metrics`` holds a model's quality by metric.
    """

    endpoint: str
    endpoint_name: str
    variant: str
    monitor: str
    period: str
    window: str
    verdict: str
    reason: str
    digest: str
    severity: str | None = None
    revision: int = 0
    findings: tuple[FindingRecord, ...] = ()
    satisfied_count: int = 0
    violated_count: int = 0
    not_evaluated_count: int = 0
    worst_feature: str | None = None
    worst_check: str | None = None
    worst_distance: float | None = None
    worst_distance_feature: str | None = None
    worst_distance_rank: int | None = None
    distances: dict[str, float] = {}
    row_count: int | None = None
    captured_count: int | None = None
    invocation_count: float | None = None
    malformed_count: int = 0
    malformed_samples: tuple[str, ...] = ()
    object_count: int = 0
    capture_bytes: int = 0
    capture_digest: str = ""
    baseline_version: str | None = None
    baseline_note: str | None = None
    spec_digest: str = ""
    code_version: str = ""
    dialect: str | None = None
    owner: str = ""
    model_version: str | None = None
    endpoint_config: str | None = None
    config_change: str | None = None
    analysis_seconds: float | None = None
    matched_count: int | None = None
    label_coverage: float | None = None
    label_state: str | None = None
    merge_digest: str | None = None
    metrics: dict[str, float] = {}
    could_not_judge: bool = False
    analyzed_at: str = ""
    run_id: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether somebody could look: a judged result is never replaced by one that is not."""
        return not self.could_not_judge


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RESULTS = msgspec.json.Decoder(WindowResult)


def verdict_digest(
    *,
    capture_digest: str,
    baseline_version: str | None,
    spec_digest: str,
    code_version: str,
    traffic: str = "",
    failure: str = "",
) -> str:
    """Return the digest of everything that a verdict is a function of (32 hex digits).

    ``traffic`` is what the Invocations metric says about missing capture: the one input that is not in S3.
    ``failure`` sets a result apart that could not be computed, so that a later success is another revision.
    """
    parts = (capture_digest, baseline_version or "", spec_digest, code_version, traffic, failure)
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def encode_result(result: WindowResult) -> bytes:
    """Return the result as JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2)


def decode_result(body: bytes, source: str) -> WindowResult:
    """Return the result in ``body``; fields of a newer version are ignored. DocumentError if it cannot be read."""
    try:
        return _RESULTS.decode(body)
    except msgspec.DecodeError as error:
        raise DocumentError(
            source, f"not a window result ({error})", "Delete the object and run the window again."
        ) from error


def with_fields(result: WindowResult, **changes: Any) -> WindowResult:
    """Return a copy of the result with some fields changed."""
    return msgspec.structs.replace(result, **changes)
