"""Whatever ends the launcher, nothing that it started is left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.demo.process_session import ProcessEndedError
from sandbox.demo.process_table import ProcessTable

REPOSITORY = Path(__file__).parents[2]

# As Airflow's tasks do: a child in a process group of its own, whose parent does not wait for it; deaf to SIGTERM.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
open(sys.argv[1] + str(os.getpid()), "w").close()
time.sleep(600)
"""

LAUNCHER = """
import sys, time
from pathlib import Path
from sandbox.demo.process_table import ProcessTable, StopRequests
requests = StopRequests()
requests.install()
folder = Path(sys.argv[1])
try:
    with ProcessTable(folder, folder / "logs", requests, grace=1.0) as processes:
        processes.start("stubborn", [sys.executable, "-c", sys.argv[2], str(folder) + "/pid-"], {})
        time.sleep(600)
except KeyboardInterrupt:
    sys.exit(130)
"""


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for pid in started(tmp_path):
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def started(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 130), ("SIGHUP", 130), ("SIGKILL", -9)])
def test_a_launcher_that_is_stopped_or_killed_takes_everything_with_it(folder: Path, number: str, code: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    # As with a script's `&`, SIGINT is ignored from the start.
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", LAUNCHER, str(folder), STUBBORN]
    launcher = subprocess.Popen([sys.executable, "-c", ignoring, *command], env=environment)
    assert within(20, lambda: len(started(folder)) == 2)
    assert all(alive(pid) for pid in started(folder))
    launcher.send_signal(signal.Signals[number])
    assert launcher.wait(30) == code
    assert within(20, lambda: not any(alive(pid) for pid in started(folder)))


def test_a_process_that_ends_by_itself_is_named_with_the_end_of_its_log(folder: Path) -> None:
    with ProcessTable(folder, folder / "logs") as processes:
        session = processes.start("broken", [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"], {})
        assert within(20, lambda: session.process.poll() is not None)
        with pytest.raises(ProcessEndedError, match=r"(?s)broken ended with exit code 3.*no such table"):
            processes.require_running()


def test_a_command_that_takes_too_long_is_stopped_and_named(folder: Path) -> None:
    with ProcessTable(folder, folder / "logs") as processes:
        command = [sys.executable, "-c", STUBBORN.replace("SIG_IGN", "SIG_DFL"), str(folder) + "/pid-"]
        with pytest.raises(ProcessEndedError, match="slow took over 3 s"):
            processes.run("slow", command, {}, timeout=3)
        assert len(started(folder)) == 2
        assert not any(alive(pid) for pid in started(folder))
