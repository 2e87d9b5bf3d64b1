"""Scans in pieces see what a scan of the whole would, at the borders of pieces too."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import few
from watchkeeper.analysis.text_scan import _PIECE, count_of, is_tidy

BORDERS = [0, 1, _PIECE - 1, _PIECE, _PIECE + 1, 2 * _PIECE, 2 * _PIECE + 1]


@pytest.mark.parametrize("position", BORDERS)
@pytest.mark.parametrize("untidy", [b"5.,", b",.5", b"-.5", b"5.e", b"5.\n"])
def test_an_untidy_number_is_seen_wherever_it_stands(position: int, untidy: bytes) -> None:
    tidy = b"1.5," * _PIECE
    start = position // 4 * 4
    assert is_tidy(tidy)
    for shift in range(4):
        assert not is_tidy(b"7" * shift + tidy[:start] + untidy + tidy[start:])


@few
@given(st.text("0.5,\n-", max_size=40).map(str.encode), st.integers(0, 4))
def test_short_texts_are_tidy_when_every_point_stands_between_digits(text: bytes, shift: int) -> None:
    padded = b"1" * (_PIECE - shift) + text
    assert is_tidy(padded) is (re.search(rb"(?<![0-9])\.|\.(?![0-9])", padded) is None)


@pytest.mark.parametrize("size", [0, *BORDERS])
def test_characters_are_counted_over_all_pieces(size: int) -> None:
    text = b"a,b," * (size // 4) + b"," * (size % 4)
    assert count_of(text, ",") == text.count(b",")
    assert count_of(text, "x") == 0
