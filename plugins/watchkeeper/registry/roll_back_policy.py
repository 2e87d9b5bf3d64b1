"""Whether the windows since a promotion call for taking it back: a function of records."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchkeeper.registry.capture_window import moment_text, utc_moment
from watchkeeper.registry.deployment_spec import RollBackSpec
from watchkeeper.registry.retraining_policy import CountingWindow, VerdictRow, counting_window, newest_first
from watchkeeper.registry.retraining_spec import RetrainingSpec


class RollBackRefusal(StrEnum):
    """What forbids taking a promotion back."""

    TOO_FEW_VIOLATED = "too_few_violated"
    KEPT = "kept"
    DRY_RUN = "dry_run"


@dataclass(frozen=True)
class Promotion:
    """The promotion whose model is in service.

    ``serving_since`` is when its model last came into service, by the promotion or by taking a later one back; ``kept``
    says that a person was asked to take it back, and declined.
    """

    attempt_id: str
    promoted_at: datetime
    serving_since: datetime
    kept: bool = False


@dataclass(frozen=True)
class RollBackDecision:
    """Whether to take a promotion back, why in one sentence, the windows that count, and what forbids it."""

    roll_back: bool
    reason: str
    attempt_id: str
    counting: tuple[CountingWindow, ...] = ()
    refusals: tuple[RollBackRefusal, ...] = ()


def probation(policy: RollBackSpec, promotion: Promotion) -> tuple[datetime, datetime]:
    """Return between which moments a window must begin to count against a promotion."""
    return (
        utc_moment(promotion.serving_since),
        utc_moment(promotion.promoted_at) + timedelta(days=policy.within_days),
    )


def decide_roll_back(
    spec: RetrainingSpec, policy: RollBackSpec, endpoint: str, verdicts: Iterable[VerdictRow], promotion: Promotion
) -> RollBackDecision:
    """Return whether to take a promotion back.

    By the findings that call for retraining (``spec.triggers``), counted over the windows of one monitor of one
    variant that the promoted model answered alone, whenever their verdict comes: a verdict that waited for labels
    counts for the window that it is of. Restated verdicts count as they stand now.
    """
    start, end = probation(policy, promotion)
    tracks: dict[tuple[str, str], list[CountingWindow]] = {}
    for row in verdicts:
        if row.endpoint == endpoint and start <= row.window.start < end:
            found = counting_window(spec.triggers, row)
            if found is not None:
                tracks.setdefault((row.variant, row.monitor), []).append(found)
    counting = newest_first(window for track in tracks.values() for window in track)
    counted = max((len(track) for track in tracks.values()), default=0)
    refusals = [] if counted >= policy.violated_windows else [RollBackRefusal.TOO_FEW_VIOLATED]
    if promotion.kept:
        refusals.append(RollBackRefusal.KEPT)
    if spec.mode == "dry_run":
        refusals.append(RollBackRefusal.DRY_RUN)
    return RollBackDecision(
        roll_back=not refusals,
        reason=_reason(spec, policy, promotion, counting, counted, refusals),
        attempt_id=promotion.attempt_id,
        counting=counting,
        refusals=tuple(refusals),
    )


def _reason(
    spec: RetrainingSpec,
    policy: RollBackSpec,
    promotion: Promotion,
    counting: tuple[CountingWindow, ...],
    counted: int,
    refusals: list[RollBackRefusal],
) -> str:
    unit = "hours" if spec.triggers.period == "hourly" else "days"
    found = (
        f"{counted} {unit} of a monitor are violated within {policy.within_days} days after the promotion of "
        f"{moment_text(promotion.promoted_at)}"
    )
    if counting:
        newest = counting[0]
        worst = f" ({newest.findings[0].feature}: {newest.findings[0].check})" if newest.findings else ""
        found += f", the newest {newest.window} by {newest.monitor}{worst}"
    if not refusals:
        return f"Roll back: {found}."
    told = {
        RollBackRefusal.TOO_FEW_VIOLATED: f"{policy.violated_windows} would be needed",
        RollBackRefusal.KEPT: "a person has decided to keep this model",
        RollBackRefusal.DRY_RUN: "the mode is dry_run",
    }
    return f"No roll back: {found}, but {' and '.join(told[refusal] for refusal in refusals)}."
