"""Two pages made from data that could be real; ``python -m tests.analysis.page_examples FOLDER`` writes them.

The pictures in docs/images are theirs, at 1280 px: ``chromium --headless --hide-scrollbars --window-size=1280,2900
--screenshot=bias-report.png FOLDER/bias-report.html``.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from watchkeeper.analysis.attribution_judgement import judge_attribution
from watchkeeper.analysis.attribution_page import attribution_page
from watchkeeper.analysis.attribution_report import AttributionReport, LabelAttribution
from watchkeeper.analysis.bias_dataset import bias_of_frame
from watchkeeper.analysis.bias_definition import BiasAttributes, Facet
from watchkeeper.analysis.bias_judgement import BiasJudgement, BiasRules, judge_bias_state
from watchkeeper.analysis.bias_page import bias_page
from watchkeeper.analysis.bias_report import bias_report_of, groups_of
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.report_page import PageFacts

DAY = (datetime(2026, 7, 2, tzinfo=UTC), datetime(2026, 7, 3, tzinfo=UTC))
ATTRIBUTES = BiasAttributes(
    label_values_or_threshold=(1,),
    facets=(Facet("sex", ("female",)), Facet("age", (45.5,))),
    group_variable="education",
    inference_attribute="prediction",
    ground_truth_attribute="approved",
    label_name="approved",
)


def applications(row_count: int, seed: int, *, harsh: float = 0.0) -> pl.DataFrame:
    """Return loan applications with what became of them; ``harsh`` makes the model reject women more often."""
    rng = np.random.default_rng(seed)
    female = rng.random(row_count) < 0.38
    age = np.round(rng.normal(42, 12, row_count).clip(19, 80), 1)
    years = rng.integers(8, 18, row_count)
    income = rng.lognormal(10.4 + 0.05 * (years - 12), 0.4)
    merit = 0.9 * (np.log(income) - 10.4) + 0.09 * (years - 12) + 0.012 * (age - 42) - 0.1 * female
    approved = merit + rng.normal(0, 0.35, row_count) > 0.1
    predicted = merit + rng.normal(0, 0.2, row_count) - harsh * female > 0.1
    return pl.DataFrame(
        {
            "sex": np.where(female, "female", "male"),
            "age": age,
            "education": years,
            "income": np.round(income),
            "approved": approved.astype(int),
            "prediction": predicted.astype(int),
        }
    )


def loan_states() -> tuple[BiasState, BiasState]:
    """Return the state of the training data, and of a window whose model is harsh to women."""
    return (
        bias_of_frame(applications(4000, 1), ATTRIBUTES),
        bias_of_frame(applications(1263, 2, harsh=0.3), ATTRIBUTES),
    )


def bias_example(dialect: Dialect = Dialect.EXACT) -> tuple[bytes, BiasJudgement]:
    """Return the page of loan applications, and the judgement that it shows."""
    before, window = loan_states()
    baseline = bias_report_of(before)
    rules = BiasRules(dialect)
    judgement = judge_bias_state(window, baseline, rules)
    facts = PageFacts(
        "loan-approval",
        "AllTraffic",
        DAY,
        judgement.verdict,
        judgement.reason,
        window.row_count,
        "v3 of 2026-06-30",
        (("Dialect", dialect.value), ("Positive label", "approved = 1"), ("Grouped by", "education")),
    )
    body = bias_page(
        judgement.report,
        baseline,
        judgement.findings,
        facts,
        rules=rules,
        groups=groups_of(window, baseline)[0],
        baseline_groups=groups_of(before)[0],
    )
    return body, judgement


HOUSES_BEFORE = {
    "living_area": 24_310.0,
    "overall_quality": 17_940.0,
    "year_built": 9_120.0,
    "garage_area": 6_480.0,
    "latitude": 4_930.0,
    "total_basement_area": 4_420.0,
    "lot_area": 3_610.0,
    "first_floor_area": 3_205.0,
    "fireplaces": 2_260.0,
    "longitude": 1_870.0,
    "full_bathrooms": 1_040.0,
    "year_remodelled": 830.0,
    "pool_area": 410.0,
    "street": 95.0,
}
HOUSES_AFTER = HOUSES_BEFORE | {
    "living_area": 8_260.0,
    "latitude": 31_470.0,
    "longitude": 19_200.0,
    "garage_area": 3_170.0,
    "year_built": 7_350.0,
    "overall_quality": 11_020.0,
}


def attribution_example() -> tuple[bytes, str]:
    """Return the page of a house price model whose driver moves from size to location, and the verdict's reason."""
    baseline, report = (
        AttributionReport({"price": LabelAttribution(values, 181_204.0)}) for values in (HOUSES_BEFORE, HOUSES_AFTER)
    )
    judgement = judge_attribution(report, baseline)
    facts = PageFacts(
        "house-price",
        "AllTraffic",
        DAY,
        judgement.verdict,
        judgement.reason,
        12_480,
        "v3 of 2026-06-30",
        (("Explained", "500 rows, KernelSHAP"), ("Aggregation", "mean_abs")),
    )
    return attribution_page(report, baseline, judgement.findings, facts), judgement.reason


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.joinpath("bias-report.html").write_bytes(bias_example()[0])
    folder.joinpath("attribution-report.html").write_bytes(attribution_example()[0])
