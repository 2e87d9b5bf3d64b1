"""Everything the demo has started, stopped together whatever happens."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self, TypedDict, Unpack

from sandbox.demo.process_guard import ProcessGuard
from sandbox.demo.process_session import ProcessSession, stop_sessions

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessOptions(TypedDict, total=False):
    """What ``ProcessSession.start`` takes beside a command: see there."""

    user: str | None
    output: Path | None
    stop_signal: signal.Signals
    stop_order: int


class StopRequests:
    """Turns Ctrl-C, SIGTERM and a closed terminal into one KeyboardInterrupt, never in the middle of a start.

    A script that starts the demo with ``&`` has SIGINT ignored for it; setting a handler undoes that too.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending = False
        self._raised = False

    def install(self) -> None:
        """Handle the signals from now on."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep a request back until the block has ended."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self._pending:
                self._interrupt()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._pending = True
        else:
            self._interrupt()

    def _interrupt(self) -> None:
        # Only the first: a second Ctrl-C must not cut the clean-up short.
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt


class ProcessTable:
    """Starts processes in ``folder`` and stops them all, side by side, on leaving the ``with`` block."""

    def __init__(
        self,
        folder: Path,
        log_folder: Path,
        stop_requests: StopRequests | None = None,
        grace: float = 10.0,
    ) -> None:
        self._folder = folder
        self._log_folder = log_folder
        self._grace = grace
        self._stop_requests = stop_requests or StopRequests()
        self._sessions: list[ProcessSession] = []
        self._after: list[Callable[[], None]] = []
        self._guard: ProcessGuard | None = None

    def __enter__(self) -> Self:
        self._guard = ProcessGuard()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stop_requests.held():
            while self._sessions:
                first = min(session.stop_order for session in self._sessions)
                self.stop(*(session for session in self._sessions if session.stop_order == first))
            if self._guard:
                self._guard.close()
            for action in self._after:
                action()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        **options: Unpack[ProcessOptions],
    ) -> ProcessSession:
        """Return the started process; its output goes to ``{name}.log`` in the log folder."""
        with self._stop_requests.held():
            session = ProcessSession.start(
                name,
                command,
                environment=environment,
                folder=self._folder,
                log_file=self._log_folder / f"{name}.log",
                **options,
            )
            self._sessions.append(session)
            if self._guard:
                self._guard.watch(session.process.pid)
        return session

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        timeout: float,
        **options: Unpack[ProcessOptions],
    ) -> None:
        """Run ``command`` to its end; ProcessEndedError when it fails or takes over ``timeout`` seconds."""
        session = self.start(name, command, environment, **options)
        try:
            session.wait(timeout)
        finally:
            self.stop(session)

    def on_stop(self, action: Callable[[], None]) -> None:
        """Have ``action`` called once all processes have ended."""
        self._after.append(action)

    def stop(self, *sessions: ProcessSession) -> None:
        """Stop these processes, side by side; what is left after the time of grace is killed."""
        stop_sessions(sessions, self._grace)
        for session in sessions:
            self._sessions.remove(session)
            if self._guard:
                self._guard.forget(session.process.pid)

    def require_running(self) -> None:
        """Raise ProcessEndedError naming the first process that ended by itself."""
        for session in self._sessions:
            session.require_running()
