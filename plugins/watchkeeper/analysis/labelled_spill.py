"""Labelled rows of many files in one order of time, with no more than one file's rows in memory."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from watchkeeper.analysis.training_table import LabelledRow, LabelledRows, TableSchema, read_labelled

_ENCODER = msgspec.json.Encoder()
# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_ROWS = msgspec.json.Decoder(LabelledRow)


class LabelledSpill:
    """Reads merged files one by one, keeps their rows sorted in files of ``folder``, and yields them all in order.

    ``skipped`` counts the records that could not be used, by reason, once all files are read.
    """

    def __init__(self, folder: Path, schema: TableSchema) -> None:
        self._folder = folder
        self._schema = schema
        self._paths: list[Path] = []
        self._last: LabelledRows | None = None
        self.skipped: Counter[str] = Counter()

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in one file's lines."""
        if self._last is not None:
            self._spill(self._last)
        self._last = read_labelled(lines, self._schema)
        self.skipped.update(self._last.skipped)

    def rows(self) -> Iterator[LabelledRow]:
        """Yield every row, oldest first; what was spilled is deleted when all are through."""
        kept = self._last.rows if self._last is not None else ()
        yield from heapq.merge(kept, *map(_read_back, self._paths))
        for path in self._paths:
            path.unlink()
        self._paths, self._last = [], None

    def _spill(self, found: LabelledRows) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{len(self._paths):05d}.jsonl"
        with path.open("wb") as file:
            for row in found.rows:
                file.write(_ENCODER.encode(row) + b"\n")
        self._paths.append(path)


def _read_back(path: Path) -> Iterator[LabelledRow]:
    with path.open("rb") as file:
        for line in file:
            yield _ROWS.decode(line)
