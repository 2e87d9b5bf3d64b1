"""The explainability monitor: the pure function from (baseline, explained window) to findings and a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from watchkeeper.analysis.attribution_drift import FeatureDrift, drift_sentence, feature_drifts
from watchkeeper.analysis.attribution_report import AttributionReport, LabelAttribution, aggregated
from watchkeeper.analysis.attribution_sample import SampledRows
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.explanation import Explanation, Floats
from watchkeeper.analysis.finding import Check, Finding, Outcome, Verdict, worst_first
from watchkeeper.analysis.rank_agreement import ndcg, ndcg_of_each
from watchkeeper.analysis.shap_settings import Aggregation

NDCG_THRESHOLD = 0.90
REPLICATES = 1000


@dataclass(frozen=True)
class AttributionRules:
    """What an endpoint's file says about judging attributions.

    ``compatible`` is Clarify's rule: NDCG below ``ndcg_threshold`` is a violation. ``exact`` also wants to know that
    other rows of the same traffic would have shown it: the whole bootstrap interval must lie below, of ``confidence``,
    over the explained rows. It judges no fewer rows than there are features. ``ndcg_thresholds`` overrides single
    labels; ``None`` switches one off.
    """

    dialect: Dialect = Dialect.EXACT
    minimum_rows: int = 1
    maximum_malformed_share: float = 1.0
    ndcg_threshold: float = NDCG_THRESHOLD
    ndcg_thresholds: Mapping[str, float | None] = field(default_factory=dict)
    confidence: float = 0.95
    agg_method: Aggregation = Aggregation.MEAN_ABS
    seed: int = 0


@dataclass(frozen=True)
class AttributionJudgement:
    """A verdict with its reason, and what is behind it: findings, NDCG and every feature's drift, by label."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...] = ()
    report: AttributionReport | None = None
    ndcg: Mapping[str, float | None] = field(default_factory=dict)
    drifts: Mapping[str, tuple[FeatureDrift, ...]] = field(default_factory=dict)

    @property
    def worst(self) -> Finding | None:
        """The violated finding furthest beyond its limit."""
        ranked = worst_first(self.findings)
        return ranked[0] if ranked else None


def judge_sample(sampled: SampledRows, rules: AttributionRules | None = None) -> AttributionJudgement | None:
    """Return the verdict of a sample that cannot be judged, before a model is asked; ``None`` where it can be.

    In this order: too many malformed lines or rows that do not fit the baseline, or nothing else → ``failed``; fewer
    rows than ``minimum_rows``, or than features in the ``exact`` dialect → ``too_few``.
    """
    rules = rules or AttributionRules()
    rows, malformed = len(sampled.rows), sampled.malformed
    if malformed.count and (not rows or sampled.malformed_share > rules.maximum_malformed_share):
        reason, count = next(iter(malformed.reasons.items()))
        limit = f"at most {rules.maximum_malformed_share:.1%} allowed" if rows else "no row could be read"
        text = (
            f"{malformed.count} of {sampled.line_count} captured lines are malformed "
            f"({sampled.malformed_share:.1%}, {limit}); most often ({count}): {reason}"
        )
        return AttributionJudgement(Verdict.FAILED, text)
    if sampled.misfit_count and (not rows or sampled.misfit_share > rules.maximum_malformed_share):
        reason, count = max(sampled.misfits.items(), key=lambda item: item[1])
        text = (
            f"{sampled.misfit_count} of {rows + sampled.misfit_count} sampled rows do not fit the baseline "
            f"({sampled.misfit_share:.1%}); most often ({count}): {reason}"
        )
        return AttributionJudgement(Verdict.FAILED, text)
    if rows < rules.minimum_rows or not rows:
        reason = f"{rows} rows, at least {max(rules.minimum_rows, 1)} are needed to judge"
        return AttributionJudgement(Verdict.TOO_FEW, reason)
    if rules.dialect is Dialect.EXACT and rows < sampled.rows.width:
        reason = f"{rows} rows, fewer than the {sampled.rows.width} features whose ranking they should tell"
        return AttributionJudgement(Verdict.TOO_FEW, reason)
    return None


def judge_attribution(
    report: AttributionReport,
    baseline: AttributionReport,
    rules: AttributionRules | None = None,
    explanation: Explanation | None = None,
) -> AttributionJudgement:
    """Return the verdict of a window's attributions, each of the baseline's labels judged.

    ``explanation``, that of which ``report`` is the summary, has the rows for the ``exact`` dialect's interval; without
    it the report is taken at its word. None of the baseline's labels can be judged → ``failed``; else ``violated`` or
    ``ok``. A report with one label is the baseline's one label, whatever it is called: Clarify has named labels after
    a score.
    """
    rules = rules or AttributionRules()
    pairs = _pairs(report, baseline)
    findings, values = [], {}
    for label, before, after in pairs:
        values[label] = ndcg(*_aligned(before, after)) if after else None
        findings.append(_check(label, before, after, rules, _local(explanation, report, after)))
    drifts = {
        label: feature_drifts(before.global_shap_values, after.global_shap_values)
        for label, before, after in pairs
        if after is not None
    }
    verdict, reason = _verdict(findings)
    return AttributionJudgement(verdict, reason, tuple(findings), report, values, drifts)


