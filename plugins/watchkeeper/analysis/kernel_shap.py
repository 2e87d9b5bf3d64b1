"""KernelSHAP by the `shap` package, the model asked for many rows' coalitions at once.

shap asks the model anew for each row that it explains. Here it only draws the coalitions and solves the regressions;
in between, the coalitions of many rows are put to the model in one call. With the same seed the numbers are shap's own.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from watchkeeper.analysis.coded_rows import CodedRows, Codes
from watchkeeper.analysis.explanation import Explanation, Floats, Model, checked_answers
from watchkeeper.analysis.shap_background import Background
from watchkeeper.analysis.shap_settings import ShapSettings
from watchkeeper.errors import ModelAnswerError

# Rows put to the model at once: some tens of megabytes.
BLOCK_ROWS = 100_000


def explain(
    model: Model,
    rows: pl.DataFrame,
    background: Background,
    settings: ShapSettings | None = None,
    *,
    block_rows: int = BLOCK_ROWS,
) -> Explanation:
    """Return the attributions of ``rows`` (Lundberg and Lee 2017), measured against ``background``.

    ``rows`` and the background have the same features, of any type; the model gets them in the types they have. It is
    called once with all rows, and once for about every ``block_rows`` rows of coalitions; equal rows are asked once a
    call. Features are not selected beforehand (shap's ``l1_reg`` is off, as Clarify's numbers show): each gets its
    share.

    Raises
    ------
    ModelAnswerError
        when the model's answers cannot be used: see `checked_answers`; or are no probabilities, with ``use_logit``.
    """
    settings = settings or ShapSettings()
    coder = CodedRows(background.rows, rows)
    asked = _Asked(model, coder, probabilities=settings.use_logit)
    known, wanted = coder.encode(background.rows), coder.encode(rows)
    answers = asked(np.concatenate([known, wanted]))
    with _seeded(settings.seed):
        drawing = _Drawing(known, background.weights, answers[: len(known)], settings)
        values = np.zeros((len(wanted), len(coder.names), answers.shape[1]))
        for block in _blocks(drawing, wanted, answers[len(known) :], block_rows):
            found = asked(np.concatenate([row.coalitions for row in block if len(row.coalitions)] or [known[:0]]))
            start = 0
            for row in block:
                end = start + len(row.coalitions)
                values[row.place] = row.solve(found[start:end])
                start = end
    return Explanation(coder.names, values, drawing.expected_values, asked.calls, asked.rows, asked.coalitions)


def most_rows(rows: pl.DataFrame, background: Background, settings: ShapSettings | None = None) -> int:
    """Return how many rows `explain` asks the model for at most: as many where no two of them are equal."""
    width = rows.width
    drawn = (settings and settings.num_samples) or 2 * width + 2048
    known = len(background.rows)
    return known + len(rows) * (1 + known * min(drawn, (1 << width) - 2))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # shap draws from numpy's global generator; nobody else's draws shall be changed by it.
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


class _Asked:
    """The model behind codes: decodes, asks each different row once, checks and counts."""

    def __init__(self, model: Model, coder: CodedRows, *, probabilities: bool) -> None:
        self._model = model
        self._coder = coder
        self._probabilities = probabilities
        self._labels: int | None = None
        self.calls = self.rows = self.coalitions = 0

    def __call__(self, codes: Codes) -> Floats:
        if not len(codes):
            return np.zeros((0, self._labels or 0))
        distinct, which = self._coder.distinct(codes)
        answers = checked_answers(self._model(self._coder.decode(distinct)), len(distinct), self._labels)
        self._labels = answers.shape[1]
        if self._probabilities and (answers.min() < 0 or answers.max() > 1):
            found = "numbers outside 0..1, which have no log-odds"
            raise ModelAnswerError(
                "the model's answer", found, "Set use_logit to false, or have it answer probabilities"
            )
        self.calls += 1
        self.rows += len(distinct)
        self.coalitions += len(codes)
        return answers[which]


class _Drawing:
    """shap's explainer, stopped where it would ask the model."""

    def __init__(self, known: Codes, weights: Floats, answers: Floats, settings: ShapSettings) -> None:
        from shap.utils._legacy import DenseData

        names = [str(position) for position in range(known.shape[1])]
        data = DenseData(known, names, None, weights.copy())
        self._explainer = _paused_explainer()(
            lambda _: answers, data, link="logit" if settings.use_logit else "identity"
        )
        self._options = {"nsamples": settings.num_samples or "auto", "l1_reg": False}

    @property
    def expected_values(self) -> Floats:
        return np.asarray(self._explainer.expected_value, np.float64)

    def row(self, place: int, codes: Codes, answer: Floats) -> "_Row":
        explainer = self._explainer
        explainer.model.f = lambda _: answer
        try:
            done = explainer.explain(codes, **self._options)
        except _Paused:
            return _Row(place, copy.copy(explainer), codes)
        # No feature, or only one, differs from the background: there is nothing to ask.
        return _Row(place, None, codes, done)


