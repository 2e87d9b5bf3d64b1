"""From chunks of bytes to blocks of whole lines, plain or gzip, in bounded memory."""

import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain

_GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS

# Large enough that work is done on thousands of rows at once, small enough that ten copies fit anywhere.
BLOCK_BYTES = 8 * 1024 * 1024


class LineBlocks:
    """Iterates over blocks that end where a line ends; ``fault`` afterwards says what was wrong with the file."""

    def __init__(self, chunks: Iterable[bytes], block_bytes: int = BLOCK_BYTES) -> None:
        self._chunks = chunks
        self._block_bytes = block_bytes
        self.fault: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size = 0
        for chunk in self._plain():
            size += len(chunk)
            end = chunk.rfind(b"\n") + 1
            if size < self._block_bytes or not end:
                pieces.append(chunk)
                continue
            _keep_freed_memory()
            yield b"".join([*pieces, chunk[:end]])
            pieces, size = [chunk[end:]], len(chunk) - end
        rest = b"".join(pieces)
        if rest:
            yield rest

    def _plain(self) -> Iterator[bytes]:
        head, chunks = _with_head(iter(self._chunks))
        if head.startswith(_GZIP_MAGIC):
            head, chunks = _with_head(self._unzipped(head, chunks))
        yield head.removeprefix(BYTE_ORDER_MARK)
        yield from chunks

    def _unzipped(self, head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        inflater = zlib.decompressobj(_GZIP_WINDOW)
        try:
            for data in chain([head], chunks):
                rest = data
                while rest:
                    if inflater.eof:  # several gzip streams may follow one another in a file, then zeros as padding
                        rest = rest.lstrip(b"\0")
                        if not rest:
                            break
                        inflater = zlib.decompressobj(_GZIP_WINDOW)
                    # A bound on what one call may unpack: a small file must not become a huge block.
                    yield inflater.decompress(rest, self._block_bytes)
                    rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        except zlib.error:
            self.fault = "the gzip stream is damaged"
            return
        if not inflater.eof:
            self.fault = "the gzip stream is truncated"


def _with_head(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return enough of the first bytes to know what a file is, and the chunks after them."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(BYTE_ORDER_MARK):
            break
    return head, chunks


@cache
def _keep_freed_memory() -> None:
    """Let the allocator keep what a block has freed for the next one, instead of a page fault for every 4 KB.

    glibc does so for sizes up to the largest mapping that was freed (32 MB at most), so one is made and freed. Its
    pages are never touched; elsewhere this does nothing.
    """
    bytes(31 * 1024 * 1024)
