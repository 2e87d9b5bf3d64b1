"""HyperLogLog++ against a plain one, and the hash against an implementation from its specification."""

import struct

import numpy as np
import polars as pl
import polars_hash as plh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import few, quick
from watchkeeper.analysis.distinct_sketch import HASH_SEED, DistinctSketch, DistinctSketchBuilder

_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxhash64(data: bytes, seed: int) -> int:
    position = 0
    if len(data) >= 32:
        lanes = [(seed + _P1 + _P2) & _MASK, (seed + _P2) & _MASK, seed, (seed - _P1) & _MASK]
        while position + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, position)
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
            position += 32
        value = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        value = (seed + _P5) & _MASK
    value = (value + len(data)) & _MASK
    while position + 8 <= len(data):
        value = (_rotate(value ^ _round(0, struct.unpack_from("<Q", data, position)[0]), 27) * _P1 + _P4) & _MASK
        position += 8
    if position + 4 <= len(data):
        word = struct.unpack_from("<I", data, position)[0]
        value = (_rotate(value ^ (word * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        position += 4
    for byte in data[position:]:
        value = _rotate(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    value = (value ^ (value >> 33)) * _P2 & _MASK
    value = (value ^ (value >> 29)) * _P3 & _MASK
    return value ^ (value >> 32)


def plain_registers(hashes: list[int]) -> list[int]:
    registers = [0] * 512
    for value in hashes:
        rest = (value << 9) & _MASK
        rank = 65 - rest.bit_length()
        registers[value >> 55] = max(registers[value >> 55], rank)
    return registers


def sketch(hashes: list[int], pieces: int = 1) -> DistinctSketch:
    builder = DistinctSketchBuilder()
    for part in np.array_split(np.array(hashes, np.uint64), pieces):
        builder.update(part)
    return builder.freeze()


def sketch_of_texts(texts: list[str]) -> DistinctSketch:
    frame = pl.DataFrame({"x": texts}).select(plh.col("x").nchash.xxhash64(seed=HASH_SEED))
    builder = DistinctSketchBuilder()
    builder.update(frame["x"].to_numpy())
    return builder.freeze()


def test_the_reference_hash_is_xxhash64() -> None:
    # Published vectors of the algorithm, seed 0.
    assert xxhash64(b"", 0) == 0xEF46DB3751D8E999
    assert xxhash64(b"a", 0) == 0xD24EC4F1A98C6E5B
    assert xxhash64(b"abc", 0) == 0x44BC2CF5AD770999


@quick
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=80), min_size=1, max_size=8))
def test_texts_are_hashed_over_their_utf8_bytes(texts: list[str]) -> None:
    found = pl.DataFrame({"x": texts}).select(plh.col("x").nchash.xxhash64(seed=HASH_SEED))["x"].to_list()
    assert found == [xxhash64(text.encode(), HASH_SEED) for text in texts]


@few
@given(st.integers(0, 12_000), st.integers(1, 5), st.integers(0, 10**6))
def test_registers_are_those_of_the_algorithm_in_any_pieces(count: int, pieces: int, seed: int) -> None:
    hashes = np.random.default_rng(seed).integers(0, 1 << 64, count, np.uint64, endpoint=False).tolist()
    assert sketch(hashes, pieces).registers.tolist() == plain_registers(hashes)


@few
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 10**6))
def test_any_split_merges_to_the_whole_in_any_order(left: int, right: int, seed: int) -> None:
    hashes = np.random.default_rng(seed).integers(0, 1 << 64, left + right, np.uint64, endpoint=False).tolist()
    one, two, whole = sketch(hashes[:left]), sketch(hashes[left:]), sketch(hashes)
    assert one.merge(two).registers.tolist() == two.merge(one).registers.tolist() == whole.registers.tolist()
    assert whole.merge(sketch([])).estimate() == whole.estimate()


def test_rare_ranks_are_kept() -> None:
    hashes = [1 << 54, 1 << 2, (3 << 55) | (1 << 53), (3 << 55) | (1 << 2)]
    found = sketch(hashes).registers
    assert found[0] == 53
    assert found[3] == 53
    assert np.count_nonzero(found) == 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 10])
def test_a_handful_is_counted_exactly(count: int) -> None:
    texts = [f"category {number}" for number in range(count)]
    assert (sketch_of_texts(texts) if texts else sketch([])).estimate() == count


@pytest.mark.parametrize(("count", "error"), [(100, 0.1), (400, 0.12), (1000, 0.15), (2500, 0.15), (50_000, 0.15)])
def test_many_are_estimated(count: int, error: float) -> None:
    assert sketch_of_texts([f"id-{number}" for number in range(count)]).estimate() == pytest.approx(count, rel=error)


def test_repeats_do_not_count() -> None:
    assert sketch_of_texts(["a", "b"] * 5000).estimate() == 2


def test_1_and_1_0_are_two_texts() -> None:
    assert sketch_of_texts(["1", "1.0", "01"]).estimate() == 3
