"""When a window has labels enough to be judged: by their share, or because the waiting is over. No clock in here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from watchkeeper.registry.capture_window import moment_text, utc_moment
from watchkeeper.registry.ground_truth_spec import GroundTruthSpec

RipenessState = Literal["pending", "covered", "waited"]


@dataclass(frozen=True)
class LabelRipeness:
    """``pending``: wait for more labels; ``covered``: enough captures have one; ``waited``: the time is over."""

    state: RipenessState
    reason: str

    @property
    def is_ripe(self) -> bool:
        """Whether the window may be judged."""
        return self.state != "pending"


def label_ripeness(
    spec: GroundTruthSpec, captured_count: int, matched_count: int, window_end: datetime, now: datetime
) -> LabelRipeness:
    """Return whether a window is ripe, with a sentence that says why.

    A window without captures has no label to wait for: it is ``covered``.
    """
    if not captured_count:
        return LabelRipeness("covered", "nothing was captured, so there is no label to wait for")
    share = matched_count / captured_count
    told = f"{matched_count:,} of {captured_count:,} captured invocations have a label ({_percent(share)})"
    wanted = _percent(spec.label_coverage)
    if share >= spec.label_coverage:
        return LabelRipeness("covered", f"{told}, at least the {wanted} that are waited for")
    deadline = utc_moment(window_end) + timedelta(hours=spec.waiting_hours)
    if utc_moment(now) < deadline:
        return LabelRipeness("pending", f"{told}, under the {wanted} that are waited for until {moment_text(deadline)}")
    if not matched_count:
        told = f"no label came for any of {captured_count:,} captured invocations"
    return LabelRipeness("waited", f"{told} within the {spec.waiting_hours} hours that are waited")


def _percent(share: float) -> str:
    # Rounded down, so that what is not enough never reads as if it were.
    return f"{int(share * 1000 + 1e-9) / 10:g} %"
