"""The frame of a report page: one self-contained HTML file, with its facts, its verdict and a strict policy.

The page needs no script and loads nothing. Its own policy allows no more than the one style sheet it carries, by
digest, so that nothing a name smuggled in could ever run or load.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from watchkeeper.analysis.finding import Finding, Outcome, Verdict
from watchkeeper.analysis.html_element import Content, Markup, element, joined, name_of
from watchkeeper.analysis.page_style import STYLE

_DIGEST = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class PageFacts:
    """What the head of a page says; ``None`` where there is no such thing, as with the report of a baseline.

    ``window`` is a half-open range of UTC times. ``notes`` are further facts, a name and a text each. ``footnote``
    says how the page was made. Neither holds captured values.
    """

    endpoint: str
    variant: str | None = None
    window: tuple[datetime, datetime] | None = None
    verdict: Verdict | None = None
    reason: str = ""
    row_count: int | None = None
    baseline_version: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    footnote: str = "Made by Watchkeeper."


def page(kind: str, facts: PageFacts, *body: Content) -> bytes:
    """Return the whole page as UTF-8: head, verdict with its reason, facts, and ``body``. ``kind`` is its heading."""
    variant = element("span", " / ", name_of(facts.variant), class_="variant") if facts.variant else None
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{kind}: {facts.endpoint}{f' / {facts.variant}' if facts.variant else ''}"),
        # The style sheet is ours and holds no markup: as it is, since its digest is in the policy.
        element("style", Markup(STYLE)),
    )
    top = element(
        "header",
        element("p", kind, class_="eyebrow"),
        element("h1", name_of(facts.endpoint), variant),
        verdict_line(facts),
        _facts(facts),
    )
    footer = element("footer", element("p", facts.footnote))
    document = element("html", head, element("body", element("main", top, *body), footer), lang="en")
    return f"<!doctype html>\n{document}\n".encode()


def verdict_line(facts: PageFacts) -> Markup | None:
    """Return the verdict, by shape and word, with its reason."""
    if facts.verdict is None:
        return element("p", facts.reason, class_="reason") if facts.reason else None
    tone = {Verdict.OK: "good", Verdict.VIOLATED: "bad", Verdict.FAILED: "bad"}.get(facts.verdict, "open")
    word = element("strong", _sign(tone), facts.verdict.replace("_", " "), class_=f"badge {tone}")
    return element("p", word, element("span", facts.reason, class_="reason"), class_="verdict")


def outcome_badge(outcome: Outcome | None) -> Markup:
    """Return an outcome by shape and word; ``None`` is a value that nothing was asked of."""
    tone = {Outcome.SATISFIED: "good", Outcome.VIOLATED: "bad"}.get(outcome, "open") if outcome else "open"
    word = outcome.replace("_", " ") if outcome else "not checked"
    return element("span", _sign(tone), word, class_=f"badge {tone}")


def _sign(tone: str) -> Markup:
    """A check in a disc, an exclamation mark in a diamond, a dash in a square: told apart without colour."""
    shapes = {
        "good": (element("circle", cx=8, cy=8, r=8), element("path", d="M4 8.3l2.7 2.7L12 5.6", class_="sign")),
        "bad": (
            element("polygon", points="8,-1 17,8 8,17 -1,8"),
            element("path", d="M8 3.6v5.2M8 11.4v1.2", class_="sign"),
        ),
        "open": (element("rect", x=0.5, y=0.5, width=15, height=15, rx=2), element("path", d="M4 8h8", class_="sign")),
    }
    return element("svg", *shapes[tone], width=15, height=15, viewBox="-1 -1 18 18", aria_hidden="true")


def _facts(facts: PageFacts) -> Markup | None:
    pairs: list[tuple[str, Content]] = []
    if facts.window:
        pairs.append(("Window", window_text(*facts.window)))
    if facts.row_count is not None:
        pairs.append(("Rows", f"{facts.row_count:,}"))
    if facts.baseline_version is not None:
        pairs.append(("Baseline", name_of(facts.baseline_version)))
    pairs += [(name, name_of(text)) for name, text in facts.notes]
    entries = [element("div", element("dt", name), element("dd", text)) for name, text in pairs]
    return element("dl", *entries, class_="facts") if entries else None


def window_text(start: datetime, end: datetime) -> str:
    """Return a half-open window in UTC; the second date is left out where it is the first."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    return f"{start:%Y-%m-%d %H:%M} – {end:{'%H:%M' if start.date() == end.date() else '%Y-%m-%d %H:%M'}} UTC"


def legend(*entries: tuple[Markup, str]) -> Markup:
    """Return what the marks of the plots mean; each entry is a small picture of 30 × 20 and its words."""
    items = [
        element("li", element("svg", sign, width=30, height=20, viewBox="0 0 30 20", aria_hidden="true"), words)
        for sign, words in entries
    ]
    return element("ul", *items, class_="legend")


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Content]], caption: str, kind: str, ids: Sequence[str]
) -> Markup:
    """Return a table whose rows become cards on a phone; roles are spelled out, since the style changes its display.

    The first cell of a row is its heading, the second its plot. Where cells stand below each other, each is
    labelled with its column.
    """
    head = element("tr", *(element("th", text, scope="col", role="columnheader") for text in heads), role="row")
    body = []
    for cells, identity in zip(rows, ids, strict=True):
        first = element("th", cells[0], scope="row", role="rowheader")
        rest = [
            element(
                "td",
                element("span", text, class_="label", aria_hidden="true"),
                cell,
                role="cell",
                class_=None if place else "plot",
            )
            for place, (text, cell) in enumerate(zip(heads[1:], cells[1:], strict=True))
        ]
        body.append(element("tr", first, *rest, role="row", id=identity or None))
    return element(
        "table",
        element("caption", caption),
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_=kind,
        role="table",
    )


def section(heading: Content, *body: Content, identity: str) -> Markup:
    """Return a part of a page with its heading."""
    title = element("h2", heading, id=identity)
    return element("section", title, joined(*body), aria_labelledby=identity)


def other_findings(findings: Sequence[Finding]) -> Content:
    """Return the findings that no part of the page shows, each with its outcome and reason; nothing without any."""
    if not findings:
        return None
    items = [
        element(
            "li",
            element("span", name_of(finding.feature), " ", outcome_badge(finding.outcome)),
            element("span", finding.reason),
        )
        for finding in findings
    ]
    return section("Also found", element("ul", *items, class_="first"), identity="also-found")
