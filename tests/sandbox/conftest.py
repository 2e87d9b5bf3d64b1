from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox_process import SandboxProcess, run_sandbox

BEFORE = datetime.now(UTC).isoformat()
"""One moment for the whole session. It must be now: emulated CloudWatch, as the real one, drops older metrics."""


@dataclass(frozen=True)
class Replayed:
    sandbox: SandboxProcess
    deployed: dict[str, Any]
    replayed: dict[str, Any]
    expected: dict[str, Any]

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.replayed["span"]["start"])

    def hour(self, number: int) -> str:
        """Return an hour of the span, counted from its start: ``2026-11-18T16``."""
        return (self.start + timedelta(hours=number)).strftime("%Y-%m-%dT%H")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture(scope="session")
def replayed(sandbox: SandboxProcess) -> Replayed:
    deployed = sandbox.run("deploy", "--json")
    summary = sandbox.run("replay", "--json", "--before", BEFORE, "--live", "3")
    return Replayed(sandbox, deployed, summary, run_sandbox("expected", "--before", BEFORE))
