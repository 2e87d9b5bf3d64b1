"""Processes that are ours to start and to stop, each with everything it forked.

Airflow's task processes move to process groups of their own, so ending a group is not enough; a session is:
each process here leads its own, and nothing in Airflow leaves it.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]


class ProcessEndedError(RuntimeError):
    """A process ended although it was needed; the message holds the end of its log."""


@dataclass
class ProcessSession:
    """One started process, the leader of its own session, writing to ``log_file``."""

    name: str
    log_file: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_order: int = 0

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log_file: Path,
        user: str | None = None,
        output: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_order: int = 0,
    ) -> "ProcessSession":
        """Return ``command`` as a running process that leads a new session.

        ``user`` names another account to run as, which only root can ask for. ``output`` takes its standard output,
        if that is not to go to the log. ``stop_signal`` asks it to end; those of a lower
        ``stop_order`` have ended by then.
        """
        log_file.parent.mkdir(parents=True, exist_ok=True)
        account = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        with log_file.open("ab") as log, (output or log_file).open("ab") as standard_output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=standard_output,
                stderr=log,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
                **account,  # type: ignore[call-overload]  # the three belong together
            )
        return cls(name, log_file, process, stop_signal, stop_order)

    def require_running(self) -> None:
        """Raise ProcessEndedError, with the end of the log, when the process has ended."""
        code = self.process.poll()
        if code is not None:
            message = f"{self.name} ended with exit code {code}; the end of {self.log_file}:\n{self.log_tail()}"
            raise ProcessEndedError(message)

    def wait(self, timeout: float) -> None:
        """Wait for the process to end well; ProcessEndedError when it fails or takes over ``timeout`` seconds."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            message = f"{self.name} took over {timeout:.0f} s; the end of {self.log_file}:\n{self.log_tail()}"
            raise ProcessEndedError(message) from None
        if code != 0:
            self.require_running()

    def log_tail(self, lines: int = 25) -> str:
        """Return the last lines of the log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"


def stop_sessions(sessions: Iterable[ProcessSession], grace: float = 10.0) -> None:
    """End the processes and all that they forked: asked at once, forced ``grace`` seconds later."""
    sessions = list(sessions)
    leaders = [session.process for session in sessions]
    for session in sessions:
        session.process.send_signal(session.stop_signal)
    deadline = time.monotonic() + grace
    for leader in leaders:
        with contextlib.suppress(subprocess.TimeoutExpired):
            leader.wait(max(0.0, deadline - time.monotonic()))
    kill_session_members({leader.pid for leader in leaders})
    for leader in leaders:
        leader.wait()


def session_members(leaders: set[int]) -> list[int]:
    """Return the ids of all processes whose session one of ``leaders`` leads or led."""
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) in leaders:
                members.append(pid)
    return members


def kill_session_members(leaders: set[int], timeout: float = 5.0) -> None:
    """Kill whatever is left in the sessions, until nothing that still runs is."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        alive = [pid for pid in session_members(leaders) if _is_alive(pid)]
        if not alive:
            return
        for pid in alive:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
