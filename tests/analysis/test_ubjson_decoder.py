"""UBJSON: XGBoost's files say what its JSON says, and damaged bytes are told."""

import json
import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from tests.analysis.tree_samples import XGBOOST, saved, trained
from watchkeeper.analysis.ubjson_decoder import UbjsonError, decode_ubjson

values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)


def number(value: int) -> bytes:
    for marker, form, bits in (("i", ">b", 7), ("I", ">h", 15), ("l", ">i", 31), ("L", ">q", 63)):
        if -(2**bits) <= value < 2**bits:
            return marker.encode() + struct.pack(form, value)
    raise AssertionError


def written(value: Any, *, counted: bool) -> bytes:  # noqa: PLR0911
    """Return a value as UBJSON, containers with a count or with an end."""
    match value:
        case None:
            return b"Z"
        case bool():
            return b"T" if value else b"F"
        case int():
            return number(value)
        case float():
            return b"D" + struct.pack(">d", value)
        case str():
            return b"S" + number(len(value.encode())) + value.encode()
        case list():
            parts = b"".join(written(item, counted=counted) for item in value)
            return b"[#" + number(len(value)) + parts if counted else b"[" + parts + b"]"
        case dict():
            parts = b"".join(
                written(key, counted=counted)[1:] + written(item, counted=counted) for key, item in value.items()
            )
            return b"{#" + number(len(value)) + parts if counted else b"{" + parts + b"}"
    raise AssertionError


@quick
@given(values, st.booleans())
def test_what_is_written_is_read(value: Any, counted: bool) -> None:
    assert decode_ubjson(written(value, counted=counted)) == value


@quick
@given(values, st.data())
def test_bytes_that_end_too_soon_are_told(value: Any, data: st.DataObject) -> None:
    whole = written(value, counted=True)
    if len(whole) > 1:
        with pytest.raises(UbjsonError):
            decode_ubjson(whole[: data.draw(st.integers(0, len(whole) - 1))])


@quick
@given(st.binary(max_size=60))
def test_no_bytes_do_harm(data: bytes) -> None:
    with suppress(UbjsonError):
        decode_ubjson(data)


def plain(value: Any) -> Any:
    match value:
        case np.ndarray():
            return [float(item) for item in value]
        case list():
            return [float(item) if isinstance(item, int | float) else plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
    return value


def test_a_model_says_the_same_in_both_forms() -> None:
    model = trained(XGBOOST[2])
    binary, text = plain(decode_ubjson(saved(model, "ubj"))), plain(json.loads(saved(model, "json")))

    def close(first: Any, second: Any) -> None:
        assert type(first) is type(second)
        if isinstance(first, dict):
            assert first.keys() == second.keys()
            for key, item in first.items():
                close(item, second[key])
        elif isinstance(first, list) and first and isinstance(first[0], float):
            # The text rounds 32-bit floats to the digits that tell them apart.
            assert first == pytest.approx(second, rel=1e-6)
        elif isinstance(first, list):
            for one, other in zip(first, second, strict=True):
                close(one, other)
        else:
            assert first == second

    close(binary, text)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "end within"),
        (b"Q", "unknown marker"),
        (b"ZZ", "bytes follow"),
        (b"[" * 100 + b"Z", "nested too deeply"),
        (b"[$d", "a type without a count"),
        (b"[#L\x00\x00\x00\xff\x00\x00\x00\x00", "more values are promised"),
        (b"[$Z#L\x00\x00\x00\xff\x00\x00\x00\x00", "array of constants"),
        (b"[$L#L\x00\x00\x00\xff\x00\x00\x00\x00", "end within"),
        (b"S" + struct.pack(">bb", 0, 0), "no length"),
        (b"Si\xff", "end within"),
    ],
)
def test_damage_is_named(data: bytes, found: str) -> None:
    with pytest.raises(UbjsonError, match=found):
        decode_ubjson(data)


def test_no_operations_are_passed_over() -> None:
    assert decode_ubjson(b"NN[NZNi\x05N]") == [None, 5]
