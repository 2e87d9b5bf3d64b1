"""What an endpoint file may say about retraining, and the remedy for what it may not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from watchkeeper.registry.monitor_spec import MONITOR_NAMES
from watchkeeper.registry.registry_files import load_registry
from watchkeeper.registry.retraining_spec import RetrainingSpec

SHORT = {
    "pipeline_name": "churn-retraining",
    "model_package_group": "churn",
    "role_arn": "arn:aws:iam::123456789012:role/training",
}


def problems(folder: Path, **changes: Any) -> list[str]:
    retraining = {name: value for name, value in (SHORT | changes).items() if value != "absent"}
    document = {"owner": "me", "capture": {"s3_uri": "s3://bucket/capture"}, "retraining": retraining}
    (folder / "churn.yaml").write_text(yaml.safe_dump(document))
    return [line.removeprefix("churn.yaml: ") for line in load_registry(folder).problems]


def test_a_short_section_only_says_what_it_would_do(tmp_path: Path) -> None:
    assert problems(tmp_path) == []
    spec = load_registry(tmp_path).endpoints["churn"].retraining
    assert spec is not None
    assert (spec.mode, spec.deployment.mode, spec.definition) == ("dry_run", "approval", "retraining.json")
    assert (spec.triggers.violated_windows, spec.triggers.of_windows, spec.cooldown_hours) == (2, 3, 24)
    assert (spec.triggers.monitors, spec.triggers.checks) == (MONITOR_NAMES, None)
    assert spec.gate.metric is None


def test_without_a_section_there_is_no_retraining(tmp_path: Path) -> None:
    (tmp_path / "churn.yaml").write_text("owner: me\ncapture: {s3_uri: s3://bucket/capture}\n")
    assert load_registry(tmp_path).endpoints["churn"].retraining is None


def test_a_pipeline_kept_elsewhere_needs_no_role(tmp_path: Path) -> None:
    assert problems(tmp_path, definition=None, role_arn="absent") == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param(
            {"role_arn": "absent"},
            "retraining: definition retraining.json needs a role_arn; give it, or set definition to null",
            id="role",
        ),
        pytest.param(
            {"role_arn": "training"},
            "retraining.role_arn: got 'training'; use a role's ARN such as arn:aws:iam::123456789012:role/training",
            id="role's form",
        ),
        pytest.param(
            {"definition": "../other.json"},
            "retraining.definition: got '../other.json'; use a file's name in include/pipelines that ends with .json, "
            "without a folder",
            id="definition",
        ),
        pytest.param(
            {"triggers": {"violated_windows": 4}},
            "retraining.triggers: violated_windows 4 of of_windows 3 never happens; use at most 3",
            id="windows",
        ),
        pytest.param(
            {"parameters": {"EndpointId": "x"}},
            "retraining: parameters: EndpointId is set by every run; take it out",
            id="parameters",
        ),
        pytest.param(
            {"deployment": {"strategy": "canary"}},
            "retraining.deployment: strategy canary without alarms: nothing would take the traffic back; name at least "
            "one CloudWatch alarm, or use all_at_once",
            id="canary",
        ),
        pytest.param(
            {"deployment": {"strategy": "linear", "alarms": ["a"], "step_percentage": 10, "step_minutes": 60}},
            "retraining.deployment: the update would take 605 minutes, and SageMaker gives up after 8 hours, an hour "
            "of which the new fleet may need; use fewer or shorter steps",
            id="too long",
        ),
        pytest.param(
            {"training_days": 2, "gate": {"evaluation_share": 1.0}},
            "retraining: gate.evaluation_days 3 at evaluation_share 1 leaves nothing of training_days 2 to train on; "
            "use fewer days or a smaller share",
            id="nothing left",
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_remedy(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    assert problems(tmp_path, **changes) == [told]


def test_editing_it_restates_no_verdict(tmp_path: Path) -> None:
    problems(tmp_path)
    before = load_registry(tmp_path).endpoints["churn"].digest("data_quality")
    problems(tmp_path, cooldown_hours=1)
    assert load_registry(tmp_path).endpoints["churn"].digest("data_quality") == before


def test_the_model_alone_takes_what_a_file_gives() -> None:
    assert RetrainingSpec.model_validate(SHORT).pipeline_name == "churn-retraining"


@pytest.mark.parametrize(
    ("retraining", "monitor", "told"),
    [
        ({"gate": {"metric": "rmse"}}, {}, "gate.metric: BinaryClassification has no rmse; it has recall, "),
        (
            {"gate": {"metric": "auc"}},
            {"probability_attribute": None, "inference_attribute": "0"},
            "gate.metric auc needs monitors.model_quality.probability_attribute",
        ),
        ({"gate": {"segments": ["plan", "region"]}}, {}, "gate.segments: region is not among capture.input_columns"),
        ({"deployment": {"variant": "B"}}, {}, "deployment.variant B is none of variants: AllTraffic"),
    ],
)
def test_what_only_the_comparison_would_stumble_on_is_told_at_once(
    tmp_path: Path, retraining: dict[str, Any], monitor: dict[str, Any], told: str
) -> None:
    document = {
        "owner": "me",
        "capture": {"s3_uri": "s3://bucket/capture", "input_columns": ["plan", "age"]},
        "ground_truth": {"s3_uri": "s3://bucket/truth"},
        "monitors": {"model_quality": {"problem_type": "BinaryClassification", "probability_attribute": "0"} | monitor},
        "retraining": SHORT | retraining,
    }
    (tmp_path / "churn.yaml").write_text(yaml.safe_dump(document))
    (problem,) = load_registry(tmp_path).problems
    assert told in problem
