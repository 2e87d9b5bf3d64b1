import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.line_blocks import LineBlocks


def read(chunks: list[bytes], block_bytes: int = 1 << 20) -> tuple[list[bytes], str | None]:
    blocks = LineBlocks(chunks, block_bytes)
    return list(blocks), blocks.fault


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


contents = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\x1f", b"")), max_size=30).map(b"\n".join)


@quick
@given(contents, st.integers(1, 50), st.integers(1, 200), st.booleans())
def test_blocks_are_whole_lines_and_lose_nothing(data: bytes, chunk: int, block: int, packed: bool) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf")
    blocks, fault = read(pieces(gzip.compress(data) if packed else data, chunk), block)
    assert fault is None
    assert b"".join(blocks) == data
    assert all(part.endswith(b"\n") for part in blocks[:-1])
    assert all(blocks)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_byte_order_mark_is_no_data(pack, size: int) -> None:
    assert read(pieces(pack(b"\xef\xbb\xbfa\nb\n"), size)) == ([b"a\nb\n"], None)


def test_a_mark_is_data_anywhere_else() -> None:
    assert read([b"a\n\xef\xbb\xbfb\n"]) == ([b"a\n\xef\xbb\xbfb\n"], None)


@pytest.mark.parametrize("data", [[], [b""], [b"", b""], [gzip.compress(b"", mtime=0)]])
def test_an_empty_file_has_no_blocks(data: list[bytes]) -> None:
    assert read(data) == ([], None)


def test_gzip_streams_may_follow_one_another_and_zeros_them() -> None:
    packed = gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0" * 100
    for size in (1, 3, 1000):
        assert b"".join(read(pieces(packed, size))[0]) == b"a\nb\n"
        assert read(pieces(packed, size))[1] is None


@pytest.mark.parametrize("size", [7, 10_000])
def test_a_truncated_stream_gives_what_it_had(size: int) -> None:
    lines = b"".join(f"line {number}\n".encode() for number in range(5000))
    packed = gzip.compress(lines)[:-200]
    blocks, fault = read(pieces(packed, size), 1000)
    assert fault == "the gzip stream is truncated"
    assert lines.startswith(b"".join(blocks))
    assert len(b"".join(blocks)) > 1000


def test_a_damaged_stream_gives_what_it_had() -> None:
    packed = bytearray(gzip.compress(b"".join(f"line {n * 7919 % 1000}\n".encode() for n in range(5000))))
    packed[len(packed) // 2] ^= 0xFF
    packed[-8] ^= 0xFF  # the checksum too, should the first change still unpack
    assert read([bytes(packed)])[1] == "the gzip stream is damaged"


def test_a_header_alone_is_a_truncated_stream() -> None:
    assert read([b"\x1f\x8b"]) == ([], "the gzip stream is truncated")


def test_a_line_may_be_longer_than_a_block() -> None:
    line = b"x" * 100_000 + b"\n"
    blocks, _ = read(pieces(line * 3, 999), 1000)
    assert b"".join(blocks) == line * 3
    assert all(part.endswith(b"\n") for part in blocks)


def test_a_small_file_does_not_become_a_huge_block() -> None:
    packed = zlib.compress(b"y" * 9999 + b"\n", 9)
    assert len(packed) < 100
    bomb = gzip.compress((b"y" * 99 + b"\n") * 100_000)
    assert len(bomb) < 50_000
    assert max(len(part) for part in LineBlocks([bomb], 10_000)) < 40_000
