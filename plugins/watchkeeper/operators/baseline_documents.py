"""Makes the documents of a baseline: from a dataset in S3, or from Model Monitor's own."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.errors import DatasetError
from watchkeeper.operators.monitor_base import Deployment

if TYPE_CHECKING:
    from watchkeeper.analysis.capture_records import CaptureFile
    from watchkeeper.analysis.quality_attributes import QualityAttributes
    from watchkeeper.analysis.quality_state import QualityState
    from watchkeeper.aws.baseline_store import BaselineManifest
    from watchkeeper.registry.baseline_spec import AnalysisSource, BaselineSource
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.monitor_spec import MonitorName

Documents = tuple["BaselineManifest", dict[str, bytes]]
#: The source is of the model that the monitor's baseline has (`source_model`).
Reader = Callable[[Deployment, "EndpointSpec", Any], Documents]


def baseline_reader(monitor: "MonitorName", *, is_import: bool) -> Reader:
    """Return the function that reads a monitor's source: DatasetError or DocumentError if it cannot be read."""
    readers: dict[str, tuple[Reader, Reader]] = {
        "data_quality": (profile_columns, import_columns),
        "model_quality": (profile_predictions, import_quality),
    }
    if monitor == "bias":
        from watchkeeper.operators.bias_baseline import import_bias, measure_dataset

        readers[monitor] = measure_dataset, import_bias
    if monitor == "explainability":
        from watchkeeper.operators.attribution_baseline import explain_dataset, import_attributions

        readers[monitor] = explain_dataset, import_attributions
    return readers[monitor][is_import]


def profile_columns(deployment: Deployment, spec: "EndpointSpec", source: "BaselineSource") -> Documents:
    """Return the data quality baseline of a dataset in S3."""
    from watchkeeper.analysis.constraint_set import encode_constraints
    from watchkeeper.analysis.constraint_suggestion import suggest_constraints
    from watchkeeper.analysis.dataset_statistics import encode_statistics, statistics_of

    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
        files = download_dataset(deployment, spec, str(source.dataset), Path(folder))
        with dataset_named(source):
            statistics = statistics_of(_column_state(files, str(source.dataset_format)))
    documents = {
        "statistics.json": encode_statistics(statistics),
        "constraints.json": encode_constraints(suggest_constraints(statistics)),
    }
    dialect = spec.monitors.data_quality.dialect
    return baseline_manifest(spec, "data_quality", dialect, str(source.dataset), statistics.row_count), documents


def import_columns(deployment: Deployment, spec: "EndpointSpec", source: "BaselineSource") -> Documents:
    """Return existing data quality documents as they are; DocumentError if they are not Model Monitor's."""
    from watchkeeper.analysis.constraint_set import decode_constraints
    from watchkeeper.analysis.dataset_statistics import decode_statistics

    documents = _imported(deployment, spec, source)
    # Read once here, so that a broken document is refused now and not in every window.
    row_count = decode_statistics(documents["statistics.json"], str(source.import_statistics)).row_count
    decode_constraints(documents["constraints.json"], str(source.import_constraints))
    dialect = spec.monitors.data_quality.dialect
    return baseline_manifest(spec, "data_quality", dialect, str(source.import_statistics), row_count), documents


def profile_predictions(deployment: Deployment, spec: "EndpointSpec", source: "BaselineSource") -> Documents:
    """Return the model quality baseline of labelled predictions in S3."""
    from watchkeeper.analysis.quality_constraints import encode_quality_constraints, suggest_quality_constraints
    from watchkeeper.analysis.quality_statistics import encode_quality_statistics, quality_statistics_of

    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
        files = download_dataset(deployment, spec, str(source.dataset), Path(folder))
        with dataset_named(source):
            state = _quality_state(files, str(source.dataset_format), dataset_attributes(spec, source))
    dialect = spec.model_quality.dialect
    statistics = quality_statistics_of(state, most_predicted=dialect == "compatible")
    documents = {
        "statistics.json": encode_quality_statistics(statistics),
        "constraints.json": encode_quality_constraints(suggest_quality_constraints(statistics)),
    }
    return baseline_manifest(spec, "model_quality", dialect, str(source.dataset), state.row_count), documents


def import_quality(deployment: Deployment, spec: "EndpointSpec", source: "BaselineSource") -> Documents:
    """Return existing model quality documents as they are; DocumentError if they are not Model Monitor's."""
    from watchkeeper.analysis.quality_constraints import decode_quality_constraints
    from watchkeeper.analysis.quality_statistics import decode_quality_statistics

    documents = _imported(deployment, spec, source)
    row_count = decode_quality_statistics(documents["statistics.json"], str(source.import_statistics)).row_count
    decode_quality_constraints(documents["constraints.json"], str(source.import_constraints))
    dialect = spec.model_quality.dialect
    return baseline_manifest(spec, "model_quality", dialect, str(source.import_statistics), row_count), documents


