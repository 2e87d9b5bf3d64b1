"""Makes the baselines of a model that has just been promoted, from the data that it was trained on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.attempt_step import RESULT_FOLDER, AttemptStepOperator, read_attempt, skipped
from watchkeeper.operators.baseline_documents import baseline_reader
from watchkeeper.operators.build_baseline import BASELINES
from watchkeeper.operators.explained_model import run_digest
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.shadow_sweep import explained_endpoints, sweep_shadows

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.action_store import AttemptRecord
    from watchkeeper.operators.build_baseline import Source
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.monitor_spec import MonitorName

PREDICTION_COLUMN, LABEL_COLUMN = "prediction", "label"
BIAS_TABLE = "bias.csv"


class RenewBaselinesOperator(AttemptStepOperator):
    """Put new baselines in force, bound to the promoted model package; the old ones stay and can be gone back to.

    The pipeline leaves ``baseline.csv`` (prediction and inputs) for data quality and explainability,
    ``model_quality.csv`` (label and prediction) for model quality, and ``bias.csv`` (label, prediction and inputs) for
    bias, as docs/pipelines.md says. Where ``bias.csv`` is missing, or the endpoint's file has another model explained
    than the promoted one, that monitor keeps its baseline; the log and the attempt's message say so.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [BASELINES])
        super().__init__(**kwargs)
        self._run_digest = ""

    def execute(self, context: "Context") -> dict[str, str]:
        """Return the renewed versions, which are in force now, by monitor."""
        if (run := context.get("dag_run")) is not None:
            self._run_digest = run_digest(str(run.dag_id), str(run.run_id))
        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record = read_attempt(deployment, self.endpoint, self.attempt_id)
            if record.state != AttemptState.PROMOTED:
                raise skipped(record)
            place = deployment.actions.uri(self.endpoint, self.attempt_id, RESULT_FOLDER)
            versions: dict[str, str] = {}
            kept: list[str] = []
            for monitor, source in _sources(spec, place):
                if (why := _why_kept(deployment, spec, record, monitor)) is not None:
                    kept.append(f"{_in_force(deployment, spec, monitor)}: {why}")
                    self.log.warning("%s: %s", self.endpoint, kept[-1])
                    continue
                manifest, documents = baseline_reader(monitor, is_import=False)(
                    deployment, _as_trained(spec, record), source
                )
                bound = msgspec.structs.replace(manifest, model_version=record.model_package_arn)
                published, _ = deployment.baselines.publish(bound, documents, datetime.now(UTC))
                versions[monitor] = published.version
                self.log.info("%s: %s baseline %s is in force", self.endpoint, monitor, published.version)
        events: Any = context.get("outlet_events")
        if events is not None:
            events[BASELINES].extra = {"endpoint": self.endpoint, "versions": versions}
        headline = f"{self.endpoint}: the challenger is promoted"
        tell_attempt(deployment, spec, record, "promoted", headline, context, self.log.warning, kept)
        return versions

    def on_kill(self) -> None:
        """Delete the shadow endpoint of an explainability baseline, if one is there."""
        if self._run_digest:
            deployment = self.open_deployment()
            explained = [spec for spec in explained_endpoints(deployment) if spec.registry_id == self.endpoint]
            sweep_shadows(deployment, explained, self._run_digest, self.log.info)


def _as_trained(spec: "EndpointSpec", record: "AttemptRecord") -> "EndpointSpec":
    """Return the endpoint with the promoted variant alone, and with answers as the pipeline's data has them.

    Where there is a probability, that is the only answer.
    """
    if record.variant is not None:
        spec = spec.model_copy(update={"variants": (record.variant,)})
    monitor = spec.monitors.model_quality
    if monitor is None or monitor.probability_attribute is None:
        return spec
    alone = monitor.model_copy(update={"inference_attribute": None})
    return spec.model_copy(update={"monitors": spec.monitors.model_copy(update={"model_quality": alone})})


