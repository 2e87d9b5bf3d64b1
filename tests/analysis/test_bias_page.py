import math
import os
from pathlib import Path

import pytest

from tests.analysis.page_examples import applications, bias_example
from tests.analysis.page_reader import Page, read_page
from watchkeeper.analysis.bias_dataset import bias_of_frame
from watchkeeper.analysis.bias_definition import BiasAttributes, Facet
from watchkeeper.analysis.bias_finding import bias_finding
from watchkeeper.analysis.bias_judgement import BiasRules, judge_bias_state
from watchkeeper.analysis.bias_metrics import DESCRIPTIONS
from watchkeeper.analysis.bias_page import bias_page
from watchkeeper.analysis.bias_report import (
    BiasMetric,
    BiasReport,
    BiasStage,
    FacetMetrics,
    bias_report_of,
    decode_bias_report,
    groups_of,
)
from watchkeeper.analysis.bias_row import allowed_range, drawn_interval
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.finding import Outcome, Verdict
from watchkeeper.analysis.metric_meaning import MEANINGS
from watchkeeper.analysis.metric_resampling import Interval
from watchkeeper.analysis.number_text import number_text
from watchkeeper.analysis.report_page import PageFacts

FACTS = PageFacts("loan-approval", "AllTraffic", verdict=Verdict.OK, reason="fine")
HOSTILE = "</bdi><script>alert('x')</script>\" onload=\"y' &lt; \x00\u202e\ud800"


def report_of(**values: float | None) -> BiasReport:
    metrics = tuple(BiasMetric(n, DESCRIPTIONS[n], v, "too small" if v is None else None) for n, v in values.items())
    return BiasReport(post_training=BiasStage("y", "1", {"sex": (FacetMetrics("0", metrics),)}))


def finding(metric: str, outcome: Outcome, reason: str = "", observed: float | None = None, excess: float = 0.0):  # type: ignore[no-untyped-def]
    return bias_finding(("sex", "0", metric), outcome, reason, observed, 0.1, excess)


def rendered(*arguments, **named) -> Page:  # type: ignore[no-untyped-def]
    return read_page(bias_page(*arguments, **named))


def test_every_metric_of_both_reports_is_there_in_full() -> None:
    body, judgement = bias_example()
    page = read_page(body)
    assert judgement.report is not None
    stages = judgement.report.stages
    metrics = [
        metric for stage in stages for each in stage.facets.values() for entry in each for metric in entry.metrics
    ]
    assert len(metrics) == 42
    assert [metric.name for metric in metrics if metric.value not in (*page.numbers, None)] == []
    assert page.text.split().count("none") == 2  # the Flip Test of age, before and now: sex is no number
    assert page.count("table", "metrics") == 4
    assert page.text.count("Before training") == page.text.count("After training") == 2


def test_each_violation_is_told_by_word_and_shape_and_the_worst_first() -> None:
    body, judgement = bias_example()
    page = read_page(body)
    violated = [each for each in judgement.findings if each.outcome is Outcome.VIOLATED]
    assert len(violated) > 5
    assert f"{len(violated)} metrics beyond what is allowed" in page.text
    badges = [cells[-1] for cells in page.cells if cells[-1].startswith("Outcome")]
    assert sum("violated" in badge for badge in badges) == len(violated)
    assert page.count("polygon", "violated") == len(violated) + 1  # and the legend's
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert len(links) == 5
    assert judgement.worst is not None
    assert page.text.index(f"{judgement.worst.facet} = {judgement.worst.facet_value} , {judgement.worst.metric}") > 0


def test_groups_are_compared_as_they_were_counted() -> None:
    page = read_page(bias_example()[0])
    window = applications(1263, 2, harsh=0.3)
    women = window.filter(window["sex"] == "female")
    told = [cells for cells in page.cells if cells[0].startswith("sex = female") and "predictions" in cells[0]]
    assert len(told) == 1
    assert told[0][-1].endswith(f"{women['prediction'].sum()} of {women.height}")
    assert women["prediction"].mean() in page.numbers


def test_infinite_and_missing_values_are_told_with_their_reason() -> None:
    window, baseline = report_of(TE=math.inf, DCR=None, RD=0.2), report_of(TE=-math.inf, DCR=0.3, RD=None)
    findings = [
        finding("TE", Outcome.VIOLATED, "infinitely worse", math.inf, 1.0),
        finding("DCR", Outcome.NOT_EVALUATED, "no row outside the facet"),
        finding("RD", Outcome.NOT_EVALUATED, "undefined in the baseline"),
    ]
    page = rendered(window, baseline, findings, FACTS)
    assert [page.row("TE")[place] for place in (2, 3)] == ["Baseline−∞", "Window+∞"]
    assert page.row("DCR")[3] == "Windownonetoo small"
    assert page.row("DCR")[5] == "Outcomenot evaluatedno row outside the facet"
    assert page.row("RD")[2] == "Baselinenonetoo small"
    assert {math.inf, -math.inf} <= set(page.numbers)
    assert "infinite" in page.text


def test_each_metric_has_its_sentence() -> None:
    assert set(MEANINGS) == set(DESCRIPTIONS)
    page = read_page(bias_example()[0])
    assert [name for name, meaning in MEANINGS.items() if meaning not in page.text] == []


