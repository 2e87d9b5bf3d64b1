import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.capture_records import PayloadError
from watchkeeper.analysis.json_payload import parse_json


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ('{"a": 1, "b": null, "c": true, "d": ""}', [{"a": "1", "b": None, "c": "true", "d": None}]),
        ('{"a": 1.0, "b": 1.50, "c": -0, "d": 1E5}', [{"a": "1.0", "b": "1.50", "c": "-0", "d": "1E5"}]),
        ('[{"a": 1}, {"b": 2}]', [{"a": "1"}, {"b": "2"}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": "1"}, {"a": "2"}]),
        ('{"a": 1}\r\n\r\n{"a": 2}', [{"a": "1"}, {"a": "2"}]),
        ('  {\n "a" : 1 ,\n "b" : 2 }\n', [{"a": "1", "b": "2"}]),
        ('{"größe \\"/\\u00fc": "\\u65e5\\n"}', [{'größe "/ü': "日\n"}]),
        ('{"a": 12345678901234567890123}', [{"a": "12345678901234567890123"}]),
        ('{"a": 1, "a": 2}', [{"a": "2"}]),
    ],
)  # fmt: skip
def test_objects_keep_the_text_of_their_numbers(text: str, objects: list[dict[str, str | None]]) -> None:
    rows = parse_json(text)
    assert (rows.objects, rows.fields) == (objects, [])


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("[1, 2.50, null]", [["1", "2.50", None]]),
        ("[[1, 2], [3, 4]]", [["1", "2"], ["3", "4"]]),
        ("[1, 2]\n[3, 4]", [["1", "2"], ["3", "4"]]),
        ("0.25\n", [["0.25"]]),
        ("0.25\n0.75\n", [["0.25"], ["0.75"]]),
        ('"yes"', [["yes"]]),
        ("null", [[None]]),
    ],
)
def test_arrays_and_bare_values_are_rows_of_fields(text: str, fields: list[list[str | None]]) -> None:
    rows = parse_json(text)
    assert (rows.fields, rows.objects) == (fields, [])


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "secret", "{secret}", '{"a": secret}', '{"a": "secret"', "[]", "{}", "[[]]", "[{}]", "[[1], []]",
        '{"a": {"secret": 1}}', '{"a": ["secret"]}', "[[[1]]]", '[{"a": 1}, "secret"]', '{"a": 1} "secret"',
        '{"a": 1}\n["secret"]', '{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}', "NaN", '{"a": 01}', "{'a': 1}",
        '{"a": 1,}', "[" * 100_000, '{"a":' * 100_000, "[" * 50_000 + "]" * 50_000, '{"a": "\x01"}',
    ],
)  # fmt: skip
def test_anything_else_says_how_without_quoting(text: str) -> None:
    with pytest.raises(PayloadError) as caught:
        parse_json(text)
    assert "secret" not in str(caught.value)


def test_nested_values_name_the_remedy() -> None:
    with pytest.raises(PayloadError, match="flatten"):
        parse_json('{"features": [1, 2]}')


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@quick
@given(st.dictionaries(st.text(), scalars, min_size=1, max_size=5))
def test_any_flat_object_is_read(record: dict[str, object]) -> None:
    expected = {
        name: (value or None) if isinstance(value, str) else None if value is None else json.dumps(value)
        for name, value in record.items()
    }
    for text in (json.dumps(record), json.dumps(record, ensure_ascii=False, indent=2)):
        assert parse_json(text).objects == [expected]