class _Row:
    """A row whose coalitions are drawn, and after the model's answer its attributions (features × labels)."""

    def __init__(self, place: int, explainer: Any, codes: Codes, done: Floats | None = None) -> None:
        self.place = place
        self._explainer = explainer
        self._done = done
        self.coalitions = codes[:0] if explainer is None else self._mixed(codes)

    def _mixed(self, codes: Codes) -> Codes:
        """Return the row with the features of each coalition, the others from every background row in turn."""
        known = self._explainer.data.data
        varying = self._explainer.varyingInds
        inside = self._explainer.maskMatrix[: self._explainer.nsamplesAdded] == 1.0
        mixed = np.repeat(known[None], len(inside), axis=0)
        mixed[:, :, varying] = np.where(inside[:, None, :], codes[0, varying], known[None, :, varying])
        return mixed.reshape(-1, known.shape[1])

    def solve(self, answers: Floats) -> Floats:
        if self._done is not None:
            return self._done
        shap = self._explainer
        weighed = answers.reshape(-1, len(shap.data.weights), shap.D) * shap.data.weights[:, None]
        shap.ey[: shap.nsamplesAdded] = weighed.sum(axis=1)
        values = np.zeros((shap.data.groups_size, shap.D))
        for label in range(shap.D):
            values[shap.varyingInds, label], _ = shap.solve(shap.nsamples / shap.max_samples, label)
        return values


def _blocks(drawing: _Drawing, codes: Codes, answers: Floats, block_rows: int) -> Iterator[list[_Row]]:
    block: list[_Row] = []
    size = 0
    for place in range(len(codes)):
        block.append(drawing.row(place, codes[place : place + 1], answers[place : place + 1]))
        size += len(block[-1].coalitions)
        if size >= block_rows:
            yield block
            block, size = [], 0
    if block:
        yield block


class _Paused(Exception):  # noqa: N818 - no error: the coalitions are drawn, and the model is to be asked
    pass


@cache
def _paused_explainer() -> Any:
    import shap

    class PausedExplainer(shap.KernelExplainer):  # type: ignore[misc]  # shap has no types
        """Draws coalitions as its parent does, but keeps only their masks and weights, and never asks."""

        def varying_groups(self, x: Codes) -> Any:
            # Codes are equal or not; shap's closeness of floats would take two late codes for one.
            return np.nonzero((self.data.data != x).any(axis=0))[0]

        def allocate(self) -> None:
            self.maskMatrix = np.zeros((self.nsamples, self.M))
            self.kernelWeights = np.zeros(self.nsamples)
            self.ey = np.zeros((self.nsamples, self.D))
            self.nsamplesAdded = 0

        def addsample(self, x: Codes, m: Floats, w: float) -> None:  # noqa: ARG002
            self.maskMatrix[self.nsamplesAdded] = m
            self.kernelWeights[self.nsamplesAdded] = w
            self.nsamplesAdded += 1

        def run(self) -> None:
            raise _Paused

    return PausedExplainer
