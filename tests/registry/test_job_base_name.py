"""What the runs of one job have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.job_base_name import job_base_name


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("churn-train-2026-11-20-04-00-00-123", "churn-train"),
        ("pipelines-k3v9q1x7m2ab-Train-aB3dE6gH9k", "pipelines-Train"),
        ("pipelines-k3v9q1x7m2ab-Train-Late-aB3dE6gH9k", "pipelines-Train-Late"),
        ("churn-hpo-261120-0500-001-3f2a9c1d", "churn-hpo"),
        ("model-monitoring-202611200500-0a1b2c3d4e5f60718293a4b5", "model-monitoring"),
        ("resnet50-v2", "resnet50-v2"),
        ("train_20261120T050000Z", "train"),
        ("score-6f1c2f7e-5a0e-4a0b-8f39-0e6f2d0c9b1a", "score-5a0e-4a0b-8f39"),
        ("2026-11-20", "2026-11-20"),
        ("churn", "churn"),
    ],
)
def test_times_numbers_and_random_letters_are_left_out(name, base):
    assert job_base_name(name) == base


@given(st.from_regex(r"[A-Za-z0-9]([-_.]?[A-Za-z0-9]){0,90}", fullmatch=True))
def test_a_base_name_is_its_own_and_never_empty(name):
    base = job_base_name(name)
    assert base
    assert len(base) <= 63


@given(st.integers(0, 10**14), st.integers(0, 10**6))
def test_numbers_never_tell_runs_apart(first, second):
    assert job_base_name(f"churn-{first}") == job_base_name(f"churn-{second}") == "churn"
