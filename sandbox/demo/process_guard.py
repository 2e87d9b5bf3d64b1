"""Ends the demo's processes when the launcher dies without having done so.

Run as ``python -m sandbox.demo.process_guard``: it reads ``+PID`` and ``-PID`` lines from its standard input, whose
other end only the launcher holds. The input's end means that the launcher is gone, however it went.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sandbox.demo.process_session import kill_session_members, session_members

REPOSITORY = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 5.0


class ProcessGuard:
    """The launcher's side: a guard process that is told of every session started and stopped."""

    def __init__(self) -> None:
        # Its output goes nowhere: it must not keep a pipe open that the launcher's reader waits on.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.demo.process_guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """From now on, the session that ``pid`` leads must not outlive the launcher; OSError when the guard is gone."""
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """The session that ``pid`` led has ended."""
        with contextlib.suppress(OSError):
            self._tell(f"-{pid}\n")

    def close(self) -> None:
        """End the guard, and with it any session it still watches."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait(4 * GRACE_SECONDS)

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def main() -> None:
    """Collect the sessions told of; at the end of the input, end those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    leaders: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            leaders.add(pid)
        else:
            leaders.discard(pid)
    for pid in leaders:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while session_members(leaders) and time.monotonic() < deadline:
        time.sleep(0.1)
    kill_session_members(leaders)


if __name__ == "__main__":
    main()