def _sources(spec: "EndpointSpec", place: str) -> "list[tuple[MonitorName, Source]]":
    from watchkeeper.registry.baseline_spec import (
        BaselineSpec,
        BiasBaselineSpec,
        ExplainabilityBaselineSpec,
        ModelQualityBaselineSpec,
    )

    found: list[tuple[MonitorName, Source]] = []
    if spec.periods_of("data_quality"):
        found.append(("data_quality", BaselineSpec(dataset=f"{place}/baseline.csv")))
    if spec.periods_of("model_quality"):
        quality = spec.model_quality
        columns = _answer_columns(quality.inference_attribute, quality.probability_attribute)
        given = {"dataset": f"{place}/model_quality.csv", "ground_truth_attribute": LABEL_COLUMN, **columns}
        found.append(("model_quality", ModelQualityBaselineSpec.model_validate(given)))
    if spec.periods_of("bias"):
        from watchkeeper.operators.bias_rules import bias_attributes

        read = bias_attributes(spec)
        columns = _answer_columns(read.inference_attribute, read.probability_attribute)
        given = {"dataset": f"{place}/{BIAS_TABLE}", "ground_truth_attribute": LABEL_COLUMN, **columns}
        found.append(("bias", BiasBaselineSpec.model_validate(given)))
    if spec.periods_of("explainability"):
        # Last: it asks the model, which may fail where nothing else does.
        found.append(("explainability", ExplainabilityBaselineSpec(dataset=f"{place}/baseline.csv")))
    return found


def _answer_columns(inference: str | None, probability: str | None) -> dict[str, str]:
    """Return as what the pipeline's predictions are read: as the endpoint's answers are."""
    if probability is not None:
        return {"probability_attribute": PREDICTION_COLUMN}
    return {} if inference is None else {"inference_attribute": PREDICTION_COLUMN}


def _why_kept(
    deployment: "Deployment", spec: "EndpointSpec", record: "AttemptRecord", monitor: "MonitorName"
) -> str | None:
    """Return why a monitor's baseline cannot be made of what the pipeline left, ``None`` where it can."""
    if monitor == "explainability":
        return _why_not_explained(deployment, spec, record)
    folder = deployment.actions.folder(spec.registry_id, record.attempt_id) + RESULT_FOLDER
    if monitor == "bias" and deployment.actions.objects.metadata(f"{folder}/{BIAS_TABLE}") is None:
        return f"the pipeline left no {BIAS_TABLE}"
    return None


def _why_not_explained(deployment: "Deployment", spec: "EndpointSpec", record: "AttemptRecord") -> str | None:
    """Return why windows would be explained by another model than the promoted one, or its features are unknown."""
    from watchkeeper.aws.pipeline_hook import PipelineHook
    from watchkeeper.aws.serving_model import serving_model
    from watchkeeper.operators.attribution_rules import input_columns
    from watchkeeper.operators.explained_model import declared_shadow

    if input_columns(spec) is None:
        return "without capture.input_columns nothing says which columns of baseline.csv are features"
    access, artefact = deployment.access_of(spec), spec.explainability.model.artefact
    if artefact is not None:
        promoted = access.open(PipelineHook).package(str(record.model_package_arn)).model_data_uri
        if artefact != promoted:
            return f"the endpoint's file has {artefact} explained, and the promoted model's file is {promoted}"
        return None
    shadow = declared_shadow(spec)
    if shadow is not None and shadow.model_name is not None:
        serving = serving_model(access.client("sagemaker"), spec.endpoint_name, record.variant or spec.variants[0])
        if shadow.model_name != serving.model_name:
            return f"the endpoint's file has {shadow.model_name} explained, and {serving.model_name} is in service"
    return None


def _in_force(deployment: "Deployment", spec: "EndpointSpec", monitor: "MonitorName") -> str:
    if not deployment.baselines.has_any(spec.registry_id, monitor):
        return f"{monitor} is left without a baseline"
    return f"{monitor} baseline {deployment.baselines.pointer(spec.registry_id, monitor).current} stays in force"
