"""The sandbox as a process of its own, for tests: starts it, gives its URL and clients, stops it cleanly."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-sandbox" / "bin" / "python"


class SandboxProcess:
    """A running sandbox. Use it as a context manager; ``folder`` takes its ready file and log."""

    def __init__(self, folder: Path, *, flush_seconds: float = 1.0, settle_seconds: float = 1.0) -> None:
        self._folder = folder
        self._options = ["--flush-seconds", str(flush_seconds), "--settle-seconds", str(settle_seconds)]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        if not PYTHON.exists():
            message = f"{PYTHON} is missing: run `make setup`"
            raise FileNotFoundError(message)
        ready = self._folder / "sandbox.json"
        with (self._folder / "sandbox.log").open("wb") as log:
            self._process = subprocess.Popen(
                [PYTHON, "-m", "sandbox", "serve", "--port", "0", "--ready-file", ready, *self._options],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            )
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                message = f"the sandbox did not start:\n{self.log}"
                raise RuntimeError(message)
            time.sleep(0.05)
        self.url = str(json.loads(ready.read_text())["url"])
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the server printed."""
        return (self._folder / "sandbox.log").read_text()

    def stop(self) -> int:
        """Stop with SIGTERM and return the exit code; -9 if it had to be killed after 15 seconds."""
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point AWS clients (boto3, Airflow's hooks) at this sandbox."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of this sandbox that does not retry."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run ``python -m sandbox ARGUMENTS`` against this sandbox and return the JSON that it prints."""
        return run_sandbox(*arguments, environment=self.environment)


def run_sandbox(*arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run ``python -m sandbox ARGUMENTS`` in the sandbox's own environment and return the JSON that it prints."""
    done = subprocess.run(
        [PYTHON, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    document: dict[str, Any] = json.loads(done.stdout)
    return document
