"""The image that the sandbox's pipelines train and evaluate with: ``python -m sandbox.training_container``.

It keeps the contract of docs/pipelines.md, with ``/opt/ml`` at the folder it is given: ``train`` reads the channel
``training`` and the hyperparameter ``endpoint_id``, ``evaluate`` the model, the training data and ``ENDPOINT_ID``.
The data is CSV with a header: the model's inputs and the label's column (``label``, or the data set's own name of it),
oldest row first. The last fifth is held out for the model's own scores; the rows of the evaluation table are answered.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error

from sandbox.linear_model import LinearModel
from sandbox.traffic.request_stream import DATA_SETS, DataSet

HELD_OUT = 0.2
LABEL, PREDICTION, ROW_ID = "label", "prediction", "row_id"
_LEAST_ROWS = 20


class UserError(Exception):
    """What the job was given cannot be trained on or evaluated; the message goes into the failure reason."""


@dataclass(frozen=True)
class LabelledRows:
    """Columns of equal length and the label of each row."""

    columns: dict[str, list[object]]
    labels: list[float]

    def part(self, rows: slice) -> "LabelledRows":
        """Return some of the rows."""
        return LabelledRows({name: values[rows] for name, values in self.columns.items()}, self.labels[rows])


def train(root: Path) -> None:
    """Fit on all but the last fifth of the rows and leave ``model.json`` in the model folder."""
    parameters = json.loads((root / "input/config/hyperparameters.json").read_text())
    data = _data_set(parameters.get("endpoint_id", ""))
    rows = _labelled_rows(root / "input/data/training", data)
    fitted = rows.part(slice(0, _held_out_from(rows)))
    if data.kind == "probability" and len(set(fitted.labels)) < 2:
        message = f"all {len(fitted.labels)} rows to train on have the label {fitted.labels[0]:g}"
        raise UserError(message)
    model = LinearModel.train(
        fitted.columns, kind=data.kind, inputs=data.inputs, target=fitted.labels, output=data.output
    )
    (root / "model/model.json").write_bytes(model.to_document())
    print(f"trained on {len(fitted.labels)} of {len(rows.labels)} rows")


def evaluate(root: Path) -> None:
    """Score the rows held out, and write the new baseline: all rows with the model's predictions."""
    data = _data_set(os.environ.get("ENDPOINT_ID", ""))
    model = LinearModel.from_artifact((root / "processing/input/model/model.tar.gz").read_bytes())
    rows = _labelled_rows(root / "processing/input/training", data)
    held_out = rows.part(slice(_held_out_from(rows), None))
    metrics = _metrics(data, held_out.labels, model.predict(held_out.columns))
    folder = root / "processing/output/evaluation"
    (folder / "evaluation.json").write_text(json.dumps(metrics, indent=1))
    _answer(root / "processing/input/evaluation", data, model, folder / "predictions.csv")
    predictions = model.predict(rows.columns)
    _write_baseline(root / "processing/output/baseline", data, rows, predictions)
    print(f"evaluated on {len(held_out.labels)} of {len(rows.labels)} rows")


def _data_set(endpoint_id: str) -> DataSet:
    if endpoint_id not in DATA_SETS:
        message = f"endpoint_id {endpoint_id!r} is unknown; this image knows {', '.join(DATA_SETS)}"
        raise UserError(message)
    return DATA_SETS[endpoint_id]


def _labelled_rows(folder: Path, data: DataSet) -> LabelledRows:
    files = sorted(folder.rglob("*.csv"))
    records: list[dict[str, str]] = []
    for path in files:
        with path.open(newline="") as opened:
            reader = csv.DictReader(opened)
            label = data.target if data.target in (reader.fieldnames or ()) else LABEL
            missing = [name for name in (*data.inputs, label) if name not in (reader.fieldnames or ())]
            if missing:
                message = f"{path.name} lacks the columns {', '.join(missing)}"
                raise UserError(message)
            # A row that misses a value, or has none that can be read, is of no use to train on.
            renamed = ({**record, data.target: record[label]} for record in reader)
            records += [record for record in renamed if _usable(record, data)]
    if len(records) < _LEAST_ROWS:
        message = f"{len(records)} usable rows in {len(files)} CSV files; at least {_LEAST_ROWS} are needed"
        raise UserError(message)
    columns: dict[str, list[object]] = {
        name: [float(record[name]) if name in data.numbers else record[name] for record in records]
        for name in data.inputs
    }
    return LabelledRows(columns, [float(record[data.target]) for record in records])


