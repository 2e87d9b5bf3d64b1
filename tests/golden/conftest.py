"""Finds the documents that AWS's own container wrote: beside the repository, or where an environment variable says."""

import os
from pathlib import Path

import pytest

VARIABLE = "WATCHKEEPER_REAL_DATA"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "real"


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get(VARIABLE) or BESIDE)
    if not (folder / "data_quality").is_dir():
        pytest.skip(f"no documents of AWS's own at {folder}; {VARIABLE} names their folder")
    return folder


@pytest.fixture(scope="session")
def churn(real_data: Path) -> Path:
    return real_data / "data_quality" / "churn_2021"
