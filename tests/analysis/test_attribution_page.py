import os
from pathlib import Path

import pytest

from tests.analysis.page_examples import HOUSES_AFTER, HOUSES_BEFORE, attribution_example
from tests.analysis.page_reader import Page, read_page
from watchkeeper.analysis.attribution_judgement import AttributionRules, judge_attribution
from watchkeeper.analysis.attribution_page import attribution_page
from watchkeeper.analysis.attribution_report import AttributionReport, LabelAttribution, decode_attribution_report
from watchkeeper.analysis.finding import Check, Finding, Outcome, Verdict
from watchkeeper.analysis.report_page import PageFacts

FACTS = PageFacts("house-price", verdict=Verdict.OK, reason="fine")
HOSTILE = "</text></svg><script>alert(1)</script>\"'\x00\u202e\ud800"


def report_of(**labels: dict[str, float]) -> AttributionReport:
    return AttributionReport({label: LabelAttribution(values, 0.5) for label, values in labels.items()})


def judged(report: AttributionReport, baseline: AttributionReport, rules: AttributionRules | None = None) -> Page:
    findings = judge_attribution(report, baseline, rules).findings
    return read_page(attribution_page(report, baseline, findings, FACTS))


def test_every_attribution_is_there_in_full() -> None:
    page = read_page(attribution_example()[0])
    assert set(HOUSES_BEFORE.values()) | set(HOUSES_AFTER.values()) <= set(page.numbers)
    names = [cells[0] for cells in page.cells[1:]]
    assert names == sorted(HOUSES_BEFORE, key=lambda name: -HOUSES_BEFORE[name])


def test_the_driver_is_named_before_and_after() -> None:
    body, reason = attribution_example()
    page = read_page(body)
    assert "The top driver moved from living_area to latitude ." in " ".join(page.text.split())
    assert reason in page.text
    assert page.row("latitude")[2:] == ["Rank5 → 1▲ 4 up", "Baseline6.1 %4,930", "Window32.7 %31,470", "Change+26.5 pp"]
    assert page.row("living_area")[2] == "Rank1 → 4▼ 3 down"
    assert page.count("rect", "violated") == 3  # the new driver's bar, its legend, and NDCG


def test_ndcg_stands_against_its_threshold() -> None:
    baseline = report_of(price={"sat": 0.70, "gpa": 0.50, "rank": 0.05})
    page = judged(report_of(price={"sat": 0.10, "gpa": 0.20, "rank": 0.70}), baseline)
    assert "0.6876" in page.text
    assert "violated below the threshold of 0.9" in " ".join(page.text.split())
    assert ("NDCG of price", "0.6876, below the threshold of 0.9") in page.described
    same = judged(baseline, baseline)
    assert "The top driver is sat , as at the baseline." in " ".join(same.text.split())
    assert "satisfied at or above the threshold of 0.9" in " ".join(same.text.split())


def test_each_label_has_its_part() -> None:
    before = report_of(yes={"a": 2.0, "b": 1.0}, no={"a": 1.0, "b": 2.0}, gone={"a": 1.0})
    page = judged(report_of(yes={"a": 2.0, "b": 1.0}, no={"a": 2.0, "b": 1.0}, new={"b": 1.0}), before)
    assert page.count("section") == 4
    text = " ".join(page.text.split())
    assert "The window has no attributions for this label. At the baseline, the top driver was a ." in text
    assert "the window's model does not answer this label" in text
    assert "The top driver is b ." in text


def test_one_label_is_the_same_one_whatever_it_is_called() -> None:
    page = judged(report_of(**{"0.79567": {"a": 1.0}}), report_of(label0={"a": 1.0}))
    assert page.count("section") == 1
    assert "label0" in page.text


def test_many_features_are_in_the_table_and_the_first_thirty_drawn() -> None:
    values = {f"feature_{place}": 1 / (place + 1) for place in range(45)}
    page = judged(report_of(y=values), report_of(y=values))
    rows = page.cells[1:]
    assert [cells[0] for cells in rows] == list(values)
    assert page.count("rect", "baseline") == 30 + 1  # and the legend's
    assert "45 features, by rank at the baseline." in page.text


def test_a_feature_may_be_new_or_gone() -> None:
    page = judged(report_of(y={"a": 3.0, "new": 1.0}), report_of(y={"a": 3.0, "gone": 2.0}))
    assert page.row("gone")[2:] == ["Rank2", "Baseline40.0 %2", "Windownot there", "Change"]
    assert page.row("new")[2:] == ["Rank2", "Baselinenot there", "Window25.0 %1", "Change"]
    assert ("new", "baseline not there, window 25.0 %") in page.described


