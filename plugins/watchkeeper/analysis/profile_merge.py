"""The profile of a day from those of its hours."""

from collections import Counter
from collections.abc import Sequence

from watchkeeper.analysis.capture_profile import SAMPLE_LIMIT, CaptureProfile, MalformedLines, MalformedSample
from watchkeeper.analysis.dataset_state import merge_states


def merge_profiles(profiles: Sequence[CaptureProfile]) -> CaptureProfile:
    """Return the profile of all parts, states folded in the order given.

    As within a window, the number of fields that most rows have decides: parts of named columns are joined by name,
    and a part whose columns are only positions (another number of fields than was promised) is left out, its
    invocations counted as malformed, unless such parts hold most of the rows.
    """
    rows: Counter[tuple[str, ...] | str] = Counter()
    for profile in profiles:
        rows[_layout(profile)] += profile.row_count
    majority = max(rows, key=lambda layout: rows[layout], default=None)
    reasons: Counter[str] = Counter()
    samples: list[MalformedSample] = []
    parts = []
    invocations = 0
    for profile in profiles:
        reasons.update(profile.malformed.reasons)
        samples += profile.malformed.samples
        if profile.state is None:
            continue
        if _layout(profile) == majority:
            parts.append(profile.state)
            invocations += profile.invocation_count
        else:
            reasons[f"{len(profile.state.columns)} fields in an hour, unlike most rows"] += profile.invocation_count
    malformed = MalformedLines(reasons.total(), dict(reasons.most_common()), tuple(samples[:SAMPLE_LIMIT]))
    lines = sum(profile.line_count for profile in profiles)
    return CaptureProfile(merge_states(parts), lines, invocations, malformed)


def _layout(profile: CaptureProfile) -> tuple[str, ...] | str:
    state = profile.state
    return tuple(state.columns) if state is not None and state.positional else "named"
