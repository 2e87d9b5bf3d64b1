"""``python -m sandbox.demo``: set the stage, play one scene, take everything down again."""

import argparse
import fcntl
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from sandbox.demo.airflow_client import AirflowApiError
from sandbox.demo.process_session import ProcessEndedError
from sandbox.demo.process_table import ProcessTable, StopRequests
from sandbox.demo.progress_display import ProgressDisplay
from sandbox.demo.scene_list import SCENES
from sandbox.demo.stage import SceneFailedError, Stage

REPOSITORY = Path(__file__).resolve().parents[2]
DATABASES = ("sqlite", "postgres")
INTERRUPTED = 130


def main() -> int:
    """Play the scene asked for; 0 when everything expected was found, 1 when not, 2 for wrong arguments."""
    options = _options()
    folder = REPOSITORY / ".demo"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"another demo runs in {folder}; stop it with Ctrl-C first", file=sys.stderr)
            return 2
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        stop_requests = StopRequests()
        stop_requests.install()
        try:
            return _play(options, folder, stop_requests)
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return INTERRUPTED
        except (SceneFailedError, ProcessEndedError, AirflowApiError, OSError) as error:
            print(f"\nThe demo failed: {error}\nThe logs of all processes: {folder / 'processes'}", file=sys.stderr)
            return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--scene", default="data_quality")
    parser.add_argument("--database", default="sqlite", choices=DATABASES, help="Airflow's metadata database")
    parser.add_argument(
        "--stay",
        action=argparse.BooleanOptionalAction,
        default=sys.stdin.isatty() and sys.stdout.isatty(),
        help="keep everything up until Ctrl-C (default: with a terminal)",
    )
    options = parser.parse_args()
    if options.scene not in SCENES:
        known = "\n".join(f"  {scene.name}: {scene.summary}" for scene in SCENES.values())
        parser.error(f"there is no scene {options.scene!r}; there are:\n{known}")
    return options


def _play(options: argparse.Namespace, folder: Path, stop_requests: StopRequests) -> int:
    console = Console()
    display = ProgressDisplay(console)
    with ProcessTable(REPOSITORY, folder / "processes", stop_requests) as processes:
        stage = Stage(REPOSITORY, folder, processes, display, options.database, datetime.now(UTC))
        missing = SCENES[options.scene].play(stage)
        for problem in missing:
            console.print(f"MISSING {problem}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        if not missing:
            console.print(f"Everything expected was found, {display.elapsed:.0f} s after the start.", style="green")
        if options.stay:
            console.print(f"Airflow: {stage.airflow.settings.url}   AWS: {stage.sandbox_url}   Ctrl-C ends both.")
            while True:
                processes.require_running()
                time.sleep(1)
        display.say("Stopping Airflow and the sandbox.")
    return 1 if missing else 0


if __name__ == "__main__":
    # A closed pipe (`make demo | head`) must not end in a traceback.
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(code)
