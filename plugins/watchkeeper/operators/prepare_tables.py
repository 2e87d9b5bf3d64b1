"""Writes what a challenger is trained on, and the rows that it is compared with the champion on."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.aws.action_store import AttemptRecord
from watchkeeper.errors import DatasetError
from watchkeeper.operators.attempt_step import (
    EVALUATION_FOLDER,
    EVALUATION_TABLE,
    RESULT_FOLDER,
    TRAINING_FOLDER,
    TRAINING_TABLE,
    AttemptStepOperator,
    read_attempt,
    skip_if_ended,
)
from watchkeeper.operators.monitor_base import Deployment, failing_at_once
from watchkeeper.registry.capture_window import Window, parse_moment

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.analysis.training_table import LabelledRow, TableSchema
    from watchkeeper.registry.endpoint_spec import EndpointSpec

LABEL_COLUMN = "label"


class PrepareTablesOperator(AttemptStepOperator):
    """Write the training table and the evaluation table of an attempt from merged records, hour by hour.

    The evaluation table has the labelled rows of the evaluation window that are held out, with the champion's answers;
    the training table all other rows of the training window, oldest first. A table that is there already stays: the
    attempt's retry trains and judges on the very same rows.
    """

    def execute(self, context: "Context") -> dict[str, str]:  # noqa: ARG002
        """Return the pipeline's parameters of this attempt; AirflowFailException if there are too few rows."""
        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record = read_attempt(deployment, self.endpoint, self.attempt_id)
            skip_if_ended(record)
            folder = deployment.actions.folder(self.endpoint, self.attempt_id)
            objects = deployment.actions.objects
            if not all(any(objects.list(folder + table)) for table in (TRAINING_TABLE, EVALUATION_TABLE)):
                self._write(deployment, spec, record, folder)
        actions = deployment.actions
        return {
            "TrainingWindowStart": record.training_start,
            "TrainingWindowEnd": record.training_end,
            "TrainingDataUri": actions.uri(self.endpoint, self.attempt_id, TRAINING_FOLDER),
            "EvaluationDataUri": actions.uri(self.endpoint, self.attempt_id, EVALUATION_FOLDER),
            "BaselineUri": actions.uri(self.endpoint, self.attempt_id, RESULT_FOLDER),
        }

    def _write(self, deployment: Deployment, spec: "EndpointSpec", record: AttemptRecord, folder: str) -> None:
        from watchkeeper.analysis.training_table import evaluation_csv, is_held_out, training_csv

        assert spec.retraining is not None, spec.registry_id  # noqa: S101
        schema, share = table_schema(spec), spec.retraining.gate.evaluation_share
        training = Window(parse_moment(record.training_start), parse_moment(record.training_end))
        evaluation = Window(parse_moment(record.evaluation_start), parse_moment(record.evaluation_end))
        span = Window(min(training.start, evaluation.start), max(training.end, evaluation.end))
        trained = judged = 0
        with tempfile.TemporaryDirectory(prefix="watchkeeper-") as place:
            tables = Path(place) / "training.csv", Path(place) / "evaluation.csv"
            with tables[0].open("wb") as to_train, tables[1].open("wb") as to_judge:
                to_train.write(training_csv((), schema))
                to_judge.write(evaluation_csv((), schema))
                for hour, rows in labelled_hours(deployment, spec, schema, span, self.log.warning):
                    in_evaluation = evaluation.start <= hour.start < evaluation.end
                    held_out = [row for row in rows if in_evaluation and is_held_out(row, share)]
                    kept = set(map(id, held_out))
                    others = [row for row in rows if id(row) not in kept]
                    if training.start <= hour.start < training.end:
                        trained += len(others)
                        to_train.write(training_csv(others, schema, header=False))
                    judged += len(held_out)
                    to_judge.write(evaluation_csv(held_out, schema, header=False))
            if trained < spec.retraining.minimum_training_rows:
                raise DatasetError(
                    f"{self.endpoint}, {training}",
                    f"{trained:,} labelled rows to train on, and {spec.retraining.minimum_training_rows:,} are needed",
                    "Wait for more labels, or lower retraining.minimum_training_rows.",
                )
            store = deployment.actions.objects
            for path, name in zip(tables, (TRAINING_TABLE, EVALUATION_TABLE), strict=True):
                store.client.upload_file(str(path), store.bucket, store.full_key(folder + name))
        self.log.info("%s: %d rows to train on, %d to compare on", self.endpoint, trained, judged)


def table_schema(spec: "EndpointSpec") -> "TableSchema":
    """Return how an endpoint's merged records become rows; DatasetError where its file does not name the inputs."""
    from watchkeeper.analysis.training_table import TableSchema

    if spec.capture.input_columns is None:
        raise DatasetError(
            spec.registry_id,
            "its file does not name the request's columns",
            "Give capture.input_columns: the columns that the model is trained on.",
        )
    monitor = spec.model_quality
    attribute = monitor.ground_truth_attribute
    return TableSchema(
        input_columns=spec.capture.input_columns,
        label_column=attribute if attribute and attribute.isidentifier() else LABEL_COLUMN,
        label_key=attribute if attribute and attribute.isidentifier() else None,
        output_columns=spec.capture.output_columns,
        prediction=monitor.probability_attribute or monitor.inference_attribute,
    )


def labelled_hours(
    deployment: Deployment, spec: "EndpointSpec", schema: "TableSchema", span: Window, warn: Callable[..., None]
) -> "Iterator[tuple[Window, tuple[LabelledRow, ...]]]":
    """Yield each merged hour of all variants with its labelled rows, in time order."""
    from watchkeeper.analysis.line_blocks import LineBlocks
    from watchkeeper.analysis.training_table import read_labelled

    for hour in span.hours():
        for variant in spec.variants:
            manifest = deployment.merged.read_manifest(spec.registry_id, variant, hour)
            if manifest is None or not manifest.matched_count:
                continue
            lines = (
                line
                for file in deployment.merged.open_parts(manifest)
                for block in LineBlocks(file.chunks)
                for line in block.split(b"\n")
            )
            found = read_labelled(lines, schema)
            for reason, count in found.skipped.items():
                warn("%s %s: %d records are left out: %s", variant, hour, count, reason)
            yield hour, found.rows