def _local(
    explanation: Explanation | None, report: AttributionReport, after: LabelAttribution | None
) -> dict[str, Floats]:
    """Return the local attributions behind one label of the report, by feature; none where they are not at hand."""
    if explanation is None or after is None:
        return {}
    place = next(place for place, found in enumerate(report.labels.values()) if found is after)
    columns = dict(zip(explanation.features, explanation.values[:, :, place].T, strict=True))
    return {name: columns[name] for name in after.global_shap_values}


def _pairs(
    report: AttributionReport, baseline: AttributionReport
) -> list[tuple[str, LabelAttribution, LabelAttribution | None]]:
    if len(report.labels) == len(baseline.labels) == 1:
        ((label, before),), (after,) = baseline.labels.items(), report.labels.values()
        return [(label, before, after)]
    return [(label, before, report.labels.get(label)) for label, before in baseline.labels.items()]


def _aligned(before: LabelAttribution, after: LabelAttribution) -> tuple[Floats, Floats]:
    """Return both sides' attributions of the same features; who does not have a feature gives it 0."""
    first, now = before.global_shap_values, after.global_shap_values
    names = list(dict.fromkeys([*first, *now]))
    return np.array([first.get(name, 0.0) for name in names]), np.array([now.get(name, 0.0) for name in names])


def _check(
    label: str,
    before: LabelAttribution,
    after: LabelAttribution | None,
    rules: AttributionRules,
    local: Mapping[str, Floats],
) -> Finding:
    limit = rules.ndcg_thresholds.get(label, rules.ndcg_threshold)

    def skipped(reason: str, value: float | None = None) -> Finding:
        return Finding(label, Check.ATTRIBUTION_DRIFT, Outcome.NOT_EVALUATED, reason, value, limit)

    if after is None:
        return skipped("the window's model does not answer this label")
    known, live = _aligned(before, after)
    value = ndcg(known, live)
    if value is None:
        side = "baseline's" if not known.any() else "window's"
        return skipped(f"the {side} attributions are all zero: the model's answer depends on no feature")
    if limit is None:
        return skipped("switched off in the endpoint's file", value)
    drift = drift_sentence(before.global_shap_values, after.global_shap_values)
    if value >= limit:
        reason = f"NDCG {value:.4f} is not below {limit:g}; {drift}"
        return Finding(label, Check.ATTRIBUTION_DRIFT, Outcome.SATISFIED, reason, value, limit)
    if rules.dialect is Dialect.EXACT and local:
        lower, upper = _interval(before, local, rules)
        if upper >= limit:
            reason = f"NDCG {value:.4f} is below {limit:g} within chance ({lower:.4f} to {upper:.4f}); {drift}"
            return Finding(label, Check.ATTRIBUTION_DRIFT, Outcome.SATISFIED, reason, value, limit)
    reason = f"NDCG {value:.4f} is below {limit:g}; {drift}"
    return Finding(label, Check.ATTRIBUTION_DRIFT, Outcome.VIOLATED, reason, value, limit, limit - value)


def _interval(before: LabelAttribution, local: Mapping[str, Floats], rules: AttributionRules) -> tuple[float, float]:
    """Return the percentile interval of NDCG over rows drawn again, reproducible by the rules' seed."""
    known = before.global_shap_values
    # A feature that rows do not have drives nothing now; one that the baseline does not have gains nothing.
    gone = [value for name, value in known.items() if name not in local]
    gains = np.array([known.get(name, 0.0) for name in local] + gone)
    drawn = _resampled(np.stack(list(local.values()), axis=1), rules)
    live = np.hstack([drawn, np.zeros((len(drawn), len(gone)))])
    found = [value for value in ndcg_of_each(gains, live) if value is not None]
    tail = (1 - rules.confidence) / 2
    lower, upper = np.quantile(found, (tail, 1 - tail))
    return float(lower), float(upper)


def _resampled(values: Floats, rules: AttributionRules) -> Floats:
    """Return global attributions (replicates × features) of rows drawn with replacement."""
    rng = np.random.default_rng(rules.seed)
    rows = len(values)
    if rules.agg_method is Aggregation.MEDIAN:
        drawn = (values[rng.integers(0, rows, rows)][:, :, None] for _ in range(REPLICATES))
        return np.stack([aggregated(sample, rules.agg_method)[:, 0] for sample in drawn])
    sizes = np.abs(values) if rules.agg_method is Aggregation.MEAN_ABS else np.square(values)
    weights = rng.multinomial(rows, np.full(rows, 1.0 / rows), REPLICATES)
    return np.asarray(weights @ sizes / rows)


def _verdict(findings: list[Finding]) -> tuple[Verdict, str]:
    violated = worst_first(findings)
    evaluated = [finding for finding in findings if finding.outcome is not Outcome.NOT_EVALUATED]
    if violated:
        worst = violated[0]
        head = f"{len(violated)} of {len(evaluated)} labels drifted; " if len(findings) > 1 else ""
        return Verdict.VIOLATED, f"{head}{worst.feature}: {worst.reason}"
    if evaluated:
        return Verdict.OK, f"{evaluated[0].feature}: {evaluated[0].reason}"
    if all(finding.limit is None for finding in findings):
        return Verdict.OK, "every label is switched off in the endpoint's file"
    return Verdict.FAILED, f"no label could be judged; {findings[0].feature}: {findings[0].reason}"
