"""Reads a report page as a browser would, and holds it to what every page promises."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "br", "hr"}
_FORBIDDEN = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "foreignobject"}


@dataclass
class Page:
    """A page taken apart."""

    text: str = ""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    described: list[tuple[str, str]] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.tags if "id" in attributes]

    def count(self, tag: str, class_: str = "") -> int:
        return sum(
            name == tag and (not class_ or class_ in (attributes.get("class") or "").split())
            for name, attributes in self.tags
        )

    def row(self, heading: str) -> list[str]:
        """Return the cells of the one row whose heading begins so."""
        (row,) = [cells for cells in self.cells if cells and cells[0].startswith(heading)]
        return row


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[str] = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in <{tag}>"
        self.page.tags.append((tag, dict(attrs)))
        if tag in _VOID:
            return
        self.open.append(tag)
        if tag == "tr":
            self.page.cells.append([])
        if tag in {"td", "th"}:
            self.page.cells[-1].append("")
        if tag == "data":
            self.page.numbers.append(float(dict(attrs)["value"] or "nan"))
        if tag == "svg" and dict(attrs).get("role") == "img":
            self.page.described.append(("", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        inside = self.open[-1] if self.open else ""
        if inside in {"title", "desc"} and "svg" in self.open:
            title, description = self.page.described[-1]
            self.page.described[-1] = (title + data, description) if inside == "title" else (title, description + data)
            return
        self.page.text += f"{data} "
        if "td" in self.open or "th" in self.open:
            self.page.cells[-1][-1] += data


def read_page(body: bytes) -> Page:
    """Return the page; assert that it is well formed, self-contained, without script, and told to those who hear it."""
    text = body.decode("utf-8")
    assert text.startswith("<!doctype html>\n<html lang=")
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    page = reader.page
    _assert_inert(text, page)
    _assert_linked(page)
    assert all(title and description for title, description in page.described)
    return page


def _assert_inert(text: str, page: Page) -> None:
    assert {tag for tag, _ in page.tags} & _FORBIDDEN == set()
    names = {name for _, attributes in page.tags for name in attributes}
    assert {
        name for name in names if name.startswith("on") or name in {"style", "src", "srcset", "xlink:href"}
    } == set()
    assert [tag for tag, attributes in page.tags if not (attributes.get("href") or "#").startswith("#")] == []
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert re.search(r"url\(|@import|expression|https?:", style[1]) is None


def _assert_linked(page: Page) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids)), "an id twice"
    assert all(identity and not re.search(r"\s", identity) for identity in ids)
    for _, attributes in page.tags:
        for named in (attributes.get("aria-labelledby") or "").split():
            assert named in ids
        target = attributes.get("href")
        assert target is None or target.removeprefix("#") in ids
