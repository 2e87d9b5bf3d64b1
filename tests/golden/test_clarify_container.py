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

from tests.golden.test_bias import RUNS, _arrays, _rounded
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


def answered(adult: Path) -> dict[str, Any]:
    """Return the validation set with what the model answers, as a column of its own."""
    with tarfile.open(adult / "model.tar.gz") as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member is not None
        files = zipfile.ZipFile(io.BytesIO(member.read()))
    weights, bias = _arrays(files.read("mx-mod-0000.params"))
    threshold = json.loads(files.read("additional-params.json"))["threshold"]
    document: dict[str, Any] = json.loads((adult / "validation-dataset.json").read_bytes())
    for row in document["instances"]:
        margin = (np.array(row["features"], float) @ weights + bias).item()
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
