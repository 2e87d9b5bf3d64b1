"""Writes what a challenger is trained on, and the rows that it is compared with the champion on."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import batched
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
    take_up,
)
from watchkeeper.operators.monitor_base import Deployment, failing_at_once
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.analysis.training_table import LabelledRow, TableSchema
    from watchkeeper.registry.endpoint_spec import EndpointSpec

LABEL_COLUMN = "label"
_BATCH_ROWS = 10_000


class PrepareTablesOperator(AttemptStepOperator):
    """Write the training table and the evaluation table of an attempt from merged records, hour by hour.

    The evaluation table has the labelled rows of the evaluation window that are held out, with the champion's answers;
    the training table all other rows of the training window, oldest first. A table that is there already stays: the
    attempt's retry trains and judges on the very same rows.
    """

    def execute(self, context: "Context") -> dict[str, str]:
        """Return the pipeline's parameters of this attempt; AirflowFailException if there are too few rows."""
        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record = take_up(deployment, self.endpoint, self.attempt_id, context)
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
        schema, share, champion = table_schema(spec), spec.retraining.gate.evaluation_share, champion_variant(spec)
        training = Window.parse(record.training_start, record.training_end)
        evaluation = Window.parse(record.evaluation_start, record.evaluation_end)
        trained = judged = answered = 0
        with tempfile.TemporaryDirectory(prefix="watchkeeper-") as place:
            tables = Path(place) / "training.csv", Path(place) / "evaluation.csv"
            with tables[0].open("wb") as to_train, tables[1].open("wb") as to_judge:
                to_train.write(training_csv((), schema))
                to_judge.write(evaluation_csv((), schema))
                for hour, variant in merged_hours(deployment, spec, (training, evaluation)):
                    is_trained_on = training.start <= hour.start < training.end
                    held_share = share if evaluation.start <= hour.start < evaluation.end else 0.0
                    rows = labelled_rows(deployment, spec.registry_id, variant, hour, schema, self.log.warning)
                    for batch in batched(rows, _BATCH_ROWS):
                        # Held out by its id alone: a row that several variants answered is in training of none.
                        held_out = [row for row in batch if is_held_out(row, held_share)]
                        if is_trained_on:
                            others = [row for row in batch if not is_held_out(row, held_share)]
                            trained += len(others)
                            to_train.write(training_csv(others, schema, header=False))
                        if variant == champion:
                            judged += len(held_out)
                            answered += sum(bool(row.prediction) for row in held_out)
                            to_judge.write(evaluation_csv(held_out, schema, header=False))
            self._require_enough(spec, training, evaluation, (trained, judged, answered))
            store = deployment.actions.objects
            for path, name in zip(tables, (TRAINING_TABLE, EVALUATION_TABLE), strict=True):
                store.client.upload_file(str(path), store.bucket, store.full_key(folder + name))
        self.log.info("%s: %d rows to train on, %d to compare on", self.endpoint, trained, judged)

    def _require_enough(
        self, spec: "EndpointSpec", training: Window, evaluation: Window, counts: tuple[int, int, int]
    ) -> None:
        """Raise DatasetError where nothing could come of the pipeline: better before it has cost anything."""
        assert spec.retraining is not None, spec.registry_id  # noqa: S101
        trained, judged, answered = counts
        wanted, gate = spec.retraining.minimum_training_rows, spec.retraining.gate
        if trained < wanted:
            raise DatasetError(
                f"{self.endpoint}, {training}",
                f"{trained:,} labelled rows to train on, and {wanted:,} are needed",
                "Wait for more labels, or lower retraining.minimum_training_rows.",
            )
        if judged < gate.minimum_rows:
            raise DatasetError(
                f"{self.endpoint}, {evaluation}",
                f"{judged:,} labelled rows to compare the models on, and {gate.minimum_rows:,} are needed",
                "Wait for more labels, raise gate.evaluation_days or evaluation_share, or lower gate.minimum_rows.",
            )
        if answered < gate.minimum_rows:
            raise DatasetError(
                f"{self.endpoint}, {evaluation}",
                f"the champion's answer can be read in {answered:,} of {judged:,} rows to compare on",
                "Correct monitors.model_quality's probability_attribute or inference_attribute, or "
                "capture.output_columns: they say where the answer stands.",
            )


def champion_variant(spec: "EndpointSpec") -> str:
    """Return the variant whose model a challenger is to replace; DatasetError if the file does not say which."""
    chosen = spec.retraining.deployment.variant if spec.retraining is not None else None
    if chosen is None and len(spec.variants) > 1:
        raise DatasetError(
            spec.registry_id,
            f"its file names the variants {', '.join(spec.variants)}, and not which of them is retrained",
            "Give retraining.deployment.variant.",
        )
    return chosen or spec.variants[0]


def table_schema(spec: "EndpointSpec") -> "TableSchema":
    """Return how an endpoint's merged records become rows; DatasetError where its file does not say what is needed."""
    from watchkeeper.analysis.training_table import TableSchema

    if spec.monitors.model_quality is None:
        raise DatasetError(
            spec.registry_id,
            "its file does not say where label and answer stand",
            "Add monitors.model_quality; with enabled: false it judges nothing.",
        )
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


def merged_hours(deployment: Deployment, spec: "EndpointSpec", windows: tuple[Window, ...]) -> list[tuple[Window, str]]:
    """Return the hours of the windows that were merged, with the variant, oldest first; none of those in between."""
    return sorted(
        {
            (hour, variant)
            for window in windows
            for variant in spec.variants
            for hour in deployment.merged.list_hours(spec.registry_id, variant, window)
        }
    )


def labelled_rows(
    deployment: Deployment,
    endpoint: str,
    variant: str,
    hour: Window,
    schema: "TableSchema",
    warn: Callable[..., None],
) -> "Iterator[LabelledRow]":
    """Yield the labelled rows of a merged hour, oldest first, with no more than one merged file in memory."""
    from watchkeeper.analysis.labelled_spill import LabelledSpill
    from watchkeeper.analysis.line_blocks import LineBlocks

    manifest = deployment.merged.read_manifest(endpoint, variant, hour)
    if manifest is None or not manifest.matched_count:
        return
    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as place:
        spill = LabelledSpill(Path(place), schema)
        for file in deployment.merged.open_parts(manifest):
            spill.read(line for block in LineBlocks(file.chunks) for line in block.split(b"\n"))
        for reason, count in spill.skipped.items():
            warn("%s %s: %d records are left out: %s", variant, hour, count, reason)
        yield from spill.rows()
