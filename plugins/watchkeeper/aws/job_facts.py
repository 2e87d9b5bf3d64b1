"""What became of a job: its state and reason, what it used, and what it measured."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.registry.capture_window import utc_moment
from watchkeeper.registry.event_kind import ENDED, SHAPES, JobType, Outcome, plain
from watchkeeper.registry.job_base_name import job_base_name

if TYPE_CHECKING:
    from watchkeeper.registry.price_table import InstanceUse, PriceTable

#: Final metrics of one job that are kept; a job that reports more is a job with a bug.
MAXIMUM_METRICS = 20
_USES: "dict[str, InstanceUse]" = {
    "training_job": "training",
    "tuning_job": "training",
    "processing_job": "processing",
    "transform_job": "hosting",
}
_OUTCOMES: dict[str, dict[str, Outcome]] = {
    shape.kind: {plain(name): outcome for name, outcome in shape.outcomes.items()} for shape in SHAPES.values()
}


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What SageMaker says about one job. What it does not say is ``None``, never a zero.

    ``billable_seconds`` are wall-clock seconds that each of the ``instances`` is billed for; for jobs of which
    SageMaker tells none, the time from start to end. ``metrics`` are the final ones, ``metric_definitions`` the
    patterns that the job's own were read by. ``part_of`` is the ARN of the tuning job that a training job belongs to.
    """

    job_type: JobType
    name: str
    arn: str
    status: str
    outcome: Outcome
    failure_reason: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    billable_seconds: float | None = None
    instances: tuple[tuple[str, int], ...] = ()
    metrics: dict[str, float] = {}
    metric_definitions: dict[str, str] = {}
    best_job: str | None = None
    part_of: str | None = None
    cost_usd: float | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing more."""
        return self.outcome in ENDED

    @property
    def base_name(self) -> str:
        """What its runs are called together."""
        return job_base_name(self.name)

    @property
    def duration_seconds(self) -> float | None:
        """From its start, or its creation where it never started, to its end."""
        begun = self.started_at or self.created_at
        return None if begun is None or self.ended_at is None else (self.ended_at - begun).total_seconds()

    @property
    def instance_type(self) -> str | None:
        """The type of its instances; of several, all of them."""
        return " + ".join(dict.fromkeys(kind for kind, _ in self.instances)) or None

    @property
    def instance_count(self) -> int | None:
        """How many instances it had."""
        return sum(count for _, count in self.instances) or None

    @property
    def job_id(self) -> str:
        """What it is recorded and counted under, once."""
        return f"job-{sha256(self.arn.encode()).hexdigest()[:32]}"


def read_facts(job_type: JobType, answer: Mapping[str, Any], failures: Mapping[str, str] | None = None) -> JobFacts:
    """Return the facts in an answer of SageMaker's describe call; ``failures`` are a pipeline's failed steps."""
    noun = "PipelineExecution" if job_type == "pipeline" else _noun(job_type)
    arn = str(answer[f"{noun}Arn"])
    status = str(answer[f"{noun}Status"])
    outcome = _OUTCOMES[job_type].get(plain(status), "changed")
    if job_type == "training_job" and answer.get("SecondaryStatus") == "Starting":
        outcome = "started"
    begun, ended = _times(job_type, answer, outcome)
    reasons = [answer.get("FailureReason"), answer.get("ExitMessage")]
    reasons = [f"{step}: {why}" for step, why in (failures or {}).items()] or reasons
    return JobFacts(
        job_type=job_type,
        name=_pipeline_name(arn) if job_type == "pipeline" else str(answer[f"{noun}Name"]),
        arn=arn,
        status=status,
        outcome=outcome,
        failure_reason="; ".join(" ".join(str(why).split()) for why in reasons if why)[:1000] or None,
        created_at=_moment(answer.get("CreationTime")),
        started_at=begun,
        ended_at=ended,
        billable_seconds=_billable(job_type, answer, begun, ended),
        instances=_instances(job_type, answer),
        metrics=_metrics(job_type, answer),
        metric_definitions=_definitions(job_type, answer),
        best_job=_best(answer).get("TrainingJobName"),
        part_of=answer.get("TuningJobArn"),
    )


def with_cost(facts: JobFacts, prices: "PriceTable | None", region: str) -> JobFacts:
    """Return the facts with what the job cost, where the price of every instance is known.

    A tuning job's cost is told only where all its training jobs use the same instances: SageMaker tells their time
    together. Its training jobs have none of their own, so that costs may be added up.
    """
    use = _USES.get(facts.job_type)
    if prices is None or use is None or facts.part_of is not None:
        return facts
    if facts.billable_seconds is None or not facts.instances:
        return facts
    hours = [prices.hour_usd(use, kind, region) for kind, _ in facts.instances]
    known = [price * count for price, (_, count) in zip(hours, facts.instances, strict=True) if price is not None]
    if len(known) < len(facts.instances):
        return facts
    return msgspec.structs.replace(facts, cost_usd=round(sum(known) * facts.billable_seconds / 3600, 6))


def job_points(facts: JobFacts, base_name: str, now: datetime) -> list[dict[str, Any]]:
    """Return the metric points of a job that has ended: Duration, BillableSeconds, Failed, and its final metrics.

    Dimensions are JobType and JobName, the latter the name that its runs share; the timestamp is the job's end.
    """
    dimensions = [{"Name": "JobType", "Value": facts.job_type}, {"Name": "JobName", "Value": base_name}]
    figures: list[tuple[str, float | None, str]] = [
        ("Duration", facts.duration_seconds, "Seconds"),
        ("BillableSeconds", facts.billable_seconds, "Seconds"),
        ("Failed", 1.0 if facts.outcome == "failed" else 0.0, "Count"),
    ]
    taken = {name for name, _, _ in figures}
    # A metric of the job's own that is called as one of ours stands beside it, not in it.
    figures += [(f"Final{name}" if name in taken else name, value, "None") for name, value in facts.metrics.items()]
    return [
        {
            "MetricName": name,
            "Dimensions": dimensions,
            "Timestamp": facts.ended_at or now,
            "Value": value,
            "Unit": unit,
        }
        for name, value, unit in figures
        if value is not None
    ]


def _pipeline_name(execution_arn: str) -> str:
    """Return the pipeline of ``…:pipeline/{name}/execution/{id}``."""
    return execution_arn.partition(":pipeline/")[2].partition("/")[0]


def _noun(job_type: str) -> str:
    return {
        "training_job": "TrainingJob",
        "tuning_job": "HyperParameterTuningJob",
        "processing_job": "ProcessingJob",
        "transform_job": "TransformJob",
        "labeling_job": "LabelingJob",
    }[job_type]


def _times(job_type: str, answer: Mapping[str, Any], outcome: Outcome) -> tuple[datetime | None, datetime | None]:
    stem = {"training_job": "Training", "processing_job": "Processing", "transform_job": "Transform"}.get(job_type)
    if stem is not None:
        begun, ended = _moment(answer.get(f"{stem}StartTime")), _moment(answer.get(f"{stem}EndTime"))
    else:
        begun, ended = _moment(answer.get("CreationTime")), _moment(answer.get("HyperParameterTuningEndTime"))
    if ended is None and outcome in ENDED:
        # A job that failed before it began, a labelling job and a pipeline: the last change was the end.
        ended = _moment(answer.get("LastModifiedTime"))
    return begun, ended


def _billable(job_type: str, answer: Mapping[str, Any], begun: datetime | None, ended: datetime | None) -> float | None:
    if job_type == "training_job":
        seconds = answer.get("BillableTimeInSeconds")
    elif job_type == "tuning_job":
        seconds = (answer.get("ConsumedResources") or {}).get("RuntimeInSeconds")
    elif job_type in {"processing_job", "transform_job"} and begun is not None and ended is not None:
        return max(ended - begun, timedelta(0)).total_seconds()
    else:
        return None
    return None if seconds is None else float(seconds)


def _instances(job_type: str, answer: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    if job_type == "processing_job":
        found = [(answer.get("ProcessingResources") or {}).get("ClusterConfig")]
    elif job_type == "transform_job":
        found = [answer.get("TransformResources")]
    elif job_type == "tuning_job":
        configs = [one.get("ResourceConfig") or {} for one in _training_definitions(answer)]
        alike = {repr(_groups(config)) for config in configs}
        found = _groups(configs[0]) if len(alike) == 1 else []
    else:
        found = _groups(answer.get("ResourceConfig") or {})
    return tuple(
        (str(one["InstanceType"]), int(one.get("InstanceCount") or 1))
        for one in found
        if one is not None and one.get("InstanceType")
    )


def _groups(config: Mapping[str, Any]) -> list[Any]:
    return list(config.get("InstanceGroups") or [config])


def _training_definitions(answer: Mapping[str, Any]) -> list[Any]:
    several = answer.get("TrainingJobDefinitions")
    single = answer.get("TrainingJobDefinition")
    return list(several) if several else [single] if single else []


def _definitions(job_type: str, answer: Mapping[str, Any]) -> dict[str, str]:
    owners = _training_definitions(answer) if job_type == "tuning_job" else [answer]
    found = [
        (str(one["Name"]), str(one.get("Regex", "")))
        for owner in owners
        for one in (owner.get("AlgorithmSpecification") or {}).get("MetricDefinitions") or ()
    ]
    return dict(found[:MAXIMUM_METRICS])


def _best(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return answer.get("BestTrainingJob") or answer.get("OverallBestTrainingJob") or {}


def _metrics(job_type: str, answer: Mapping[str, Any]) -> dict[str, float]:
    found: Iterable[tuple[str, Any]]
    if job_type == "tuning_job":
        objective = _best(answer).get("FinalHyperParameterTuningJobObjectiveMetric") or {}
        found = [(objective["MetricName"], objective.get("Value"))] if objective.get("MetricName") else []
    elif job_type == "labeling_job":
        found = (answer.get("LabelCounters") or {}).items()
    else:
        found = [(one.get("MetricName"), one.get("Value")) for one in answer.get("FinalMetricDataList") or ()]
    numbers = {
        str(name)[:255]: float(value)
        for name, value in found
        if name and isinstance(value, int | float) and math.isfinite(value)
    }
    return dict(list(numbers.items())[:MAXIMUM_METRICS])


def _moment(value: object) -> datetime | None:
    return utc_moment(value) if isinstance(value, datetime) else None
