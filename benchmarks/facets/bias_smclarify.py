"""The same window by smclarify, Clarify's open core: ``bias_smclarify.py FLIP_TEST RECORDS OUTPUT``.

The records are read in the quickest way we know: msgspec for the lines, ``pandas.read_csv`` for the payloads.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
from smclarify.bias.metrics import POSTTRAINING_METRICS
from smclarify.bias.report import FacetColumn, LabelColumn, StageType, bias_report

FACETS: dict[str, list[int]] = {"sex": [0], "race": [3, 4], "region": [1]}
FEATURES = (*FACETS, "town", *(f"number_{position}" for position in range(8)))


class _Payload(msgspec.Struct):
    data: str


class _Capture(msgspec.Struct):
    endpointInput: _Payload  # noqa: N815 - the format's name
    endpointOutput: _Payload  # noqa: N815


class _Record(msgspec.Struct):
    captureData: _Capture  # noqa: N815
    groundTruthData: _Payload  # noqa: N815


def read_table(records: Path) -> pd.DataFrame:
    """Return features, label and prediction of all records."""
    decoder = msgspec.json.Decoder(_Record)
    frames = []
    for path in sorted(records.glob("*.jsonl")):
        found = decoder.decode_lines(path.read_bytes())
        text = "\n".join(record.captureData.endpointInput.data for record in found)
        frame = pd.read_csv(io.StringIO(text), header=None, names=list(FEATURES))
        frame["label"] = [int(record.groundTruthData.data) for record in found]
        frame["prediction"] = [int(record.captureData.endpointOutput.data) for record in found]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def report(table: pd.DataFrame, *, flip_test: bool) -> dict[str, Any]:
    """Return both stages' metrics of all facets."""
    after = [metric.__name__ for metric in POSTTRAINING_METRICS if flip_test or metric.__name__ != "FT"]
    stages = {StageType.PRE_TRAINING: ["all"], StageType.POST_TRAINING: ["all"] if flip_test else after}
    return {
        stage.value: {
            facet: bias_report(
                table,
                FacetColumn(facet, list(values)),
                LabelColumn("label", table["label"], [1]),
                stage,
                LabelColumn("prediction", table["prediction"]),
                metrics,
                table["town"],
            )
            for facet, values in FACETS.items()
        }
        for stage, metrics in stages.items()
    }


if __name__ == "__main__":
    output = Path(sys.argv[3])
    output.mkdir(parents=True, exist_ok=True)
    found = report(read_table(Path(sys.argv[2])), flip_test=sys.argv[1] == "yes")
    (output / "analysis.json").write_text(json.dumps(found))
