"""The whole way: captured houses whose price was driven by size, then by location, from lines to verdict."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.analysis.attribution_samples import file_of, input_line
from watchkeeper.analysis.attribution_judgement import AttributionJudgement, AttributionRules, judge_attribution
from watchkeeper.analysis.attribution_report import (
    AttributionReport,
    attribution_report_of,
    decode_attribution_report,
    encode_attribution_report,
)
from watchkeeper.analysis.attribution_sample import SampledRows, sample_rows
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.explanation import Explanation
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.finding import Verdict
from watchkeeper.analysis.kernel_shap import explain
from watchkeeper.analysis.local_shap import encode_local_shap, find_local_shap
from watchkeeper.analysis.shap_background import background_of
from watchkeeper.analysis.shap_settings import ShapSettings

NAMES = ("size", "location", "rooms", "garden")
WORTH = {"harbour": 300.0, "centre": 180.0, "suburb": 0.0}
SETTINGS = ShapSettings(baseline=((120, "suburb", 4, False),))


def price(houses: pl.DataFrame) -> NDArray[np.float64]:
    """A model of prices, in thousands, that takes texts and booleans."""
    worth = houses["location"].replace_strict(WORTH, return_dtype=pl.Float64)
    total = 2.0 * houses["size"] + worth + 5.0 * houses["rooms"] + 8.0 * houses["garden"].cast(pl.Float64)
    return total.to_numpy().astype(np.float64)


def captured(seed: int, spread: float, town_share: float, count: int = 400) -> SampledRows:
    """Captured houses; few of them, or many, are in town."""
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        town = rng.random() < town_share
        location = rng.choice(["harbour", "centre"]) if town else "suburb"
        cells = (round(120 + spread * rng.normal()), location, rng.integers(2, 7), str(rng.random() < 0.5).lower())
        lines.append(input_line(",".join(map(str, cells)), f"house-{seed}-{number}"))
    return sample_rows([file_of(lines)], FeatureReader(NAMES), 200)


def explained(sampled: SampledRows) -> tuple[Explanation, AttributionReport]:
    explanation = explain(price, sampled.rows, background_of(SETTINGS, sampled.rows), SETTINGS)
    return explanation, attribution_report_of(explanation, SETTINGS)


def judged(window: SampledRows, dialect: Dialect) -> AttributionJudgement:
    _, before = explained(captured(1, spread=30.0, town_share=0.05))
    baseline = decode_attribution_report(encode_attribution_report(before))
    explanation, report = explained(window)
    return judge_attribution(report, baseline, AttributionRules(dialect), explanation)


def test_a_top_driver_that_moves_from_size_to_location_is_flagged_naming_both() -> None:
    window = captured(2, spread=4.0, town_share=0.8)
    for dialect in Dialect:
        found = judged(window, dialect)
        assert found.verdict is Verdict.VIOLATED
        assert "top driver was size, is now location" in found.reason
        moved = found.drifts["label0"][0]
        assert moved.feature in {"size", "location"}
        assert abs(moved.share_change) > 0.4


def test_more_of_the_same_houses_are_no_drift() -> None:
    for dialect in Dialect:
        found = judged(captured(3, spread=30.0, town_share=0.05), dialect)
        assert found.verdict is Verdict.OK
        assert "top driver is still size" in found.reason


def test_each_price_is_explained_by_its_event() -> None:
    window = captured(2, spread=4.0, town_share=0.8)
    explanation, _ = explained(window)
    stored = encode_local_shap(window, explanation, ["price"])
    prices = price(window.rows)
    for place in (0, 57, 199):
        event = window.event_ids[place]
        assert event is not None
        (line,) = find_local_shap(stored, event_id=event)
        assert abs(line.prediction - prices[place]) < 1e-6
        assert abs(line.shap_values["location"] - WORTH[window.rows["location"][place]]) < 1e-6
