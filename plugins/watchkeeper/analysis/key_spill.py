"""Lines parted by the hash of their key, in memory while they are few and on disk beyond that.

Parts are ranges of the hash: reading them one after another, each in the order of its hashes, gives one order for all
lines, whatever the number of parts.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from watchkeeper.analysis.distinct_sketch import HASH_SEED, Hashes
from watchkeeper.analysis.line_blocks import LineBlocks

#: What one part should weigh: it is read at once, and its lines become objects.
PART_BYTES = 24 * 1024 * 1024
MAXIMUM_PARTS = 256
#: Lines wait in memory up to here, all parts of a spill together.
WAITING_BYTES = 24 * 1024 * 1024
#: A part that is read at once weighs at most this.
WHOLE_BYTES = 4 * PART_BYTES
_LINES_AT_ONCE = 8192
_CHUNK_BYTES = 1 << 20
_ENTRY = np.dtype([("hash", "<u8"), ("tag", "<u4")])
Entries = NDArray[np.void]


def key_hashes(keys: Sequence[str]) -> Hashes:
    """Return the 64-bit xxHash of each key."""
    frame = pl.DataFrame({"key": pl.Series(keys, dtype=pl.String)})
    return frame.select(plh.col("key").nchash.xxhash64(seed=HASH_SEED)).to_series().to_numpy().astype(np.uint64)


def part_count(total_bytes: int, part_bytes: int = PART_BYTES) -> int:
    """Return into how many parts so many bytes should go: a power of two, at most ``MAXIMUM_PARTS``."""
    count = 1
    while count < MAXIMUM_PARTS and count * part_bytes < total_bytes:
        count *= 2
    return count


class KeySpill:
    """Takes lines in with their hashes and a tag; gives them back part by part."""

    def __init__(
        self, folder: Path, parts: int, *, waiting_bytes: int = WAITING_BYTES, whole_bytes: int = WHOLE_BYTES
    ) -> None:
        self._folder = folder
        self._parts = parts
        self._waiting_bytes = waiting_bytes
        self._whole_bytes = whole_bytes
        self._lines: list[list[bytes]] = [[] for _ in range(parts)]
        self._entries: list[list[Entries]] = [[] for _ in range(parts)]
        self._waiting = 0
        folder.mkdir(parents=True)

    def add(self, hashes: Hashes, lines: Sequence[bytes], tag: int = 0) -> None:
        """Take lines in; none of them holds a line end."""
        if not lines:
            return
        entries = np.empty(len(lines), _ENTRY)
        entries["hash"], entries["tag"] = hashes, tag
        if self._parts == 1:
            self._put(0, lines, entries)
        else:
            numbers = hashes >> np.uint64(64 - (self._parts - 1).bit_length())
            order = np.argsort(numbers, kind="stable")
            ends = np.cumsum(np.bincount(numbers.astype(np.int64), minlength=self._parts)).tolist()
            lines, entries = [lines[place] for place in order.tolist()], entries[order]
            start = 0
            for number, end in enumerate(ends):
                if end > start:
                    self._put(number, lines[start:end], entries[start:end])
                start = end
        if self._waiting > self._waiting_bytes:
            self._flush()

    def blocks(self, number: int) -> Iterator[bytes]:
        """Yield a part's lines as they came, in blocks."""
        yield from LineBlocks(self._chunks(number))

    def sorted_blocks(self, number: int) -> Iterator[tuple[list[bytes], list[int]]]:
        """Yield a part's lines with their tags by hash, and as they came where the hash is the same.

        A part that is much larger than meant (one key of very many lines) is not read at once but line by line.
        """
        entries = self._read_entries(number)
        order = np.argsort(entries["hash"], kind="stable")
        tags = entries["tag"]
        path = self._path(number, "lines")
        size = path.stat().st_size if path.exists() else 0
        if size > self._whole_bytes:
            yield from self._sorted_from_disk(path, order, tags)
            return
        lines = b"".join(self._chunks(number)).split(b"\n")
        for start in range(0, len(order), _LINES_AT_ONCE):
            chosen = order[start : start + _LINES_AT_ONCE]
            yield [lines[place] for place in chosen.tolist()], tags[chosen].tolist()

    def _sorted_from_disk(
        self, path: Path, order: NDArray[np.intp], tags: NDArray[np.uint32]
    ) -> Iterator[tuple[list[bytes], list[int]]]:
        self._flush()
        starts = _line_starts(path)
        with path.open("rb", buffering=0) as file:
            descriptor = file.fileno()
            for begin in range(0, len(order), _LINES_AT_ONCE):
                chosen = order[begin : begin + _LINES_AT_ONCE]
                places = zip(starts[chosen].tolist(), starts[chosen + 1].tolist(), strict=True)
                yield (
                    [os.pread(descriptor, end - start - 1, start) for start, end in places],
                    tags[chosen].tolist(),
                )

    def release(self, number: int) -> None:
        """Forget a part."""
        self._lines[number], self._entries[number] = [], []
        for kind in ("lines", "entries"):
            self._path(number, kind).unlink(missing_ok=True)

    def _put(self, number: int, lines: Sequence[bytes], entries: Entries) -> None:
        text = b"\n".join(lines) + b"\n"
        self._lines[number].append(text)
        self._entries[number].append(entries)
        self._waiting += len(text) + entries.nbytes

    def _flush(self) -> None:
        for number in range(self._parts):
            if self._lines[number]:
                with self._path(number, "lines").open("ab") as file:
                    file.writelines(self._lines[number])
                with self._path(number, "entries").open("ab") as file:
                    file.writelines(entries.tobytes() for entries in self._entries[number])
                self._lines[number], self._entries[number] = [], []
        self._waiting = 0

    def _read_entries(self, number: int) -> Entries:
        path = self._path(number, "entries")
        spilled = [np.fromfile(path, _ENTRY)] if path.exists() else []
        waiting = self._entries[number]
        return np.concatenate([*spilled, *waiting]) if spilled or waiting else np.empty(0, _ENTRY)

    def _chunks(self, number: int) -> Iterator[bytes]:
        path = self._path(number, "lines")
        if path.exists():
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        yield from self._lines[number]

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{number:03d}.{kind}"


def _line_starts(path: Path) -> NDArray[np.int64]:
    """Return where the lines of a file begin, and where the last one ends."""
    found, offset = [np.zeros(1, np.int64)], 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
            found.append(ends + (offset + 1))
            offset += len(chunk)
    return np.concatenate(found)
