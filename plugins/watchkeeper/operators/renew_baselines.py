"""Makes the baselines of a model that has just been promoted, from the data that it was trained on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.operators.attempt_notice import tell_attempt
from watchkeeper.operators.attempt_step import RESULT_FOLDER, AttemptStepOperator, read_attempt, skipped
from watchkeeper.operators.baseline_documents import baseline_reader
from watchkeeper.operators.build_baseline import BASELINES
from watchkeeper.operators.monitor_base import failing_at_once

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.registry.baseline_spec import BaselineSource
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.monitor_spec import MonitorName

PREDICTION_COLUMN, LABEL_COLUMN = "prediction", "label"


class RenewBaselinesOperator(AttemptStepOperator):
    """Put new baselines in force, bound to the promoted model package; the old ones stay and can be gone back to.

    The pipeline leaves ``baseline.csv`` (prediction and inputs) for data quality and ``model_quality.csv`` (label and
    prediction) for model quality, as docs/pipelines.md says.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [BASELINES])
        super().__init__(**kwargs)

    def execute(self, context: "Context") -> dict[str, str]:
        """Return the versions in force by monitor."""
        with failing_at_once():
            deployment = self.open_deployment()
            spec = deployment.registry.require(self.endpoint)
            record = read_attempt(deployment, self.endpoint, self.attempt_id)
            if record.state != AttemptState.PROMOTED:
                raise skipped(record)
            place = deployment.actions.uri(self.endpoint, self.attempt_id, RESULT_FOLDER)
            versions: dict[str, str] = {}
            for monitor, source in _sources(spec, place):
                manifest, documents = baseline_reader(monitor, is_import=False)(
                    deployment, _answering_once(spec), source
                )
                bound = msgspec.structs.replace(manifest, model_version=record.model_package_arn)
                published, _ = deployment.baselines.publish(bound, documents, datetime.now(UTC))
                versions[monitor] = published.version
                self.log.info("%s: %s baseline %s is in force", self.endpoint, monitor, published.version)
        events: Any = context.get("outlet_events")
        if events is not None:
            events[BASELINES].extra = {"endpoint": self.endpoint, "versions": versions}
        headline = f"{self.endpoint}: the challenger is promoted"
        tell_attempt(deployment, spec, record, "promoted", headline, context, self.log.warning)
        return versions


def _answering_once(spec: "EndpointSpec") -> "EndpointSpec":
    """Return the endpoint as the pipeline's data has its answers: where there is a probability, that alone."""
    monitor = spec.monitors.model_quality
    if monitor is None or monitor.probability_attribute is None:
        return spec
    alone = monitor.model_copy(update={"inference_attribute": None})
    return spec.model_copy(update={"monitors": spec.monitors.model_copy(update={"model_quality": alone})})


def _sources(spec: "EndpointSpec", place: str) -> "list[tuple[MonitorName, BaselineSource]]":
    from watchkeeper.registry.baseline_spec import BaselineSpec, ModelQualityBaselineSpec

    found: list[tuple[MonitorName, BaselineSource]] = []
    if spec.periods_of("data_quality"):
        found.append(("data_quality", BaselineSpec(dataset=f"{place}/baseline.csv")))
    if spec.periods_of("model_quality"):
        answers = spec.model_quality.probability_attribute is not None
        columns = {"probability_attribute" if answers else "inference_attribute": PREDICTION_COLUMN}
        given = {"dataset": f"{place}/model_quality.csv", "ground_truth_attribute": LABEL_COLUMN, **columns}
        source = ModelQualityBaselineSpec.model_validate(given)
        found.append(("model_quality", source))
    return found
