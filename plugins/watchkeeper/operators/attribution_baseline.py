"""Makes the documents of an explainability baseline: a sample of a dataset, explained, and its background."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.errors import DatasetError
from watchkeeper.operators.baseline_documents import (
    Documents,
    baseline_manifest,
    dataset_named,
    download_dataset,
    read_object,
)
from watchkeeper.operators.monitor_base import Deployment

if TYPE_CHECKING:
    import polars as pl

    from watchkeeper.analysis.explanation import Explanation
    from watchkeeper.analysis.shap_background import Background
    from watchkeeper.registry.baseline_spec import AnalysisSource
    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: Of so many rows the background's prototypes are made.
_BACKGROUND_ROWS = 10_000


def explain_dataset(deployment: Deployment, spec: "EndpointSpec", source: "AnalysisSource") -> Documents:
    """Return ``analysis.json`` of a sample of the dataset, and the background that windows are measured against too."""
    from watchkeeper.analysis.attribution_report import attribution_report_of, encode_attribution_report
    from watchkeeper.analysis.shap_background import background_of, encode_background
    from watchkeeper.operators.attribution_rules import input_columns, label_headers, shap_settings

    monitor, settings = spec.explainability, shap_settings(spec)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
        files = download_dataset(deployment, spec, str(source.dataset), Path(folder))
        with dataset_named(source):
            data = _features(files, str(source.dataset_format), input_columns(spec), settings.seed)
    background = background_of(settings, data)
    rows = data if monitor.sample_rows is None else data.head(monitor.sample_rows)
    explanation = _explained(deployment, spec, rows, background)
    report = attribution_report_of(explanation, settings, label_headers(spec))
    documents = {
        "analysis.json": encode_attribution_report(report),
        "background.parquet": encode_background(background),
    }
    return baseline_manifest(spec, "explainability", monitor.dialect, str(source.dataset), len(rows)), documents


def import_attributions(deployment: Deployment, spec: "EndpointSpec", source: "AnalysisSource") -> Documents:
    """Return an existing ``analysis.json`` as it is; its background has to be the endpoint's ``shap.baseline``."""
    from watchkeeper.analysis.attribution_report import decode_attribution_report
    from watchkeeper.analysis.feature_frame import feature_frame
    from watchkeeper.analysis.shap_background import background_of, encode_background
    from watchkeeper.operators.attribution_rules import input_columns, shap_settings

    uri = str(source.import_analysis)
    body = read_object(deployment, spec, uri)
    report = decode_attribution_report(body, uri)
    settings = shap_settings(spec)
    if settings.baseline is None:
        found = "it does not say what its attributions were measured against"
        remedy = "Give the baseline rows of Clarify's run as monitors.explainability.shap.baseline."
        raise DatasetError(uri, found, remedy)
    features = tuple(next(iter(report.labels.values())).global_shap_values)
    names = input_columns(spec) or features
    if any(len(row) != len(names) for row in settings.baseline):
        found = f"shap.baseline has rows of {len(settings.baseline[0])} values, where there are {len(names)} features"
        raise DatasetError(uri, found, "Give each row all features, in the order of capture.input_columns.")
    cells = [[None if cell is None else str(cell) for cell in row] for row in settings.baseline]
    background = background_of(settings, feature_frame(cells, names))
    documents = {"analysis.json": body, "background.parquet": encode_background(background)}
    return baseline_manifest(spec, "explainability", spec.explainability.dialect, uri, 0), documents


def _features(files: list[Path], dataset_format: str, columns: tuple[str, ...] | None, seed: int) -> "pl.DataFrame":
    """Return the features of so many of the dataset's rows, drawn by ``seed``, typed as those of captures are."""
    import polars as pl

    from watchkeeper.analysis.feature_frame import feature_frame

    try:
        match dataset_format:
            case "parquet":
                data = pl.concat([pl.read_parquet(path) for path in files], how="vertical_relaxed")
            case "jsonlines":
                data = pl.concat([pl.read_ndjson(path, infer_schema_length=None) for path in files], how="diagonal")
            case _:
                data = pl.concat([pl.read_csv(path, infer_schema=False) for path in files])
    except pl.exceptions.PolarsError as error:
        found = f"cannot be read as {dataset_format} ({type(error).__name__})"
        raise DatasetError("dataset", found, "Correct the file, or say its format.") from error
    names = columns or tuple(data.columns)
    missing = [name for name in names if name not in data.columns]
    nested = [name for name in names if name not in missing and data[name].dtype.is_nested()]
    if missing or nested or data.is_empty():
        faults = [
            *([f"no column {', '.join(missing[:5])}"] if missing else []),
            *([f"nested values in {', '.join(nested[:5])}"] if nested else []),
            *([] if len(data) else ["no rows"]),
        ]
        remedy = "It needs a flat column for each of capture.input_columns."
        raise DatasetError("dataset", "; ".join(faults), remedy)
    drawn = data.select(names).sample(min(len(data), _BACKGROUND_ROWS), seed=seed, shuffle=True)
    if dataset_format == "csv":
        return feature_frame([list(row) for row in drawn.iter_rows()], names)
    return drawn


def _explained(
    deployment: Deployment, spec: "EndpointSpec", rows: "pl.DataFrame", background: "Background"
) -> "Explanation":
    import logging
    from uuid import uuid4

    from airflow.sdk import get_current_context

    from watchkeeper.operators.explained_model import ExplainedModel, run_digest

    log = logging.getLogger("airflow.task")
    try:
        run = get_current_context()["dag_run"]
        digest = run_digest(run.dag_id, run.run_id)
    except RuntimeError:
        digest = run_digest("", uuid4().hex)
    with ExplainedModel(deployment, spec, spec.variants[0], digest, log.info, log.warning) as model:
        return model.explain(rows, background)
