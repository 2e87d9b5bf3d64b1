"""What chance alone explains: the tolerance that the ``exact`` dialect gives to shares."""

import math

# The level of the Robust distance too: three windows in a thousand.
SIGNIFICANCE = 0.003


def chance_of_misses(window_misses: int, window_size: int, baseline_misses: int, baseline_size: int) -> float:
    """Return how likely at least so many misses fall into the window if both samples come from one population.

    This is the upper tail of the hypergeometric distribution (Fisher's exact test, one-sided): of all values of both
    samples, ``window_misses + baseline_misses`` miss; by chance each is as likely to lie in one sample as any other.
    """
    misses = window_misses + baseline_misses
    everything = window_size + baseline_size
    highest = min(misses, window_size)
    lowest = max(window_misses, misses - baseline_size)
    if window_misses <= max(0, misses - baseline_size):
        return 1.0
    whole = _log_choose(everything, misses)
    total = 0.0
    for count in range(lowest, highest + 1):
        term = math.exp(
            _log_choose(window_size, count) + _log_choose(baseline_size, misses - count) - whole,
        )
        total += term
        # Terms only fall beyond the mode; what is left cannot change the sum's digits.
        if term <= total * 1e-12 and count > misses * window_size / everything:
            break
    return min(total, 1.0)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
