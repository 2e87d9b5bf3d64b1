import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.analysis.page_reader import read_page
from watchkeeper.analysis.finding import Verdict
from watchkeeper.analysis.page_style import DARK, LIGHT
from watchkeeper.analysis.report_page import PageFacts, page, section, table, window_text

NIGHT = (datetime(2026, 7, 1, 22, tzinfo=UTC), datetime(2026, 7, 2, 3, tzinfo=UTC))


def test_the_head_tells_verdict_reason_and_facts() -> None:
    facts = PageFacts(
        "churn", "AllTraffic", NIGHT, Verdict.TOO_FEW, "12 rows", 12, "v3", (("Dialect", "exact"),), "Made today."
    )
    read = read_page(page("Bias report", facts))
    for told in ("churn", "AllTraffic", "too few", "12 rows", "v3", "Dialect", "exact", "Made today."):
        assert told in read.text
    assert "2026-07-01 22:00 – 2026-07-02 03:00 UTC" in read.text


def test_a_page_without_a_window_says_what_it_knows() -> None:
    read = read_page(page("Bias report", PageFacts("churn")))
    assert (read.count("dl"), read.count("svg"), "Window" in read.text) == (0, 0, False)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_has_a_shape_beside_its_colour(verdict: Verdict) -> None:
    body = page("Bias report", PageFacts("churn", verdict=verdict)).decode()
    shape = {Verdict.OK: "circle", Verdict.VIOLATED: "polygon", Verdict.FAILED: "polygon"}.get(verdict, "rect")
    assert re.search(rf"<strong [^>]*><svg [^>]*><{shape} ", body)


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    east = timezone(timedelta(hours=9))
    start = datetime(2026, 7, 2, 9, tzinfo=east)
    assert window_text(start, start + timedelta(hours=1)) == "2026-07-02 00:00 – 01:00 UTC"


def test_the_policy_allows_the_one_style_sheet_and_nothing_else() -> None:
    body = page("Bias report", PageFacts("churn")).decode()
    (style,) = re.findall("<style>(.*?)</style>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="(.*?)"', body)
    assert policy.replace("&#x27;", "'") == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_hostile_facts_stay_text() -> None:
    hostile = "</title></style><script>alert(1)</script>\"'><img src=x onerror=y>&amp;\x00\ud800"
    facts = PageFacts(hostile, hostile, None, Verdict.OK, hostile, 1, hostile, ((hostile, hostile),), hostile)
    read = read_page(page("Bias report", facts))
    assert read.text.count("<script>alert(1)</script>") == 9
    assert "\x00" not in read.text


def test_a_table_names_its_columns_again_where_cells_stand_below_each_other() -> None:
    body = section(
        "Parts", table(("Metric", "Plot", "Value"), [["DPL", "p", "1"]], "One.", "metrics", ["x"]), identity="s"
    )
    read = read_page(page("Bias report", PageFacts("churn"), body))
    assert read.cells == [["Metric", "Plot", "Value"], ["DPL", "Plotp", "Value1"]]
    roles = [attributes.get("role") for tag, attributes in read.tags if tag in {"table", "tr", "th", "td"}]
    assert roles == ["table", "row", *["columnheader"] * 3, "row", "rowheader", "cell", "cell"]


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_what_is_behind_them(palette: dict[str, str]) -> None:
    for ground in ("paper", "card"):
        for text in ("ink", "soft", "good", "bad", "open", "window"):
            assert _contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for ground in ("card", "allowed", "track"):
        for mark in ("window", "bad", "baseline", "ink"):
            assert _contrast(palette[mark], palette[ground]) >= 3, (mark, ground)


def test_both_palettes_name_the_same_colours() -> None:
    assert list(LIGHT) == list(DARK)
