"""Between registry and analysis, which do not know each other: an endpoint's file as rules, a judgement as a result."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from watchkeeper import __version__
from watchkeeper.analysis.capture_profile import CaptureProfile, MalformedLines
from watchkeeper.analysis.capture_records import CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline, Dialect
from watchkeeper.analysis.constraint_set import ConstraintSet, encode_constraints
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_statistics import encode_statistics
from watchkeeper.analysis.feature_metrics import drift_distances
from watchkeeper.analysis.finding import Finding, Outcome, Verdict, worst_first
from watchkeeper.analysis.judgement import Judgement, JudgementRules
from watchkeeper.analysis.violation_report import encode_violations
from watchkeeper.aws.window_result import FindingRecord, WindowResult, with_fields
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from watchkeeper.analysis.report_page import PageFacts
    from watchkeeper.registry.endpoint_spec import EndpointSpec


def judgement_rules(spec: "EndpointSpec") -> JudgementRules:
    """Return what an endpoint's file says about judging a window."""
    monitor = spec.monitors.data_quality
    return JudgementRules(
        dialect=Dialect(monitor.dialect),
        minimum_rows=monitor.minimum_rows,
        maximum_malformed_share=monitor.maximum_malformed_share,
        sampling_percentage=spec.capture.sampling_percentage,
        gap_share=spec.capture.gap_share,
        thresholds=monitor.thresholds.given(),
        features={name: feature.given() for name, feature in monitor.features.items()},
        exclude=monitor.exclude,
    )


def capture_schema(spec: "EndpointSpec", constraints: ConstraintSet) -> CaptureSchema:
    """Return how captured columns are called: by the endpoint's file, else by the baseline, by position."""
    capture = spec.capture
    return CaptureSchema(
        input_columns=capture.input_columns,
        output_columns=capture.output_columns,
        output_columns_position=capture.output_columns_position,
        columns=tuple(constraints.features),
    )


def schema_digest(schema: CaptureSchema) -> str:
    """Return a digest of the names and their order: a state under other names is another state."""
    text = json.dumps([schema.input_columns, schema.output_columns, schema.output_columns_position, schema.columns])
    return sha256(text.encode()).hexdigest()[:16]


def traffic_class(line_count: int, row_count: int, invocations: float | None, rules: JudgementRules) -> str:
    """Return what the endpoint's own count of invocations makes of a window: the part of a verdict not in S3.

    ``line_count`` counts captured lines, malformed ones included, as `judge` does. An empty text means that capture
    kept what it should; counts that tell the same give the same text.
    """
    expected = (invocations or 0.0) * rules.sampling_percentage / 100
    if expected and line_count < rules.gap_share * expected:
        return "capture_gap"
    return "" if row_count else "no_traffic"


def judged_result(
    draft: WindowResult,
    spec: "EndpointSpec",
    profile: CaptureProfile,
    baseline: Baseline,
    judgement: Judgement,
) -> WindowResult:
    """Return ``draft`` with everything that the judgement and the profile say."""
    monitor = spec.monitors.data_quality
    distances = drift_distances(judgement.findings)
    farthest = max(distances, key=lambda name: distances[name], default=None)
    order = list(baseline.constraints.features)
    return with_fields(
        draft,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        **finding_fields(judgement.findings),
        worst_distance=distances[farthest] if farthest is not None else None,
        worst_distance_feature=farthest,
        worst_distance_rank=order.index(farthest) + 1 if farthest in order else None,
        distances=distances,
        row_count=profile.row_count,
        captured_count=profile.invocation_count,
        **malformed_fields(profile.malformed),
        dialect=monitor.dialect,
    )


def result_documents(judgement: Judgement) -> dict[str, bytes]:
    """Return Model Monitor's documents of the window; none where no row was captured."""
    if judgement.statistics is None:
        return {}
    documents = {
        "statistics.json": encode_statistics(judgement.statistics),
        "constraints.json": encode_constraints(suggest_constraints(judgement.statistics)),
    }
    violations = encode_violations(judgement.findings)
    return documents | ({"constraint_violations.json": violations} if violations else {})


def page_facts(result: WindowResult) -> "PageFacts":
    """Return what the head of a result's page says."""
    from watchkeeper.analysis.report_page import PageFacts

    window = Window.from_name(result.window)
    notes = (
        ("Period", result.period),
        ("Dialect", result.dialect),
        ("Owner", result.owner),
        ("Model version", result.model_version),
        ("Of the baseline", result.baseline_note),
        ("Analyzed at", result.analyzed_at),
    )
    return PageFacts(
        endpoint=result.endpoint,
        variant=result.variant,
        window=(window.start, window.end),
        verdict=Verdict(result.verdict),
        reason=result.reason,
        row_count=result.row_count,
        baseline_version=result.baseline_version,
        notes=tuple((name, text) for name, text in notes if text),
        footnote=f"Made by Watchkeeper {result.code_version}.",
    )


def code_version() -> str:
    """Return the version of the code that judges."""
    return __version__


def finding_fields(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what a result says of its findings: their counts, the worst, and all that are not satisfied."""
    ranked = worst_first(tuple(findings))
    counts = {outcome: sum(finding.outcome is outcome for finding in findings) for outcome in Outcome}
    not_evaluated = [finding for finding in findings if finding.outcome is Outcome.NOT_EVALUATED]
    return {
        "severity": ranked[0].severity.value if ranked else None,
        "findings": tuple(finding_record(finding) for finding in [*ranked, *not_evaluated]),
        "satisfied_count": counts[Outcome.SATISFIED],
        "violated_count": counts[Outcome.VIOLATED],
        "not_evaluated_count": counts[Outcome.NOT_EVALUATED],
        "worst_feature": ranked[0].feature if ranked else None,
        "worst_check": ranked[0].check.value if ranked else None,
    }


def malformed_fields(malformed: MalformedLines) -> dict[str, Any]:
    """Return what a result says of malformed lines."""
    samples = tuple(f"{sample.file}, line {sample.line}: {sample.reason}" for sample in malformed.samples)
    return {"malformed_count": malformed.count, "malformed_samples": samples}


def finding_record(finding: Finding) -> FindingRecord:
    """Return a finding as it is stored."""
    return FindingRecord(
        feature=finding.feature,
        check=finding.check.value,
        outcome=finding.outcome.value,
        reason=finding.reason,
        observed=finding.observed,
        limit=finding.limit,
        excess=finding.excess,
        severity=finding.severity.value if finding.outcome is Outcome.VIOLATED else None,
    )