def test_hostile_names_stay_text() -> None:
    metric = BiasMetric(HOSTILE, HOSTILE, None, HOSTILE)
    report = BiasReport(BiasStage("y", "1", {HOSTILE: (FacetMetrics(HOSTILE, (metric, BiasMetric("DPL", "", 1.0))),)}))
    findings = [
        bias_finding((HOSTILE, HOSTILE, HOSTILE), Outcome.VIOLATED, HOSTILE),
        bias_finding(("gone", HOSTILE, "DPL"), Outcome.NOT_EVALUATED, HOSTILE),
    ]
    page = rendered(report, report, findings, PageFacts(HOSTILE, verdict=Verdict.VIOLATED, reason=HOSTILE))
    assert page.text.count("<script>alert('x')</script>") > 10


def test_the_facet_is_named_as_people_say_it() -> None:
    metrics = (BiasMetric("DPL", DESCRIPTIONS["DPL"], 0.1),)
    values = tuple(FacetMetrics(value, metrics) for value in ("(45.5, 80]", "7"))
    page = rendered(BiasReport(BiasStage("y", "1", {"age": values})), None, (), FACTS)
    assert "age in (45.5, 80]" in page.text
    assert "age = 7" in page.text


def test_a_baseline_has_a_page_of_its_own() -> None:
    state = bias_of_frame(
        applications(300, 1), BiasAttributes((1,), (Facet("sex", ("female",)),), ground_truth_attribute="approved")
    )
    page = rendered(bias_report_of(state), None, (), PageFacts("loans"), groups=groups_of(state)[0])
    assert page.row("DPL")[0].startswith("DPL Difference in Positive Proportions in Labels")
    assert len(page.row("DPL")) == 3
    assert page.row("CDDL")[2] == "Value in numbersnoneGroup variable is empty or not provided"
    assert "Outcome" not in page.text
    assert "predictions" not in page.text.partition("How the groups compare")[2].partition("Before training")[0]


def test_what_only_the_baseline_has_is_shown_too() -> None:
    page = rendered(None, report_of(RD=0.2), [finding("RD", Outcome.NOT_EVALUATED, "no row")], FACTS)
    assert page.row("RD")[2:4] == ["Baseline0.2000", "Windownot there"]


def test_an_unread_window_has_a_page_with_its_reason() -> None:
    page = rendered(None, None, (), PageFacts("loans", verdict=Verdict.FAILED, reason="12 of 12 lines are malformed"))
    assert "12 of 12 lines are malformed" in page.text
    assert page.count("table") == 0


@pytest.mark.parametrize("dialect", Dialect)
def test_what_is_allowed_is_what_the_rule_lets_pass(dialect: Dialect) -> None:
    """Of a window that is judged anew: a violated value lies outside of the drawn range, a satisfied one within."""
    state = bias_of_frame(
        applications(4000, 2, harsh=0.3),
        BiasAttributes((1,), (Facet("sex", ("female",)),), (), "age", "prediction", ground_truth_attribute="approved"),
    )
    before = bias_of_frame(applications(4000, 1), state.attributes)
    baseline, rules = bias_report_of(before), BiasRules(dialect, thresholds={"AD": 0.01, "DAR": None})
    findings = judge_bias_state(state, baseline, rules).findings
    assert {each.outcome for each in findings} == set(Outcome)
    entries = [entry for stage in baseline.stages for entry in stage.facets["sex"]]
    baselines = {metric.name: metric.value for entry in entries for metric in entry.metrics}
    checked = 0
    for each in findings:
        allowed = allowed_range(each.metric, baselines.get(each.metric), rules)
        if each.outcome is Outcome.NOT_EVALUATED or each.observed is None:
            continue
        assert allowed is not None
        within = allowed[0] <= each.observed <= allowed[1]
        assert within == (each.outcome is Outcome.SATISFIED) or "chance" in each.reason
        checked += 1
    assert checked > 15


def test_a_difference_within_chance_is_told_as_such() -> None:
    body, judgement = bias_example()
    page = read_page(body)
    chance = [each for each in judgement.findings if "within chance" in each.reason]
    assert len(chance) > 3
    assert page.text.count("beyond, but within chance") == len(chance)


def test_intervals_are_those_of_the_exact_rule_only() -> None:
    exact, compatible = (bias_example(dialect)[0].decode() for dialect in (Dialect.EXACT, Dialect.COMPATIBLE))
    assert exact.count('class="interval') > 30
    assert "95 % interval" in exact
    assert compatible.count('class="interval') == 0


@pytest.mark.parametrize(
    ("interval", "drawn"),
    [((-0.17, -0.06), (0.06, 0.17)), ((-0.2, 0.1), (0.0, 0.2)), ((0.1, 0.3), (0.1, 0.3))],
)
def test_the_interval_of_a_distance_is_drawn_where_its_value_is(
    interval: tuple[float, float], drawn: tuple[float, float]
) -> None:
    """A distance is resampled with the sign of DPL."""
    assert drawn_interval("TVD", Interval(*interval)) == drawn
    assert drawn_interval("DPL", Interval(*interval)) == interval


def test_the_page_is_the_same_every_time() -> None:
    assert bias_example()[0] == bias_example()[0]


@pytest.mark.skipif("WATCHKEEPER_REAL_DATA" not in os.environ, reason="WATCHKEEPER_REAL_DATA names no folder")
def test_the_reports_that_clarify_wrote_have_pages() -> None:
    files = sorted(Path(os.environ["WATCHKEEPER_REAL_DATA"], "bias").rglob("*analysis.json"))
    assert len(files) >= 3
    for file in files:
        report = decode_bias_report(file.read_bytes(), file.name)
        page = rendered(report, report, (), FACTS)
        for stage in report.stages:
            for entries in stage.facets.values():
                for metric in (metric for entry in entries for metric in entry.metrics):
                    shown = "none" if metric.value is None else number_text(metric.value)
                    assert shown in page.text
