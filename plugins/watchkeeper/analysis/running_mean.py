"""The mean after each value of a stream, every step rounded as Spark's ``CentralMomentAgg`` rounds it.

For every x: n += 1; mean += (x - mean) / n. A chain of dependent divisions is slow in Python, so it is solved for all
values at once. Three ways give the same bits: a fixed point of whole-array steps, a banded triangular system, a loop.
"""

from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# So many values from the start are quickest in a loop.
FIRST_PIECE = 256
_SWEEPS = 5
# More wrong steps than this after a correction, or so many failures in a row: trying on costs more than it gains.
_FEW_ERRORS = 150
_PATIENCE = 10
# Below this many values a loop is quicker than loading the solver.
_SOLVER_FROM = 4000


class MeanFollower:
    """Follows one stream's mean, and learns whether the quick way leads anywhere."""

    def __init__(self) -> None:
        self._failures = 0

    def follow(self, values: Floats, totals: Floats, count: int, mean: float) -> tuple[float, Floats, Floats]:
        """Return the mean after ``values``, each value's deviation from the mean before it, and the step it caused.

        ``mean`` is that of the ``count`` values before these, and ``totals`` is about the sum of all values up to each
        of these. At least one value is expected.
        """
        numbers = np.arange(count + 1, count + len(values) + 1, dtype=np.float64)
        path = np.empty(len(values) + 1)
        path[0] = mean
        np.divide(totals, numbers, out=path[1:])
        deviations, steps = np.empty_like(values), np.empty_like(values)
        if count >= FIRST_PIECE and self._failures < _PATIENCE:
            if _settle(values, numbers, path, deviations, steps):
                self._failures = 0
                return float(path[-1]), deviations, steps
            self._failures += 1
        path[1:] = _means(values, count, mean)
        np.subtract(values, path[:-1], out=deviations)
        np.divide(deviations, numbers, out=steps)
        return float(path[-1]), deviations, steps


def _settle(values: Floats, numbers: Floats, path: Floats, deviations: Floats, steps: Floats) -> bool:
    """Correct a guessed path of the mean until it is exact; return whether it was within a few sweeps.

    The guess is off by rounding only. One step from each guessed mean tells by how much each next one is off; those
    errors, added up from left to right, correct the guess. Whatever the guess was, a path of which every step leads
    to the next mean exactly is the path, by induction. Where the mean wanders about zero or a power of two, rounding
    changes with every crossing, errors hardly get fewer, and it gives up.
    """
    before, after = path[:-1], path[1:]
    exact, differs = np.empty_like(values), np.empty(len(values), np.bool)
    for sweep in range(_SWEEPS):
        np.subtract(values, before, out=deviations)
        np.divide(deviations, numbers, out=steps)
        np.add(before, steps, out=exact)
        np.not_equal(exact, after, out=differs)
        wrong = int(np.count_nonzero(differs))
        if not wrong:
            return True
        if sweep and wrong > _FEW_ERRORS:
            return False
        np.subtract(exact, after, out=exact)
        np.add.accumulate(exact, out=exact)
        np.add(after, exact, out=after)
    return False


def _means(values: Floats, count: int, mean: float) -> Floats:
    if count + len(values) >= _SOLVER_FROM and _solver_is_exact():
        return _means_by_substitution(values, count, mean)
    return _means_by_loop(values, count, mean)


def _means_by_loop(values: Floats, count: int, mean: float) -> Floats:
    means = []
    for position, value in enumerate(values.tolist(), count + 1):
        mean += (value - mean) / position
        means.append(mean)
    return np.array(means)


def _means_by_substitution(values: Floats, count: int, mean: float) -> Floats:
    """The same recurrence as a banded triangular system, which BLAS solves five times faster than a Python loop.

    With unknowns e_1, m_1, e_2, m_2, …: ``n·e_n + m_(n-1) = x_n`` and ``m_n - e_n - m_(n-1) = 0``. Forward
    substitution rounds a subtraction, a division by n and an addition for each value, as the loop does; all other
    coefficients are 1 or -1 and round nothing.
    """
    length = len(values)
    band = np.empty((3, 2 * length), order="F")
    band[0, 0::2] = np.arange(count + 1, count + length + 1)
    band[0, 1::2] = 1.0
    band[1, 0::2] = -1.0
    band[1, 1::2] = 1.0
    band[2, 0::2] = 0.0
    band[2, 1::2] = -1.0
    right = np.zeros(2 * length)
    right[0::2] = values
    right[0] -= mean
    right[1] = mean
    solution: Floats = _solver()(2, band, right, lower=1, overwrite_x=1)
    return solution[1::2]


@cache
def _solver() -> Callable[..., Floats]:
    """Return scipy's wrapper of BLAS ``dtbsv``.

    Importing ``scipy.linalg`` takes a third of a second, its BLAS module alone a hundredth of that: where that
    module is found, only it is loaded.

    Raises
    ------
    ImportError
        when there is no scipy.
    """
    package = find_spec("scipy")
    folders = [f"{folder}/linalg" for folder in (package.submodule_search_locations or ())] if package else []
    spec = PathFinder.find_spec("_fblas", folders)
    if spec is None or spec.loader is None:
        from scipy.linalg.blas import dtbsv

        return dtbsv
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dtbsv  # type: ignore[no-any-return]


@cache
def _solver_is_exact() -> bool:
    """Whether this machine's BLAS is there and divides (one that multiplies by reciprocals rounds otherwise)."""
    values = np.random.default_rng(7).normal(100.0, 25.0, 3000)
    try:
        return bool(np.array_equal(_means_by_substitution(values, 11, 98.7), _means_by_loop(values, 11, 98.7)))
    except ImportError:
        return False
