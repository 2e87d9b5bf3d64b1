"""Between registry and analysis, which do not know each other: model quality's rules, its judgement as a result."""

from typing import TYPE_CHECKING

from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.feature_metrics import drift_distances
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_constraints import encode_quality_constraints, suggest_quality_constraints
from watchkeeper.analysis.quality_judgement import QualityJudgement, QualityRules
from watchkeeper.analysis.quality_statistics import encode_quality_statistics
from watchkeeper.analysis.quality_violations import encode_quality_violations
from watchkeeper.aws.window_result import WindowResult, with_fields
from watchkeeper.operators.window_judgement import finding_fields

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec


def quality_attributes(spec: "EndpointSpec") -> QualityAttributes:
    """Return where an endpoint's file says that predictions and labels stand."""
    given = spec.model_quality.attributes(spec.capture.output_columns)
    return QualityAttributes(**given | {"problem_type": ProblemType(given["problem_type"])})


def quality_rules(spec: "EndpointSpec") -> QualityRules:
    """Return what an endpoint's file says about judging labelled windows."""
    monitor = spec.model_quality
    return QualityRules(
        dialect=Dialect(monitor.dialect),
        minimum_rows=monitor.minimum_rows,
        maximum_malformed_share=monitor.maximum_malformed_share,
        thresholds=monitor.thresholds,
        label_drift_threshold=monitor.label_drift_threshold,
        prediction_drift_threshold=monitor.prediction_drift_threshold,
    )


def quality_result(draft: WindowResult, judgement: QualityJudgement) -> WindowResult:
    """Return ``draft`` with everything that the judgement says."""
    distances = drift_distances(judgement.findings)
    farthest = max(distances, key=lambda name: distances[name], default=None)
    metrics = judgement.statistics.metrics if judgement.statistics else {}
    return with_fields(
        draft,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        **finding_fields(judgement.findings),
        worst_distance=distances[farthest] if farthest is not None else None,
        worst_distance_feature=farthest,
        distances=distances,
        metrics={name: metric.value for name, metric in metrics.items() if metric.value is not None},
    )


def quality_documents(judgement: QualityJudgement) -> dict[str, bytes]:
    """Return Model Monitor's documents of the window; none where no row was judged."""
    if judgement.statistics is None:
        return {}
    documents = {
        "statistics.json": encode_quality_statistics(judgement.statistics),
        "constraints.json": encode_quality_constraints(suggest_quality_constraints(judgement.statistics)),
    }
    violations = encode_quality_violations(judgement.findings)
    return documents | ({"constraint_violations.json": violations} if violations else {})
