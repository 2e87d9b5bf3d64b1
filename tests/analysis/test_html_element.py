from html.parser import HTMLParser

from hypothesis import given
from hypothesis.strategies import text

from watchkeeper.analysis.html_element import Markup, element, joined, name_of


class _Collector(HTMLParser):
    def __init__(self, body: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(body)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(text())
def test_whatever_a_name_is_it_stays_text(name: str) -> None:
    read = _Collector(element("p", name, title=name))
    assert read.tags == ["p"]
    assert [key for key, _ in read.attributes] == ["title"]
    assert len(read.text) == len(name)


def test_markup_is_escaped_once() -> None:
    assert element("p", "a < b & ", element("b", '"c"')) == "<p>a &lt; b &amp; <b>&quot;c&quot;</b></p>"


def test_what_is_forbidden_in_html_is_replaced() -> None:
    assert element("p", "a\x00b\x1b\ud800\x85c\n") == "<p>a\ufffdb\ufffd\ufffd\ufffdc\n</p>"


def test_attributes_are_spelled_as_html_does() -> None:
    line = element("line", x1=1 / 3, y1=20.0, stroke_width=2, class_="axis", hidden=None)
    assert line == '<line x1="0.33" y1="20" stroke-width="2" class="axis"/>'
    assert element("input", disabled=True, checked=False) == "<input disabled></input>"


def test_large_coordinates_are_no_powers_of_ten() -> None:
    assert element("rect", width=1234567.0) == '<rect width="1234567"/>'


def test_pieces_are_joined_and_nothing_is_nothing() -> None:
    assert joined("a", None, [Markup("<br>"), "<"]) == "a<br>&lt;"


def test_a_name_is_isolated_from_the_direction_of_its_neighbours() -> None:
    assert name_of("\u202eevil") == "<bdi>\u202eevil</bdi>"
