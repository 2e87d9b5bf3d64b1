"""Makes the document of a bias baseline: from labelled predictions in S3, or SageMaker Clarify's own."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.errors import DatasetError
from watchkeeper.operators.baseline_documents import (
    Documents,
    baseline_manifest,
    dataset_named,
    download_dataset,
    open_files,
    read_object,
)
from watchkeeper.operators.monitor_base import Deployment

if TYPE_CHECKING:
    from watchkeeper.analysis.bias_definition import BiasAttributes
    from watchkeeper.analysis.bias_state import BiasState
    from watchkeeper.registry.baseline_spec import AnalysisSource, BiasBaselineSpec
    from watchkeeper.registry.endpoint_spec import EndpointSpec


STATE_NAME = "bias.state"


def measure_dataset(deployment: Deployment, spec: "EndpointSpec", source: "BiasBaselineSpec") -> Documents:
    """Return ``analysis.json`` of training or validation data with its labels and the model's predictions.

    DatasetError where nothing could ever be compared with it: no positive label or prediction, or no facet's group.
    """
    from watchkeeper.analysis.bias_judgement import dataset_fault
    from watchkeeper.analysis.bias_report import bias_report_of, encode_bias_report
    from watchkeeper.analysis.bias_state_file import encode_bias_state
    from watchkeeper.operators.bias_rules import dataset_attributes

    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
        files = download_dataset(deployment, spec, str(source.dataset), Path(folder))
        with dataset_named(source):
            state = _state(files, str(source.dataset_format), dataset_attributes(spec, source))
            if (fault := dataset_fault(state)) is not None:
                raise DatasetError("dataset", fault, "Correct monitors.bias in the endpoint's file, or the dataset.")
    # The counts are kept too: a window is judged by the baseline's own chance beside its own.
    documents = {
        "analysis.json": encode_bias_report(bias_report_of(state)),
        STATE_NAME: encode_bias_state(state),
    }
    return baseline_manifest(spec, "bias", spec.bias.dialect, str(source.dataset), state.row_count), documents


def import_bias(deployment: Deployment, spec: "EndpointSpec", source: "AnalysisSource") -> Documents:
    """Return an existing ``analysis.json`` as it is; DocumentError if it is not Clarify's."""
    from watchkeeper.analysis.bias_report import decode_bias_report

    uri = str(source.import_analysis)
    body = read_object(deployment, spec, uri)
    # Read once here, so that a broken document is refused now and not in every window.
    decode_bias_report(body, uri)
    return baseline_manifest(spec, "bias", spec.bias.dialect, uri, 0), {"analysis.json": body}


def _state(files: list[Path], dataset_format: str, attributes: "BiasAttributes") -> "BiasState":
    from watchkeeper.analysis.bias_dataset import bias_of_csv, bias_of_json_lines, bias_of_parquet

    if dataset_format == "parquet":
        return bias_of_parquet(files, attributes)
    read = bias_of_csv if dataset_format == "csv" else bias_of_json_lines
    return read(open_files(files), attributes)
