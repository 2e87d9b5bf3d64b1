"""What one file of ``include/endpoints`` says about one endpoint."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.alert_spec import AlertSpec
from watchkeeper.registry.baseline_spec import BaselineSpec
from watchkeeper.registry.bias_spec import BiasSpec
from watchkeeper.registry.capture_spec import CaptureSpec
from watchkeeper.registry.capture_window import Period
from watchkeeper.registry.cost_spec import CostSpec
from watchkeeper.registry.explainability_spec import ExplainabilitySpec
from watchkeeper.registry.ground_truth_spec import GroundTruthSpec
from watchkeeper.registry.infrastructure_spec import InfrastructureSpec
from watchkeeper.registry.model_quality_spec import METRIC_NAMES, ModelQualitySpec
from watchkeeper.registry.monitor_spec import LABEL_MONITORS, MonitorName, MonitorsSpec
from watchkeeper.registry.remediation_spec import RemediationSpec
from watchkeeper.registry.retraining_spec import RetrainingSpec
from watchkeeper.registry.spec_base import (
    EmptyMapping,
    EndpointName,
    FromList,
    RegionName,
    RoleArn,
    SpecModel,
    Text,
    distinct,
)

UNWRITTEN_FIELDS = frozenset({"registry_id"})
"""Fields that the loader sets and no file may."""


class EndpointSpec(SpecModel):
    """One endpoint as its file and ``_defaults.yaml`` describe it together."""

    registry_id: Text = Field(
        default="",
        description="The file's stem: the endpoint's name in S3 keys, metrics and verdicts. Set by the loader.",
    )
    endpoint_name: EndpointName = Field(
        description="SageMaker's name of the endpoint.",
        examples=["flights-delay"],
    )
    owner: Text = Field(
        description="The team or person who answers for the model; named in alerts.",
        examples=["flight-ops"],
    )
    description: str = Field(
        default="", description="What the model does, in a sentence.", examples=["Delay of departures"]
    )
    region_name: RegionName | None = Field(
        default=None,
        description="The endpoint's region; null for the connection's.",
        examples=["us-east-1"],
    )
    aws_conn_id: Text = Field(
        default="aws_default",
        description="The Airflow connection whose account holds the endpoint and its capture.",
        examples=["aws_default"],
    )
    role_arn: RoleArn | None = Field(
        default=None,
        description="A role that is assumed, with the connection's credentials, to reach the endpoint and its capture; "
        "null to reach them with the connection alone.",
        examples=["arn:aws:iam::210987654321:role/watchkeeper"],
    )
    variants: Annotated[tuple[EndpointName, ...], FromList, Field(min_length=1), AfterValidator(distinct)] = Field(
        default=("AllTraffic",),
        description="The production variants to watch, each for itself.",
        examples=[["AllTraffic"]],
    )
    model_version: Text | None = Field(
        default=None,
        description="The version of the model in service, in quotes; a baseline is bound to it.",
        examples=["3"],
    )
    capture: CaptureSpec = Field(description="Data capture: where it lies and how its columns are called.")
    ground_truth: GroundTruthSpec | None = Field(
        default=None,
        description="The labels: where they lie and how long they are waited for; null for an endpoint without any.",
    )
    grace_minutes: Annotated[int, Field(ge=0, le=1440)] = Field(
        default=10,
        description="How long to wait after a window's end for capture's last files before judging.",
        examples=[10],
    )
    monitors: MonitorsSpec = Field(
        default_factory=MonitorsSpec,
        description="The monitors that judge this endpoint.",
    )
    alerts: AlertSpec = Field(
        default_factory=AlertSpec,
        description="Who is told of a verdict that is not ok.",
    )
    baseline: BaselineSpec | None = Field(
        default=None,
        description="Where the baseline comes from; null when the baseline DAG is told each time.",
    )
    retraining: RetrainingSpec | None = Field(
        default=None,
        description="When and how the model is trained anew; null for never.",
    )
    infrastructure: InfrastructureSpec | None = Field(
        default=None,
        description="The alarms and the dashboard that AWS shall hold for this endpoint; null for none of ours.",
    )
    remediation: RemediationSpec | None = Field(
        default=None,
        description="What is done about alarms, and within which guards; null for nothing.",
    )
    cost: CostSpec | None = Field(
        default=None,
        description="What watching this endpoint may cost a month; null for no ceiling.",
    )
    tags: Annotated[dict[Text, str], EmptyMapping] = Field(
        default_factory=dict,
        description="Free labels, carried into verdicts and alerts.",
        examples=[{"tier": "gold"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_name_stands_for_the_other(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        name, registry_id = value.get("endpoint_name"), value.get("registry_id")
        if name is None and registry_id is not None:
            return {**value, "endpoint_name": registry_id}
        if registry_id is None and isinstance(name, str):
            return {**value, "registry_id": name}
        return value

    @property
    def account_id(self) -> str | None:
        """The account of the role that reaches it; ``None`` where the connection alone says which."""
        return None if self.role_arn is None else self.role_arn.split(":")[4]

    def capture_prefix(self, variant: str) -> str:
        """Return the S3 URI, with its last slash, under which a variant's capture lies by yyyy/mm/dd/hh."""
        return f"{self.capture.s3_uri}/{self.endpoint_name}/{variant}/"

    @model_validator(mode="after")
    def _labels_for_who_needs_them(self) -> "EndpointSpec":
        for monitor in LABEL_MONITORS:
            if getattr(self.monitors, monitor) is not None and self.ground_truth is None:
                message = f"monitors.{monitor} judges by labels; add ground_truth with the s3_uri where they lie"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _bias_can_be_read(self) -> "EndpointSpec":
        bias, quality = self.monitors.bias, self.monitors.model_quality
        if bias is None or bias.analysis_config is not None:
            return self
        faults = []
        if quality is None and bias.inference_attribute is None and bias.probability_attribute is None:
            faults.append(
                "inference_attribute or probability_attribute: say where predictions stand, or add "
                "monitors.model_quality, which says so"
            )
        if not bias.label_values_or_threshold and (quality is None or quality.problem_type != "BinaryClassification"):
            faults.append("label_values_or_threshold: say which labels are favourable")
        columns = self.capture.input_columns
        named = [*(facet.name for facet in bias.facets), *([bias.group_variable] if bias.group_variable else [])]
        unknown = [name for name in named if columns and name not in columns]
        if unknown:
            faults.append(f"facets and group_variable: {', '.join(unknown)} is not among capture.input_columns")
        if faults:
            message = f"monitors.bias: {'; '.join(faults)}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_challenger_can_be_compared(self) -> "EndpointSpec":
        """Find before anything is trained what only the comparison would stumble on."""
        if self.retraining is None:
            return self
        gate, variant, monitor = self.retraining.gate, self.retraining.deployment.variant, self.monitors.model_quality
        faults = []
        if variant is not None and variant not in self.variants:
            faults.append(f"deployment.variant {variant} is none of variants: {', '.join(self.variants)}")
        if monitor is not None and gate.metric is not None:
            known = METRIC_NAMES[monitor.problem_type]
            if gate.metric not in known:
                faults.append(f"gate.metric: {monitor.problem_type} has no {gate.metric}; it has {', '.join(known)}")
            elif gate.metric in _SCORE_METRICS and monitor.probability_attribute is None:
                faults.append(f"gate.metric {gate.metric} needs monitors.model_quality.probability_attribute")
        unknown = [name for name in gate.segments if name not in (self.capture.input_columns or (name,))]
        if unknown:
            faults.append(f"gate.segments: {', '.join(unknown)} is not among capture.input_columns")
        if faults:
            message = f"retraining: {'; '.join(faults)}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _remedies_can_be_applied(self) -> "EndpointSpec":
        if self.remediation is None:
            return self
        faults = []
        retrains = [rule.name for rule in self.remediation.rules if "retrain" in rule.do]
        if retrains and self.retraining is None:
            faults.append(f"rule {retrains[0]!r} does retrain; add the section retraining, which says how")
        packaged = self.remediation.roll_back.to == "previous_package"
        if packaged and self.retraining is None:
            faults.append("roll_back.to previous_package needs retraining.model_package_group")
        if faults:
            message = f"remediation: {'; '.join(faults)}"
            raise ValueError(message)
        return self

    @property
    def wanted_infrastructure(self) -> InfrastructureSpec | None:
        """What AWS shall hold for it; ``None`` for nothing, written or switched off."""
        section = self.infrastructure
        return section if section is not None and section.enabled else None

    @property
    def is_remedied(self) -> bool:
        """Whether something is done about its alarms, if only to say what would be."""
        return self.remediation is not None and self.remediation.enabled

    @property
    def labels(self) -> GroundTruthSpec:
        """Where the labels lie; only of an endpoint that has some (``Registry.labelled``)."""
        assert self.ground_truth is not None, self.registry_id  # noqa: S101
        return self.ground_truth

    @property
    def model_quality(self) -> ModelQualitySpec:
        """The model quality monitor's rules; only of an endpoint that it watches."""
        assert self.monitors.model_quality is not None, self.registry_id  # noqa: S101
        return self.monitors.model_quality

    @property
    def bias(self) -> BiasSpec:
        """The bias monitor's rules; only of an endpoint that it watches."""
        assert self.monitors.bias is not None, self.registry_id  # noqa: S101
        return self.monitors.bias

    @property
    def explainability(self) -> ExplainabilitySpec:
        """The explainability monitor's rules; only of an endpoint that it watches."""
        assert self.monitors.explainability is not None, self.registry_id  # noqa: S101
        return self.monitors.explainability

    def periods_of(self, monitor: MonitorName) -> tuple[Period, ...]:
        """Return the periods that ``monitor`` judges this endpoint over; none if it does not watch it."""
        spec = getattr(self.monitors, monitor, None)
        return spec.periods if spec is not None and spec.enabled else ()

    def watches(self, monitor: MonitorName, period: Period) -> bool:
        """Say whether this endpoint is judged by ``monitor`` over windows of ``period``."""
        return period in self.periods_of(monitor)

    def digest(self, monitor: MonitorName) -> str:
        """Return the SHA-256 (hex) of all that this file contributes to a verdict of ``monitor``.

        Who owns the endpoint, who is told and how often it is judged do not change what a window says,
        so editing them restates nothing. Comments and the order of keys do not count either.
        """
        judging = {
            "monitor": monitor,
            "endpoint": self.model_dump(
                mode="json", include={"endpoint_name", "region_name", "aws_conn_id", "model_version", "capture"}
            ),
            "rules": self.monitors.model_dump(mode="json", exclude=_NOT_JUDGING).get(monitor),
        }
        if self.account_id is not None:
            judging["account_id"] = self.account_id
        if monitor == "bias":
            # What it does not say itself, it takes from there.
            judging["answers"] = None if self.monitors.model_quality is None else self.model_quality.attributes()
        text = json.dumps(judging, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


_SCORE_METRICS = ("auc", "au_prc")
_NOT_JUDGING = {
    "data_quality": {"enabled", "periods", "publish_feature_metrics"},
    "model_quality": {"enabled", "periods", "publish_model_metrics"},
    "bias": {"enabled", "periods", "publish_bias_metrics"},
    "explainability": {"enabled", "periods", "publish_attribution_metrics"},
}
