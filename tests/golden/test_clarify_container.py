"""The container entry given Clarify's own configuration and data: its documents beside those that Clarify wrote."""

import io
import json
import math
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sandbox.model_archive import packed
from tests.golden.test_attributions import ABSOLUTE, ADULT, RELATIVE, report
from tests.golden.test_clarify_bias import RUNS, _arrays, _rounded
from tests.sandbox_process import SandboxProcess
from tests.test_container import HOUR, message, output, put, run

CONFIG = "processing/input/config/analysis_config.json"
DATA = "processing/input/data"


@pytest.fixture
def adult(real_data: Path) -> Path:
    return real_data / "bias" / "adult_endpoint_json"


@pytest.fixture
def config(real_data: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((real_data / "analysis_config" / "bias_600bb55b.json").read_bytes())
    return document


def linear_model(adult: Path) -> tuple[list[float], float, float]:
    """Return the weights, the intercept and the threshold of the model that was in service."""
    with tarfile.open(adult / "model.tar.gz") as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member is not None
        files = zipfile.ZipFile(io.BytesIO(member.read()))
    weights, bias = _arrays(files.read("mx-mod-0000.params"))
    return weights.ravel().tolist(), bias.item(), json.loads(files.read("additional-params.json"))["threshold"]


def answered(adult: Path) -> dict[str, Any]:
    """Return the validation set with what the model answers, as a column of its own."""
    weights, bias, threshold = linear_model(adult)
    document: dict[str, Any] = json.loads((adult / "validation-dataset.json").read_bytes())
    for row in document["instances"]:
        margin = float(np.dot(row["features"], weights)) + bias
        row["answer"] = int(1 / (1 + math.exp(-margin)) >= threshold)
    return document


def test_the_baseline_is_clarifys(tmp_path: Path, adult: Path, config: dict[str, Any]) -> None:
    config |= {"headers": [*config["headers"], "Answer"], "predicted_label": "instances[*].answer"}
    put(tmp_path, CONFIG, json.dumps(config))
    put(tmp_path, f"{DATA}/validation.json", json.dumps(answered(adult)))
    run(tmp_path, dataset_source=f"/opt/ml/{DATA}")
    ours, theirs = output(tmp_path, "analysis.json"), json.loads((adult / "baseline_analysis.json").read_bytes())
    for stage in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        found, wanted = (side[stage]["facets"]["Sex"][0].pop("metrics") for side in (ours, theirs))
        assert [m["name"] for m in found] == [m["name"] for m in wanted]
        # The last digit of a logarithm is the machine's.
        assert [m["value"] for m in found] == [pytest.approx(m["value"], rel=1e-14) for m in wanted]
    assert ours == theirs
    assert message(tmp_path) == "Completed: Job completed successfully with no violations."


@pytest.mark.parametrize("name", RUNS)
def test_a_monitoring_run_finds_clarifys_violations(
    tmp_path: Path, real_data: Path, adult: Path, config: dict[str, Any], name: str
) -> None:
    file, inference, repeats = RUNS[name]
    put(tmp_path, CONFIG, json.dumps(config))
    record = json.dumps(json.loads((real_data / "merged" / file).read_bytes()))
    put(tmp_path, f"{DATA}/{HOUR}/part-00000.jsonl", f"{record}\n" * repeats)
    put(tmp_path, "processing/baseline/analysis.json", (adult / "baseline_analysis.json").read_text())
    variables = {"inference_attribute": inference} if name.startswith("batch") else {}
    run(
        tmp_path,
        dataset_source=f"/opt/ml/{DATA}",
        dataset_format='{"sagemakerMergeJson":{}}',
        baseline_constraints="/opt/ml/processing/baseline/analysis.json",
        analysis_type="MODEL_BIAS",
        **variables,
    )
    ours = output(tmp_path, "constraint_violations.json")
    theirs = json.loads((adult / f"constraint_violations_{name}.json").read_bytes())
    assert _rounded(ours) == _rounded(theirs)
    count = len(theirs["violations"])
    assert message(tmp_path) == f"CompletedWithViolations: Job completed successfully with {count} violations."


@pytest.mark.sandbox
def test_a_model_in_sagemaker_is_explained_as_clarify_explained_it(
    tmp_path: Path, real_data: Path, adult: Path
) -> None:
    """Clarify's job as it stands in its configuration, its model served by a sandbox."""
    config = json.loads((real_data / "analysis_config" / "explainability_90d3ea06.json").read_bytes())
    names, (weights, bias, _) = config["headers"][:-1], linear_model(adult)
    wide = 1e7  # a sandbox's model cuts off what is far from the mean; nothing is, by this scale
    model = {
        "kind": "probability", "output": "score", "inputs": names, "means": dict.fromkeys(names, 0.0),
        "scales": dict.fromkeys(names, wide), "categories": {}, "coefficients": [wide * weight for weight in weights],
        "intercept": bias,
    }  # fmt: skip
    put(tmp_path, CONFIG, json.dumps(config))
    put(tmp_path, f"{DATA}/validation.json", (adult / "validation-dataset.json").read_text())
    with SandboxProcess(tmp_path, settle_seconds=0.5) as served:
        s3 = served.client("s3")
        s3.create_bucket(Bucket="adult")
        s3.put_object(Bucket="adult", Key="model.tar.gz", Body=packed({"model.json": json.dumps(model).encode()}))
        served.client("sagemaker").create_model(
            ModelName=config["predictor"]["model_name"],
            PrimaryContainer={"Image": "image", "ModelDataUrl": "s3://adult/model.tar.gz"},
            ExecutionRoleArn="arn:aws:iam::123456789012:role/serving",
        )
        run(tmp_path, dataset_source=f"/opt/ml/{DATA}", **served.environment)
        assert served.client("sagemaker").list_endpoints()["Endpoints"] == []
    (ours,) = output(tmp_path, "analysis.json")["explanations"]["kernel_shap"].values()
    for name in ADULT:
        (theirs,) = report(real_data, name).labels.values()
        assert ours["expected_value"] == pytest.approx(theirs.expected_value, abs=1e-6)
        assert list(ours["global_shap_values"]) == list(theirs.global_shap_values)
        for feature, value in theirs.global_shap_values.items():
            assert ours["global_shap_values"][feature] == pytest.approx(value, rel=RELATIVE, abs=ABSOLUTE), feature
