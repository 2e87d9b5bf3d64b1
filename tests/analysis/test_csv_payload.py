"""CSV at once against CSV row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import csv_fields, quick
from watchkeeper.analysis.capture_records import PayloadError
from watchkeeper.analysis.csv_payload import parse_csv, parse_uniform
from watchkeeper.analysis.text_scan import is_tidy

ends = st.sampled_from(["", "\n", "\r\n"])


@st.composite
def payload_lists(draw: st.DrawFn) -> list[str]:
    width = draw(st.integers(1, 4))
    row = st.lists(csv_fields, min_size=width, max_size=width).map(lambda row: ",".join(field or "" for field in row))
    end = draw(ends)
    payload = st.lists(row, min_size=1, max_size=3).map(lambda rows: (end.strip("\n") + "\n").join(rows) + end)
    return draw(st.lists(payload, min_size=1, max_size=6))


@quick
@given(payload_lists())
def test_both_ways_read_the_same_rows(payloads: list[str]) -> None:
    uniform = parse_uniform(payloads)
    if uniform is None:
        return  # a look one by one is always allowed; that it is not the rule is tested below
    rows = [parse_csv(payload).fields for payload in payloads]
    assert [list(row) for row in uniform.frame.rows()] == [row for part in rows for row in part]
    assert (uniform.rows_per_payload or [1] * len(payloads)) == [len(part) for part in rows]
    if uniform.tidy:
        assert is_tidy("\n".join(payloads).encode())


@pytest.mark.parametrize(
    "payloads",
    [
        ["1,2,3"], ["1,2\n", "3,4\n"], ["1,2\r\n", "3,4\r\n"], ["1,2", "3,4\n"], ["1,2\n3,4", "5,6"], ["a,,", ",,b"],
        ["1,2\n3,4\n", "5,6\n"], ["5"], ["5\n", "6\n"], ["é,日本"], [" 1 ,\t2"], ["'a',b"], ["#1,2"], ["1e999,nan"],
    ],
)  # fmt: skip
def test_plain_payloads_are_read_at_once(payloads: list[str]) -> None:
    uniform = parse_uniform(payloads)
    assert uniform is not None
    assert [list(row) for row in uniform.frame.rows()] == [row for p in payloads for row in parse_csv(p).fields]


@pytest.mark.parametrize(
    "payloads",
    [
        ['"1",2'], ["1,2", "3"], ["1,2", "3,4,5"], ["1,2", "3", "4,5,6"], ["1", "2,3"], ["1,2\n3"], ["1\n\n2"],
        ["1\r2"], [""], ["1", ""], ["\ufeff1,2"], ["1,2,3", "4,5,6,7", "8,9"],
    ],
)  # fmt: skip
def test_anything_else_needs_a_look(payloads: list[str]) -> None:
    assert parse_uniform(payloads) is None


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1,2\n", [["1", "2"]]),
        ("1,,\r\n,2,\r\n", [["1", None, None], [None, "2", None]]),
        ('"a,b",2', [["a,b", "2"]]),
        ('"a ""b""",""', [['a "b"', None]]),
        ('"a\nb",1\n2,3\n', [["a\nb", "1"], ["2", "3"]]),
        ('"a\r\nb",1\r\n', [["a\r\nb", "1"]]),
        ('1\n\n"2"\n', [["1"], [None], ["2"]]),
        ("\n5\n\n", [["5"]]),
    ],
)
def test_quotes_commas_and_line_ends(text: str, rows: list[list[str | None]]) -> None:
    assert parse_csv(text).fields == rows


@pytest.mark.parametrize("text", ["", '"secret', '"secret"x,1', 'a,"secret'])
def test_broken_payloads_say_how_without_quoting(text: str) -> None:
    with pytest.raises(PayloadError) as caught:
        parse_csv(text)
    assert "secret" not in str(caught.value)
