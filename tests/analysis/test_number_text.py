import math

import pytest
from hypothesis import given
from hypothesis.strategies import floats

from watchkeeper.analysis.html_element import escaped
from watchkeeper.analysis.number_text import change_text, number, number_text, share_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.2326441102756892, "0.2326"),
        (-0.15156641604010024, "−0.1516"),
        (2.916666666666667, "2.917"),
        (-36.69387755102041, "−36.69"),
        (0.00002, "0.00002"),
        (-0.000359, "−0.00036"),
        (1.5e-9, "1.5e−09"),
        (9020.4, "9,020"),
        (1234567.0, "1,234,567"),
        (0.99999, "1.0000"),
        (1e12, "1e+12"),
        (math.inf, "+∞"),
        (-math.inf, "−∞"),
        (math.nan, "not a number"),
    ],
)
def test_a_number_is_short_and_signed_as_in_print(value: float, text: str) -> None:
    assert number_text(value) == text


@given(floats(allow_nan=False))
def test_the_full_number_stands_beside_it(value: float) -> None:
    assert number(value) == f'<data value="{value!r}">{escaped(number_text(value))}</data>'


def test_shares_and_their_changes() -> None:
    assert (share_text(0.34567), share_text(0.0)) == ("34.6 %", "0.0 %")
    assert (change_text(0.28), change_text(-0.0051), change_text(0.0001)) == ("+28.0 pp", "−0.5 pp", "±0.0 pp")
