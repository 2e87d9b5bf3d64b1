"""Goes through files of merged records, block by block: at once where they are uniform, else line by line."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from watchkeeper.analysis.capture_profile import SAMPLE_LIMIT, MalformedLines, MalformedSample
from watchkeeper.analysis.capture_records import CaptureFile, PayloadError
from watchkeeper.analysis.line_blocks import BLOCK_BYTES
from watchkeeper.analysis.own_requests import CaptureBlocks
from watchkeeper.analysis.text_scan import count_of


class RowState(Protocol):
    """What all states of labelled rows count."""

    @property
    def row_count(self) -> int:
        """Rows that can be judged."""

    @property
    def rejected(self) -> Mapping[str, int]:
        """The others by reason."""

    @property
    def rejected_count(self) -> int:
        """Rows that could not be judged."""

    @property
    def rejected_share(self) -> float:
        """Their share of all rows."""


@dataclass(frozen=True)
class LabelledProfile[S: RowState]:
    """What a window's labelled rows say.

    ``line_count`` counts all lines, ``record_count`` those that were read. ``state`` is ``None`` when there is no row;
    rows that were read but cannot be judged are counted in it.
    """

    state: S | None
    line_count: int
    record_count: int
    malformed: MalformedLines

    @property
    def row_count(self) -> int:
        """Rows that can be judged."""
        return self.state.row_count if self.state else 0

    @property
    def malformed_share(self) -> float:
        """Share of the lines that could not be read; 0 for no lines."""
        return self.malformed.count / self.line_count if self.line_count else 0.0


def malformed_reason[S: RowState](profile: LabelledProfile[S], maximum_share: float) -> str:
    """Return why a window's lines are too many that could not be read."""
    reason, count = next(iter(profile.malformed.reasons.items()))
    limit = f"at most {maximum_share:.1%} allowed" if profile.state else "no row could be read"
    return (
        f"{profile.malformed.count} of {profile.line_count} merged lines are malformed "
        f"({profile.malformed_share:.1%}, {limit}); most often ({count}): {reason}"
    )


def rejected_reason(state: RowState, maximum_share: float) -> str:
    """Return why a window's rows are too many that cannot be judged."""
    reason, count = max(state.rejected.items(), key=lambda item: item[1])
    rows = state.row_count + state.rejected_count
    limit = f"at most {maximum_share:.1%} allowed" if state.row_count else "none is left"
    return (
        f"{state.rejected_count} of {rows} labelled rows cannot be judged "
        f"({state.rejected_share:.1%}, {limit}); most often ({count}): {reason}"
    )


class MergedReader(ABC):
    """Counts lines and samples what cannot be read; what is done with the rows is its subclasses' matter."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._samples: list[MalformedSample] = []
        self.line_count = 0

    @abstractmethod
    def take_uniform(self, block: bytes) -> int:
        """Take in a block of records of one shape; return how many, 0 where they need a look line by line."""

    @abstractmethod
    def take_line(self, line: bytes) -> None:
        """Take in one record; PayloadError says why it is malformed."""

    @abstractmethod
    def end_lines(self) -> None:
        """The lines of a block have all been taken in."""

    def read(
        self,
        files: Iterable[CaptureFile],
        block_bytes: int = BLOCK_BYTES,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Take in all files in order, our own requests left out; ``on_progress`` is told the lines read so far."""
        for file in files:
            blocks = CaptureBlocks(file.chunks, block_bytes)
            line = 1
            for block in blocks:
                taken = self.take_uniform(block)
                self.line_count += taken
                if not taken:
                    self._read_lines(block, file.name, line)
                line += count_of(block, "\n")
                if on_progress is not None:
                    on_progress(self.line_count)
            if blocks.fault:
                self.line_count += 1
                self._reject(file.name, line, blocks.fault)

    def _read_lines(self, block: bytes, file: str, first_line: int) -> None:
        for line, text in enumerate(block.split(b"\n"), first_line):
            if not text.strip():
                continue
            self.line_count += 1
            try:
                self.take_line(text)
            except PayloadError as error:
                self._reject(file, line, str(error))
        self.end_lines()

    def _reject(self, file: str, line: int, reason: str) -> None:
        self._reasons[reason] += 1
        if len(self._samples) < SAMPLE_LIMIT:
            self._samples.append(MalformedSample(file, line, reason))

    @property
    def malformed(self) -> MalformedLines:
        """What could not be read so far, the most frequent reason first."""
        return MalformedLines(self._reasons.total(), dict(self._reasons.most_common()), tuple(self._samples))


def merge_malformed(parts: Iterable[MalformedLines]) -> MalformedLines:
    """Return what could not be read in all parts; the samples of the first ones, in the order given."""
    reasons: Counter[str] = Counter()
    samples: list[MalformedSample] = []
    for part in parts:
        reasons.update(part.reasons)
        samples += part.samples
    return MalformedLines(reasons.total(), dict(reasons.most_common()), tuple(samples[:SAMPLE_LIMIT]))
