"""Tells what the demo is doing: live bars in a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# Without a terminal, how often a long step says that it goes on.
PLAIN_SECONDS = 15.0

Advance = Callable[[int, str], None]


class ProgressDisplay:
    """Steps with their durations on ``console``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the display was made."""
        return time.monotonic() - self._begun

    def say(self, text: str) -> None:
        """Print a line of its own."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        """Show a step while the block runs; the block may call ``advance(done, note)`` as often as it likes."""
        begun = time.monotonic()
        latest = ""
        with self._live(title, total) if self._console.is_terminal else self._plain(title, total) as show:

            def advance(done: int, note: str = "") -> None:
                nonlocal latest
                latest = note
                show(done, note)

            yield advance
        note = f": {latest}" if latest else ""
        self.say(f"{self._clock()} {title}{note} ({time.monotonic() - begun:.0f} s)")

    @contextlib.contextmanager
    def _live(self, title: str, total: int | None) -> Iterator[Advance]:
        counted = [BarColumn(bar_width=30), MofNCompleteColumn()] if total else []
        columns = [SpinnerColumn(), TextColumn("{task.description}"), *counted, TimeElapsedColumn()]
        columns.append(TextColumn("{task.fields[note]}"))
        with Progress(*columns, console=self._console, transient=True, refresh_per_second=5) as progress:
            task = progress.add_task(title, total=total, note="")
            yield lambda done, note: progress.update(task, completed=done, note=note)

    @contextlib.contextmanager
    def _plain(self, title: str, total: int | None) -> Iterator[Advance]:
        self.say(f"{self._clock()} {title} …")
        spoken = time.monotonic()

        def advance(done: int, note: str) -> None:
            nonlocal spoken
            if time.monotonic() - spoken > PLAIN_SECONDS:
                spoken = time.monotonic()
                count = f" {done} of {total}" if total else ""
                self.say(f"{self._clock()} {title}{count} {note}".rstrip())

        yield advance

    def _clock(self) -> str:
        minutes, seconds = divmod(int(self.elapsed), 60)
        return f"{minutes}:{seconds:02d}"
