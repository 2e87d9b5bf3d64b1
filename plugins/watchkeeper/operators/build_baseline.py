"""Makes a baseline of an endpoint (of a dataset, or Model Monitor's own documents), or goes back to an earlier one."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset

from watchkeeper.errors import DatasetError
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.baseline_store import BaselineManifest
    from watchkeeper.registry.baseline_spec import BaselineSpec
    from watchkeeper.registry.endpoint_spec import EndpointSpec

MONITOR: Final = "data_quality"
#: Rings whenever an endpoint has another baseline.
BASELINES = Asset(name="watchkeeper_baselines", uri="watchkeeper://baselines", group="watchkeeper")


class BuildBaselineOperator(MonitorOperator):
    """Profile a dataset, or take over existing documents, and put the result in force as a new version.

    The source is what is given here, else what the endpoint's file says under ``baseline``, read as
    ``dataset_format`` says if that alone is given. The same content as the version in force makes no new version.
    Thresholds of the endpoint's file are not written into the baseline: they are laid over it whenever it is loaded,
    so that a new baseline never loses them.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param dataset: S3 URI of the dataset: one object, or a prefix that ends with a slash. (templated)
    :param dataset_format: ``csv``, ``jsonlines`` or ``parquet``; ``None`` to tell by the suffix. (templated)
    :param import_statistics: S3 URI of an existing statistics.json. (templated)
    :param import_constraints: S3 URI of the constraints.json that goes with it. (templated)
    :param use_version: An earlier version to put in force again, instead of making one. (templated)
    """

    template_fields: "Sequence[str]" = (
        *MonitorOperator.template_fields,
        "endpoint",
        "dataset",
        "dataset_format",
        "import_statistics",
        "import_constraints",
        "use_version",
    )
    ui_color = "#f4ecdf"

    def __init__(
        self,
        *,
        endpoint: str,
        dataset: str | None = None,
        dataset_format: str | None = None,
        import_statistics: str | None = None,
        import_constraints: str | None = None,
        use_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("outlets", [BASELINES])
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.dataset = dataset
        self.dataset_format = dataset_format
        self.import_statistics = import_statistics
        self.import_constraints = import_constraints
        self.use_version = use_version

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def execute(self, context: "Context") -> str:
        """Return the version that is in force now: a new or an earlier one, or the same where nothing has changed."""
        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            manifest, is_new = self._go_back(deployment, spec) if self.use_version else self._make(deployment, spec)
        self.log.info(
            "%s: baseline %s of %s (%d rows) %s",
            spec.registry_id,
            manifest.version,
            manifest.source,
            manifest.row_count,
            "is in force now" if is_new else "was in force already; nothing is written",
        )
        events: Any = context.get("outlet_events")
        if events is not None:
            events[BASELINES].extra = {
                "endpoint": spec.registry_id,
                "monitor": MONITOR,
                "version": manifest.version,
                "new": is_new,
            }
        return manifest.version

    def _make(self, deployment: Deployment, spec: "EndpointSpec") -> tuple["BaselineManifest", bool]:
        source = self._source(spec)
        read = import_source if source.dataset is None else profile_source
        return deployment.baselines.publish(*read(deployment, spec, source), datetime.now(UTC))

    def _go_back(self, deployment: Deployment, spec: "EndpointSpec") -> tuple["BaselineManifest", bool]:
        if self.dataset or self.dataset_format or self.import_statistics or self.import_constraints:
            found = "both use_version and a source are given"
            raise DatasetError(spec.registry_id, found, "An earlier version is used as it is: give one of them.")
        version = str(self.use_version)
        return deployment.baselines.use(spec.registry_id, MONITOR, version, datetime.now(UTC))

    def _source(self, spec: "EndpointSpec") -> "BaselineSpec":
        from pydantic import ValidationError

        from watchkeeper.registry.baseline_spec import BaselineSpec

        given = {
            "dataset": self.dataset or None,
            "format": self.dataset_format or None,
            "import_statistics": self.import_statistics or None,
            "import_constraints": self.import_constraints or None,
        }
        in_file = spec.baseline
        if not any(given[name] for name in ("dataset", "import_statistics", "import_constraints")):
            if in_file is None or (in_file.dataset is None and in_file.import_statistics is None):
                raise DatasetError(
                    spec.registry_id,
                    "neither its file nor the run says what the baseline is made from",
                    "Give baseline.dataset in the endpoint's file, or run the DAG with the param dataset.",
                )
            if not self.dataset_format:
                return in_file
            given |= {"dataset": in_file.dataset}
        if given["format"] and not given["dataset"]:
            found = "a format is given, and documents that are taken over have none"
            raise DatasetError(spec.registry_id, found, "Leave format out, or give a dataset.")
        try:
            return BaselineSpec.model_validate(given)
        except ValidationError as error:
            faults = "; ".join(str(detail["msg"]) for detail in error.errors(include_url=False))
            raise DatasetError(spec.registry_id, faults, "Correct the run's params.") from None


def profile_source(
    deployment: Deployment, spec: "EndpointSpec", source: "BaselineSpec"
) -> tuple["BaselineManifest", dict[str, bytes]]:
    """Return the manifest and documents of a dataset in S3; DatasetError if it cannot be read."""
    from watchkeeper.analysis.constraint_set import encode_constraints
    from watchkeeper.analysis.constraint_suggestion import suggest_constraints
    from watchkeeper.analysis.dataset_statistics import encode_statistics, statistics_of

    uri = str(source.dataset)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
        files = download_dataset(deployment, spec, uri, Path(folder))
        statistics = statistics_of(profile_files(files, str(source.dataset_format)))
    documents = {
        "statistics.json": encode_statistics(statistics),
        "constraints.json": encode_constraints(suggest_constraints(statistics)),
    }
    return _manifest(spec, uri, statistics.row_count), documents


def profile_files(files: list[Path], dataset_format: str) -> Any:
    """Return the dataset state of local files, read in order and in blocks."""
    from watchkeeper.analysis.capture_records import CaptureFile
    from watchkeeper.analysis.dataset_profile import profile_csv, profile_json_lines, profile_parquet

    if dataset_format == "parquet":
        return profile_parquet(files)
    streams = [CaptureFile(path.name, _chunks(path)) for path in files]
    return profile_csv(streams) if dataset_format == "csv" else profile_json_lines(streams)


def import_source(
    deployment: Deployment, spec: "EndpointSpec", source: "BaselineSpec"
) -> tuple["BaselineManifest", dict[str, bytes]]:
    """Return the manifest and the documents as they are; DocumentError if they are not Model Monitor's."""
    from watchkeeper.analysis.constraint_set import decode_constraints
    from watchkeeper.analysis.dataset_statistics import decode_statistics

    statistics = _read(deployment, spec, str(source.import_statistics))
    constraints = _read(deployment, spec, str(source.import_constraints))
    # Read once here, so that a broken document is refused now and not in every window.
    row_count = decode_statistics(statistics, str(source.import_statistics)).row_count
    decode_constraints(constraints, str(source.import_constraints))
    documents = {"statistics.json": statistics, "constraints.json": constraints}
    return _manifest(spec, str(source.import_statistics), row_count), documents


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


def _read(deployment: Deployment, spec: "EndpointSpec", uri: str) -> bytes:
    from watchkeeper.aws.object_store import ObjectStore

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    stored = ObjectStore(bucket, "", deployment.access_of(spec).client("s3")).read(key)
    if stored is None:
        raise DatasetError(uri, "there is no such object", "Correct the document's S3 URI.")
    return stored.body


def _manifest(spec: "EndpointSpec", source: str, row_count: int) -> "BaselineManifest":
    from watchkeeper import __version__
    from watchkeeper.aws.baseline_store import BaselineManifest

    return BaselineManifest(
        endpoint=spec.registry_id,
        monitor=MONITOR,
        source=source,
        row_count=row_count,
        code_version=__version__,
        dialect=spec.monitors.data_quality.dialect,
        model_version=spec.model_version,
    )


def _chunks(path: Path) -> Any:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
