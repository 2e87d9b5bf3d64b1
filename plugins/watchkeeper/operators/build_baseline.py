"""Makes a baseline of an endpoint (of a dataset, or Model Monitor's own documents), or goes back to an earlier one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from watchkeeper.errors import DatasetError
from watchkeeper.operators.baseline_documents import baseline_reader
from watchkeeper.operators.explained_model import run_digest
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.baseline_store import BaselineManifest
    from watchkeeper.registry.baseline_spec import AnalysisSource, BaselineSource
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.monitor_spec import MonitorName

    Source = BaselineSource | AnalysisSource

#: Rings whenever an endpoint has another baseline.
BASELINES = Asset(name="watchkeeper_baselines", uri="watchkeeper://baselines", group="watchkeeper")


class BuildBaselineOperator(MonitorOperator):
    """Profile a dataset, or take over existing documents, and put the result in force as a new version.

    The source is what is given here, else what the endpoint's file says under ``baseline``, read as
    ``dataset_format`` says if that alone is given. The same content as the version in force makes no new version.
    Thresholds of the endpoint's file are not written into the baseline: they are laid over it whenever it is loaded,
    so that a new baseline never loses them.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param monitor: Model Monitor's name of the monitor whose baseline this is. (templated)
    :param dataset: S3 URI of the dataset: one object, or a prefix that ends with a slash. (templated)
    :param dataset_format: ``csv``, ``jsonlines`` or ``parquet``; ``None`` to tell by the suffix. (templated)
    :param import_statistics: S3 URI of an existing statistics.json. (templated)
    :param import_constraints: S3 URI of the constraints.json that goes with it. (templated)
    :param import_analysis: S3 URI of an existing analysis.json of SageMaker Clarify. (templated)
    :param use_version: An earlier version to put in force again, instead of making one. (templated)
    """

    template_fields: "Sequence[str]" = (
        *MonitorOperator.template_fields,
        "endpoint",
        "monitor",
        "dataset",
        "dataset_format",
        "import_statistics",
        "import_constraints",
        "import_analysis",
        "use_version",
    )
    ui_color = "#f4ecdf"

    def __init__(
        self,
        *,
        endpoint: str,
        monitor: "MonitorName" = "data_quality",
        dataset: str | None = None,
        dataset_format: str | None = None,
        import_statistics: str | None = None,
        import_constraints: str | None = None,
        import_analysis: str | None = None,
        use_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("outlets", [BASELINES])
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.monitor = monitor
        self.dataset = dataset
        self.dataset_format = dataset_format
        self.import_statistics = import_statistics
        self.import_constraints = import_constraints
        self.import_analysis = import_analysis
        self.use_version = use_version
        self._run_digest = ""

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return f"{self.endpoint} {self.monitor}"

    def execute(self, context: "Context") -> str:
        """Return the version that is in force now: a new or an earlier one, or the same where nothing has changed."""
        if (run := context.get("dag_run")) is not None:
            self._run_digest = run_digest(str(run.dag_id), str(run.run_id))
        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            manifest, is_new = self._go_back(deployment, spec) if self.use_version else self._make(deployment, spec)
        self.log.info(
            "%s: %s baseline %s of %s (%d rows) %s",
            spec.registry_id,
            self.monitor,
            manifest.version,
            manifest.source,
            manifest.row_count,
            "is in force now" if is_new else "was in force already; nothing is written",
        )
        events: Any = context.get("outlet_events")
        if events is not None:
            events[BASELINES].extra = {
                "endpoint": spec.registry_id,
                "monitor": self.monitor,
                "version": manifest.version,
                "new": is_new,
            }
        return manifest.version

    def on_kill(self) -> None:
        """Delete the shadow endpoint of an explainability baseline, if one is there."""
        if self.monitor == "explainability" and self._run_digest:
            from watchkeeper.operators.shadow_sweep import sweep_shadows

            deployment = self.open_deployment()
            sweep_shadows(deployment, [deployment.registry.require(self.endpoint)], self._run_digest, self.log.info)

    def _make(self, deployment: Deployment, spec: "EndpointSpec") -> tuple["BaselineManifest", bool]:
        source = self._source(spec)
        read = baseline_reader(self.monitor, is_import=source.is_import)
        return deployment.baselines.publish(*read(deployment, spec, source), datetime.now(UTC))

    def _go_back(self, deployment: Deployment, spec: "EndpointSpec") -> tuple["BaselineManifest", bool]:
        if any((self.dataset_format, *self._given_sources().values())):
            found = "both use_version and a source are given"
            raise DatasetError(spec.registry_id, found, "An earlier version is used as it is: give one of them.")
        version = str(self.use_version)
        return deployment.baselines.use(spec.registry_id, self.monitor, version, datetime.now(UTC))

    def _given_sources(self) -> dict[str, str | None]:
        names = ("dataset", "import_statistics", "import_constraints", "import_analysis")
        return {name: getattr(self, name) or None for name in names}

    def _source(self, spec: "EndpointSpec") -> "Source":
        from pydantic import ValidationError

        given = {name: value for name, value in self._given_sources().items() if value}
        in_file, place = source_in_file(spec, self.monitor)
        if not given:
            if in_file is None or (in_file.dataset is None and not in_file.is_import):
                raise DatasetError(
                    spec.registry_id,
                    f"neither its file nor the run says what the {self.monitor} baseline is made from",
                    f"Give {place}.dataset in the endpoint's file, or run the DAG with the param dataset.",
                )
            if not self.dataset_format:
                return in_file
            given = {"dataset": in_file.dataset} if in_file.dataset else {}
        model = source_model(self.monitor)
        foreign = sorted(set(given) - set(model.model_fields))
        if foreign:
            found = f"{', '.join(foreign)} is given, and the {self.monitor} baseline is not taken over from that"
            known = ", ".join(name for name in model.model_fields if name.startswith("import_"))
            raise DatasetError(spec.registry_id, found, f"Give dataset or {known}.")
        if self.dataset_format:
            if "dataset" not in given:
                found = "a format is given, and documents that are taken over have none"
                raise DatasetError(spec.registry_id, found, "Leave format out, or give a dataset.")
            given["format"] = self.dataset_format
        # Which columns a dataset has is still what the file says.
        kept = {} if in_file is None else in_file.model_dump(include=_columns_of(model), exclude_unset=True)
        try:
            return model.model_validate({**kept, **given})
        except ValidationError as error:
            faults = "; ".join(str(detail["msg"]) for detail in error.errors(include_url=False))
            raise DatasetError(spec.registry_id, faults, "Correct the run's params.") from None


def source_model(monitor: "MonitorName") -> "type[Source]":
    """Return the model of what a monitor's baseline is made from."""
    from watchkeeper.registry import baseline_spec

    models: dict[MonitorName, type[Source]] = {
        "data_quality": baseline_spec.BaselineSource,
        "model_quality": baseline_spec.ModelQualityBaselineSpec,
        "bias": baseline_spec.BiasBaselineSpec,
        "explainability": baseline_spec.ExplainabilityBaselineSpec,
    }
    return models[monitor]


def source_in_file(spec: "EndpointSpec", monitor: "MonitorName") -> "tuple[Source | None, str]":
    """Return what an endpoint's file says a monitor's baseline is made from, and the place where it would say so."""
    if monitor == "data_quality":
        return spec.baseline, "baseline"
    return (getattr(spec.baseline, monitor) if spec.baseline is not None else None), f"baseline.{monitor}"


def _columns_of(model: "type[Source]") -> set[str]:
    """Return the fields that say how a dataset's columns are called."""
    return {name for name in model.model_fields if name.endswith("_attribute")}
