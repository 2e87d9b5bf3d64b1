"""Merged records on their way to S3: files of a bounded size, cut where a line ends."""

from dataclasses import dataclass, field
from pathlib import Path

PART_BYTES = 64 * 1024 * 1024


@dataclass
class MergedParts:
    """Appends lines to files of at most ``part_bytes`` (or one line), whatever blocks the lines come in."""

    folder: Path
    part_bytes: int = PART_BYTES
    paths: list[Path] = field(default_factory=list)
    _size: int = 0

    def write(self, block: bytes) -> None:
        """Append whole lines."""
        while block:
            room = self.part_bytes - self._size if self.paths else 0
            end = len(block) if len(block) <= room else block.rfind(b"\n", 0, max(room, 0)) + 1
            if not end:
                # Not even one line fits: it goes into a file of its own, or begins a new one.
                self.folder.mkdir(parents=True, exist_ok=True)
                self.paths.append(self.folder / f"{len(self.paths):05d}.jsonl")
                self._size = 0
                end = len(block) if len(block) <= self.part_bytes else self._first_cut(block)
            with self.paths[-1].open("ab") as file:
                file.write(block[:end])
            self._size += end
            block = block[end:]

    def _first_cut(self, block: bytes) -> int:
        cut = block.rfind(b"\n", 0, self.part_bytes) + 1
        return cut or block.index(b"\n") + 1