def _usable(record: dict[str, str], data: DataSet) -> bool:
    if not all(record[name] for name in data.inputs):
        return False
    try:
        return all(np.isfinite(float(record[name])) for name in (*data.numbers, data.target))
    except ValueError:
        return False


def _held_out_from(rows: LabelledRows) -> int:
    return round(len(rows.labels) * (1 - HELD_OUT))


def _metrics(data: DataSet, labels: Sequence[float], predictions: Sequence[float]) -> dict[str, object]:
    """Return the scores in the shape of Model Monitor's model quality statistics."""
    if data.kind == "quantity":
        scores = {
            "mae": mean_absolute_error(labels, predictions),
            "rmse": root_mean_squared_error(labels, predictions),
            "r2": r2_score(labels, predictions),
        }
        kind = "regression_metrics"
    else:
        truth, said = np.asarray(labels) == 1, np.asarray(predictions) >= 0.5
        hits = int((truth & said).sum())
        scores = {
            "accuracy": float((truth == said).mean()),
            "precision": hits / said.sum() if said.any() else None,
            "recall": hits / truth.sum() if truth.any() else None,
            "f1": 2 * hits / (said.sum() + truth.sum()) if (said.sum() + truth.sum()) else None,
            "auc": roc_auc_score(truth, predictions) if 0 < truth.sum() < truth.size else None,
            "log_loss": log_loss(truth, np.clip(predictions, 1e-6, 1 - 1e-6), labels=[False, True]),
        }
        kind = "binary_classification_metrics"
    values = {
        name: {"value": None if value is None else round(float(value), 6), "standard_deviation": None}
        for name, value in scores.items()
    }
    return {"version": 0.0, "dataset": {"item_count": len(labels)}, kind: values}


def _answer(folder: Path, data: DataSet, model: LinearModel, target: Path) -> None:
    """Answer the rows of the evaluation table as the model would in service; a missing value is asked with too."""
    records: list[dict[str, str]] = []
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="") as opened:
            records += csv.DictReader(opened)
    columns: dict[str, list[object]] = {name: [record.get(name) or None for record in records] for name in data.inputs}
    with target.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow([ROW_ID, PREDICTION])
        answers = model.predict(columns) if records else []
        writer.writerows(zip((record.get(ROW_ID, "") for record in records), answers, strict=True))


def _write_baseline(folder: Path, data: DataSet, rows: LabelledRows, predictions: Sequence[float]) -> None:
    """Write the data of the new baselines, all rows with the model's predictions.

    ``baseline.csv`` (output, inputs) is for data quality and explainability, ``model_quality.csv`` (label, prediction)
    for model quality, ``bias.csv`` (label, prediction, inputs) for bias.
    """
    labels = [f"{label:g}" for label in rows.labels]
    inputs = [rows.columns[name] for name in data.inputs]
    _write_table(folder / "baseline.csv", [data.output, *data.inputs], predictions, *inputs)
    _write_table(folder / "model_quality.csv", [LABEL, PREDICTION], labels, predictions)
    _write_table(folder / "bias.csv", [LABEL, PREDICTION, *data.inputs], labels, predictions, *inputs)


def _write_table(target: Path, header: list[str], *columns: Sequence[object]) -> None:
    with target.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))


def main() -> int:
    """Run one of the image's commands; 1 with a message for what the caller can mend."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.training_container")
    parser.add_argument("command", choices=("train", "evaluate"))
    parser.add_argument("root", type=Path, help="what /opt/ml is in the container")
    options = parser.parse_args()
    try:
        (train if options.command == "train" else evaluate)(options.root)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
