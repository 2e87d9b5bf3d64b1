"""A housing-price model whose top driver moves from size to location is flagged, naming both; quiet days are not."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from sandbox.deployment import trained_model
from sandbox.traffic.attribution_scene import HOUSES, NDCG, TOP_DRIVERS
from sandbox.traffic.request_stream import DATA_SETS
from watchkeeper.analysis.attribution_judgement import AttributionJudgement, AttributionRules, judge_attribution
from watchkeeper.analysis.attribution_report import attribution_report_of
from watchkeeper.analysis.explanation import Floats
from watchkeeper.analysis.kernel_shap import explain
from watchkeeper.analysis.shap_background import background_of
from watchkeeper.analysis.shap_settings import ShapSettings

DATA = DATA_SETS[HOUSES.endpoint]
MODEL = trained_model(HOUSES, DATA, ())


def price(rows: pl.DataFrame) -> Floats:
    return np.array(MODEL.predict(rows.to_dict(as_series=False)))[:, None]


def rows_of_day(day: int) -> pl.DataFrame:
    start = HOUSES.starts + timedelta(days=day)
    return DATA.between(start, start + timedelta(days=1)).select(DATA.inputs)


def judged(day: int, settings: ShapSettings, sample_seed: int) -> AttributionJudgement:
    assert HOUSES.baseline_until is not None
    past = DATA.between(HOUSES.baseline_from, HOUSES.baseline_until).select(DATA.inputs)
    background = background_of(settings, past)
    baseline = attribution_report_of(explain(price, past, background, settings), settings)
    rows = rows_of_day(day)
    explanation = explain(price, rows.sample(min(100, rows.height), seed=sample_seed), background, settings)
    return judge_attribution(attribution_report_of(explanation, settings), baseline, AttributionRules(), explanation)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("day", range(3))
def test_the_third_day_is_flagged_with_both_drivers(day: int, seed: int) -> None:
    expectation = [one for period, _hour, _hours, one in HOUSES.expectations() if period == "daily"][day]
    found = judged(day, ShapSettings(num_clusters=10, seed=seed), seed)
    assert found.verdict.value == expectation.verdict
    (score,) = found.ndcg.values()
    lowest, highest = NDCG[expectation.verdict]
    assert score is not None
    assert lowest <= score <= highest + 1e-9
    (drifts,) = found.drifts.values()
    assert next(one.feature for one in drifts if one.rank_before == 1) == TOP_DRIVERS[0]
    assert next(one.feature for one in drifts if one.rank_after == 1) == TOP_DRIVERS[expectation.verdict == "violated"]
    told = f"top driver was {TOP_DRIVERS[0]}, is now {TOP_DRIVERS[1]}"
    assert (told in found.reason) == (expectation.verdict == "violated")


def test_the_model_knows_the_whole_town_from_other_sales_than_the_days() -> None:
    days = DATA.between(HOUSES.starts, HOUSES.ends)
    error = np.abs(np.array(MODEL.predict(days.select(DATA.inputs).to_dict(as_series=False))) / days[DATA.target] - 1)
    assert error.mean() < 0.15
    trained = DATA.between(HOUSES.trained_from, HOUSES.trained_until)
    assert set(MODEL.categories["location"]) >= set(days["location"])
    assert trained.height > 1000
    assert [rows_of_day(day).height for day in range(3)] == [228, 131, 421]
