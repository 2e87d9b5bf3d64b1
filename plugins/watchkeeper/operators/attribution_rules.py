"""Between registry and analysis, which do not know each other: attribution's rules, its judgement as a result."""

from typing import TYPE_CHECKING

from watchkeeper.analysis.attribution_judgement import AttributionRules
from watchkeeper.analysis.attribution_page import attribution_page
from watchkeeper.analysis.attribution_report import encode_attribution_report
from watchkeeper.analysis.attribution_violations import encode_attribution_violations
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.model_payload import RequestFormat
from watchkeeper.analysis.shap_settings import Aggregation, ShapSettings
from watchkeeper.aws.window_result import with_fields
from watchkeeper.operators.window_judgement import finding_fields, page_facts

if TYPE_CHECKING:
    from watchkeeper.analysis.attribution_judgement import AttributionJudgement
    from watchkeeper.analysis.attribution_report import AttributionReport
    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.registry.endpoint_spec import EndpointSpec


def shap_settings(spec: "EndpointSpec") -> ShapSettings:
    """Return how a model's attributions are computed."""
    shap = spec.explainability.shap
    return ShapSettings(
        baseline=shap.baseline or None,
        num_clusters=None if shap.baseline else shap.num_clusters,
        num_samples=shap.num_samples,
        agg_method=Aggregation(shap.agg_method),
        use_logit=shap.use_logit,
        seed=shap.seed,
        features_to_explain=shap.features_to_explain or None,
        save_local_shap_values=spec.explainability.local_values,
    )


def request_format(spec: "EndpointSpec") -> RequestFormat:
    """Return how rows are written for the model and its answers read."""
    request = spec.explainability.request
    return RequestFormat(
        content_type=request.content_type,
        accept_type=request.accept_type,
        content_template=request.content_template,
        record_template=request.record_template,
        label=request.label,
        label_headers=request.label_headers,
    )


def feature_reader(spec: "EndpointSpec", features: tuple[str, ...] | None = None) -> FeatureReader:
    """Return what reads the features of a captured payload; ``features`` are the baseline's."""
    names = spec.capture.input_columns or features
    return FeatureReader(names, spec.explainability.features_attribute)


def attribution_rules(spec: "EndpointSpec") -> AttributionRules:
    """Return what an endpoint's file says about judging attributions."""
    monitor = spec.explainability
    return AttributionRules(
        dialect=Dialect(monitor.dialect),
        minimum_rows=monitor.minimum_rows,
        maximum_malformed_share=monitor.maximum_malformed_share,
        ndcg_threshold=monitor.ndcg_threshold,
        agg_method=Aggregation(monitor.shap.agg_method),
        seed=monitor.shap.seed,
    )


def attribution_result(draft: "WindowResult", judgement: "AttributionJudgement") -> "WindowResult":
    """Return ``draft`` with everything that the judgement says.

    ``metrics`` hold the least NDCG of all labels and each label's own; a feature's distance is how much its share of
    the attribution changed, for the label that changed most.
    """
    known = {label: value for label, value in judgement.ndcg.items() if value is not None}
    worst = min(known, key=lambda label: known[label], default=None)
    drifts = judgement.drifts.get(worst, ()) if worst is not None else ()
    distances = {drift.feature: abs(drift.share_change) for drift in drifts}
    farthest = max(drifts, key=lambda drift: abs(drift.share_change), default=None)
    return with_fields(
        draft,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        **finding_fields(judgement.findings),
        distances=distances,
        worst_distance=distances[farthest.feature] if farthest else None,
        worst_distance_feature=farthest.feature if farthest else None,
        worst_distance_rank=farthest.rank_before if farthest else None,
        metrics={
            **({"ndcg": known[worst]} if worst is not None else {}),
            **{f"ndcg.{label}": value for label, value in known.items()},
        },
    )


def attribution_documents(
    result: "WindowResult", judgement: "AttributionJudgement", baseline: "AttributionReport"
) -> dict[str, bytes]:
    """Return Clarify's documents of the window and its page; none where no row was explained."""
    if judgement.report is None:
        return {}
    violations = encode_attribution_violations(judgement.findings)
    documents = {
        "analysis.json": encode_attribution_report(judgement.report),
        "report.html": attribution_page(judgement.report, baseline, judgement.findings, page_facts(result)),
    }
    return documents | ({"constraint_violations.json": violations} if violations else {})