def dataset_attributes(spec: "EndpointSpec", source: "BaselineSource") -> "QualityAttributes":
    """Return which columns of a dataset hold predictions and labels: as its source says, else as the monitor does."""
    from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes

    given = spec.model_quality.attributes()
    named = {
        name: value
        for name in ("inference_attribute", "probability_attribute", "ground_truth_attribute")
        if (value := getattr(source, name, None)) is not None
    }
    return QualityAttributes(**given | named | {"problem_type": ProblemType(given["problem_type"])})


@contextmanager
def dataset_named(source: "BaselineSource | AnalysisSource") -> Iterator[None]:
    """Let a fault of a dataset be told with its address: who reads it knows only local copies."""
    try:
        yield
    except DatasetError as error:
        uri = str(source.dataset)
        subject = uri if error.subject == "dataset" else f"{uri}: {error.subject}"
        raise DatasetError(subject, error.found, error.remedy) from error


def _column_state(files: list[Path], dataset_format: str) -> Any:
    from watchkeeper.analysis.dataset_profile import profile_csv, profile_json_lines, profile_parquet

    if dataset_format == "parquet":
        return profile_parquet(files)
    return (profile_csv if dataset_format == "csv" else profile_json_lines)(open_files(files))


def _quality_state(files: list[Path], dataset_format: str, attributes: "QualityAttributes") -> "QualityState":
    from watchkeeper.analysis.quality_dataset import quality_of_csv, quality_of_json_lines, quality_of_parquet

    if dataset_format == "parquet":
        return quality_of_parquet(files, attributes)
    read = quality_of_csv if dataset_format == "csv" else quality_of_json_lines
    return read(open_files(files), attributes)


def open_files(files: list[Path]) -> "list[CaptureFile]":
    """Return local files as streams that the analysis reads in blocks."""
    from watchkeeper.analysis.capture_records import CaptureFile

    return [CaptureFile(path.name, _chunks(path)) for path in files]


def _imported(deployment: Deployment, spec: "EndpointSpec", source: "BaselineSource") -> dict[str, bytes]:
    return {
        "statistics.json": read_object(deployment, spec, str(source.import_statistics)),
        "constraints.json": read_object(deployment, spec, str(source.import_constraints)),
    }


def download_dataset(deployment: Deployment, spec: "EndpointSpec", uri: str, folder: Path) -> list[Path]:
    """Return local copies of the dataset's objects, in key order; DatasetError if there are none."""
    from watchkeeper.aws.object_store import ObjectStore
    from watchkeeper.aws.service_failure import permission_named

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    store = ObjectStore(bucket, "", deployment.access_of(spec).client("s3"))
    whole_prefix = key.endswith("/") or not key
    keys = sorted(
        item.key
        for item in store.list(key)
        if item.size and (item.key == key or (whole_prefix and not _is_marker(item.key)))
    )
    if not keys:
        raise DatasetError(uri, "there is no such object, or it is empty", "Correct the dataset's S3 URI.")
    files = []
    for number, found in enumerate(keys):
        path = folder / f"{number:06d}-{found.rpartition('/')[2]}"
        with permission_named("s3", f"s3://{bucket}/{found}"):
            store.client.download_file(bucket, found, str(path))
        files.append(path)
    return files


def _is_marker(key: str) -> bool:
    """Return whether an object is what writers leave beside data, such as ``_SUCCESS``."""
    return key.rpartition("/")[2].startswith(("_", "."))


def read_object(deployment: Deployment, spec: "EndpointSpec", uri: str) -> bytes:
    """Return a document's content; DatasetError if there is none."""
    from watchkeeper.aws.object_store import ObjectStore

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    stored = ObjectStore(bucket, "", deployment.access_of(spec).client("s3")).read(key)
    if stored is None:
        raise DatasetError(uri, "there is no such object", "Correct the document's S3 URI.")
    return stored.body


def baseline_manifest(
    spec: "EndpointSpec", monitor: "MonitorName", dialect: str, source: str, row_count: int
) -> "BaselineManifest":
    """Return where a baseline came from, bound to the model version of the endpoint's file."""
    from watchkeeper import __version__
    from watchkeeper.aws.baseline_store import BaselineManifest

    return BaselineManifest(
        endpoint=spec.registry_id,
        monitor=monitor,
        source=source,
        row_count=row_count,
        code_version=__version__,
        dialect=dialect,
        model_version=spec.model_version,
    )


def _chunks(path: Path) -> Any:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
