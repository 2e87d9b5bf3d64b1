"""What became of each feature: where it ranked before and after, and its share of all attributions."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureDrift:
    """One feature's place among a label's drivers, 1 the strongest, and its share in 0..1 of all they drive.

    ``None`` where a side does not have the feature. Equal ones rank alike, as the best of them.
    """

    feature: str
    rank_before: int | None
    rank_after: int | None
    share_before: float | None
    share_after: float | None

    @property
    def share_change(self) -> float:
        """By how much the share grew; a feature that is not there has none."""
        return (self.share_after or 0.0) - (self.share_before or 0.0)


def feature_drifts(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[FeatureDrift, ...]:
    """Return every feature's drift, the largest change of share first; attributions count by absolute value."""
    ranks, shares = zip(*(_standing(side) for side in (before, after)), strict=True)
    names = [*before, *(name for name in after if name not in before)]
    drifts = [
        FeatureDrift(name, ranks[0].get(name), ranks[1].get(name), shares[0].get(name), shares[1].get(name))
        for name in names
    ]
    return tuple(sorted(drifts, key=lambda drift: -abs(drift.share_change)))


def _standing(values: Mapping[str, float]) -> tuple[dict[str, int], dict[str, float]]:
    sizes = {name: abs(value) for name, value in values.items()}
    total = sum(sizes.values())
    ranks = {name: 1 + sum(other > size for other in sizes.values()) for name, size in sizes.items()}
    return ranks, {name: size / total if total else 0.0 for name, size in sizes.items()}


def top_driver(values: Mapping[str, float]) -> str | None:
    """Return the feature of the largest attribution; ``None`` where all are zero."""
    best = max(values, key=lambda name: abs(values[name]), default=None)
    return best if best is not None and values[best] else None


def drift_sentence(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Return what happened to the drivers, for people: the top one before and after, and who moved most."""
    first, now = top_driver(before), top_driver(after)
    head = f"top driver is still {now}" if first == now else f"top driver was {first}, is now {now}"
    drifts = feature_drifts(before, after)
    moved = drifts[0]
    parts = [head, f"{moved.feature} went from {_place(moved, after=False)} to {_place(moved, after=True)}"]
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    parts += [f"{name} is gone" for name in gone[:3]] + [f"{name} is new" for name in new[:3]]
    return "; ".join(parts)


def _place(drift: FeatureDrift, *, after: bool) -> str:
    rank, share = (drift.rank_after, drift.share_after) if after else (drift.rank_before, drift.share_before)
    return "nowhere" if rank is None or share is None else f"rank {rank} ({share:.0%})"
