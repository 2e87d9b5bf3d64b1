import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.jackson_json import encode, java_double


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (-1.5, "-1.5"), (100.0, "100.0"), (0.1, "0.1"),
        (1.44e10, "1.44E10"), (5.09e-4, "5.09E-4"), (5.092682820403929e-4, "5.092682820403929E-4"),
        (0.001, "0.001"), (0.0009999999999999998, "9.999999999999998E-4"), (1e7, "1.0E7"), (9999999.999, "9999999.999"),
        (12345678.9, "1.23456789E7"), (1e21, "1.0E21"), (1e16, "1.0E16"), (1e15, "1.0E15"), (1.0e-5, "1.0E-5"),
        (1.7976931348623157e308, "1.7976931348623157E308"), (2.2250738585072014e-308, "2.2250738585072014E-308"),
        (-3.3e-7, "-3.3E-7"), (99.65534219596258, "99.65534219596258"), (1 / 3, "0.3333333333333333"),
        (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"),
    ],
)  # fmt: skip
def test_numbers_are_javas(value: float, text: str) -> None:
    assert java_double(value) == text


@quick
@given(st.floats(allow_nan=False))
def test_number_text_reads_back_and_keeps_to_javas_ranges(value: float) -> None:
    text = java_double(value)
    assert float(text) == value
    if math.isfinite(value):
        assert ("E" in text) == (value != 0 and not 1e-3 <= abs(value) < 1e7)
        digits = text.partition("E")[0]
        assert "." in digits
        assert not digits.endswith(".")
        assert "+" not in text
        assert "e" not in text


def test_the_layout_is_jacksons() -> None:
    document = {
        "version": 0.0,
        "empty": {},
        "none": [],
        "flat": [1.0, 1e10],
        "levels": [[1.0], []],
        "objects": [{"a": 1, "b": True}, {"a": None, "b": "x"}],
    }
    assert encode(document).decode() == (
        "{\n"
        '  "version" : 0.0,\n'
        '  "empty" : { },\n'
        '  "none" : [ ],\n'
        '  "flat" : [ 1.0, 1.0E10 ],\n'
        '  "levels" : [ [ 1.0 ], [ ] ],\n'
        '  "objects" : [ {\n'
        '    "a" : 1,\n'
        '    "b" : true\n'
        "  }, {\n"
        '    "a" : null,\n'
        '    "b" : "x"\n'
        "  } ]\n"
        "}"
    )


documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


@quick
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), documents, max_size=4))
def test_any_document_is_json_and_reads_back(document: dict[str, Any]) -> None:
    assert json.loads(encode(document)) == document


def test_text_is_utf8_and_escaped() -> None:
    assert encode({"größe": 'a"b\\c/\n\t\u2028'}) == '{\n  "größe" : "a\\"b\\\\c/\\n\\t\u2028"\n}'.encode()


def test_a_lone_surrogate_does_not_stop_the_document() -> None:
    assert encode({"x": "a\ud800b"}) == b'{\n  "x" : "a?b"\n}'


def test_numbers_that_are_none_stand_in_quotes() -> None:
    assert json.loads(encode({"a": math.nan, "b": [math.inf, 1.0]})) == {"a": "NaN", "b": ["Infinity", 1.0]}


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="got set"):
        encode({"a": {1, 2}})