def test_attributions_of_zero_are_no_driver() -> None:
    page = judged(report_of(y={"a": 0.0, "b": 0.0}), report_of(y={"a": 0.0, "b": 0.0}))
    text = " ".join(page.text.split())
    assert "Nothing drives this label: all attributions are zero." in text
    assert "not evaluated the baseline attributions are all zero" in text.replace("'s", "")


def test_negative_attributions_count_by_their_size() -> None:
    page = judged(report_of(y={"a": -3.0, "b": 1.0}), report_of(y={"a": 1.0, "b": 3.0}))
    assert page.row("a")[4] == "Window75.0 %−3"
    assert "moved from b to a" in " ".join(page.text.split())


def test_a_baseline_has_a_page_of_its_own() -> None:
    page = read_page(attribution_page(report_of(y={"a": 1.0, "b": 3.0}), None, (), PageFacts("house-price")))
    assert page.cells == [
        ["Feature", "Share of all attribution", "Rank", "Share"],
        ["b", "Share of all attribution", "Rank1", "Share75.0 %3"],
        ["a", "Share of all attribution", "Rank2", "Share25.0 %1"],
    ]
    assert "NDCG" not in page.text


def test_an_unread_window_has_a_page_with_its_reason() -> None:
    facts = PageFacts("house-price", verdict=Verdict.FAILED, reason="the model answers NaN")
    page = read_page(attribution_page(None, report_of(y={"a": 1.0}), (), facts))
    assert "the model answers NaN" in page.text
    assert page.row("a")[4] == "Windownot there"
    assert page.count("path", "slope") == 0


def test_hostile_names_stay_text() -> None:
    before = AttributionReport({HOSTILE: LabelAttribution({HOSTILE: 1.0, "b" * 200: 2.0}, 0.5)})
    after = AttributionReport({HOSTILE: LabelAttribution({HOSTILE: 3.0, "b" * 200: 2.0}, 0.5)})
    findings = [
        Finding(HOSTILE, Check.ATTRIBUTION_DRIFT, Outcome.NOT_EVALUATED, HOSTILE),
        Finding("another", Check.ATTRIBUTION_DRIFT, Outcome.VIOLATED, HOSTILE),
    ]
    page = read_page(attribution_page(after, before, findings, PageFacts(HOSTILE, reason=HOSTILE)))
    assert page.text.count("<script>alert(1)</script>") > 5


def test_a_score_below_by_chance_is_told_as_such() -> None:
    finding = Finding("y", Check.ATTRIBUTION_DRIFT, Outcome.SATISFIED, "NDCG is below 0.9 within chance", 0.88, 0.9)
    page = read_page(attribution_page(report_of(y={"a": 1.0}), report_of(y={"a": 1.0}), [finding], FACTS))
    assert "NDCG is below 0.9 within chance" in page.text


def test_a_long_name_is_cut_in_the_ranks_and_whole_in_the_table() -> None:
    long = "a_feature_with_a_very_long_name"
    body = attribution_page(report_of(y={long: 1.0, "b": 2.0}), report_of(y={long: 3.0, "b": 2.0}), (), FACTS)
    assert body.decode().count("a_feature_with_a_…") == 2
    assert read_page(body).row(long)


@pytest.mark.parametrize("count", [1, 9, 10, 11, 25])
def test_ranks_are_drawn_for_ten_at_most(count: int) -> None:
    before = {f"f{place:02}": float(count - place) for place in range(count)}
    after = {name: float(place) for place, name in enumerate(before, 1)}
    page = judged(report_of(y=after), report_of(y=before))
    assert page.count("text", "name") == 2 * min(count, 10)
    assert page.count("path", "slope") == min(count, 20)


@pytest.mark.skipif("WATCHKEEPER_REAL_DATA" not in os.environ, reason="WATCHKEEPER_REAL_DATA names no folder")
def test_the_reports_that_clarify_wrote_have_pages() -> None:
    files = sorted(Path(os.environ["WATCHKEEPER_REAL_DATA"], "explainability").glob("*analysis*.json"))
    assert len(files) >= 4
    for file in files:
        report = decode_attribution_report(file.read_bytes(), file.name)
        page = judged(report, report)
        values = {value for label in report.labels.values() for value in label.global_shap_values.values()}
        assert values <= set(page.numbers)
