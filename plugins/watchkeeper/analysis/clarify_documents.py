"""SageMaker Clarify's documents of one job, bias and explanations together where both are asked for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from watchkeeper.analysis.attribution_page import attribution_page, attribution_sections
from watchkeeper.analysis.attribution_report import AttributionReport, attribution_document
from watchkeeper.analysis.attribution_violations import encode_attribution_violations
from watchkeeper.analysis.bias_finding import BiasFinding
from watchkeeper.analysis.bias_judgement import BiasRules
from watchkeeper.analysis.bias_page import bias_page, bias_sections
from watchkeeper.analysis.bias_report import BiasReport, bias_document
from watchkeeper.analysis.bias_violations import encode_bias_violations
from watchkeeper.analysis.explanation import Explanation
from watchkeeper.analysis.facet_group import FacetGroup
from watchkeeper.analysis.finding import Finding
from watchkeeper.analysis.report_page import PageFacts, other_findings, page


@dataclass(frozen=True)
class BiasPart:
    """What a job says of bias; ``rules`` are those that the findings were made by, ``groups`` the counts behind it."""

    report: BiasReport
    baseline: BiasReport | None = None
    findings: Sequence[BiasFinding] = ()
    rules: BiasRules | None = None
    groups: Sequence[FacetGroup] = ()


@dataclass(frozen=True)
class AttributionPart:
    """What a job says of attributions."""

    report: AttributionReport
    baseline: AttributionReport | None = None
    findings: Sequence[Finding] = ()


def encode_analysis(bias: BiasPart | None, attribution: AttributionPart | None) -> bytes:
    """Return ``analysis.json``."""
    document: dict[str, Any] = {"version": "1.0"}
    document |= attribution_document(attribution.report) if attribution else {}
    document |= bias_document(bias.report) if bias else {}
    return json.dumps(document, indent=4, ensure_ascii=False, allow_nan=False).encode()


def encode_clarify_violations(bias: BiasPart | None, attribution: AttributionPart | None) -> bytes | None:
    """Return ``constraint_violations.json``, or ``None`` where nothing is violated."""
    bodies = [
        encode_bias_violations(bias.findings) if bias else None,
        encode_attribution_violations(attribution.findings) if attribution else None,
    ]
    found = [body for body in bodies if body is not None]
    if len(found) < 2:
        return found[0] if found else None
    violations = [violation for body in found for violation in json.loads(body)["violations"]]
    return json.dumps({"version": "1.0", "violations": violations}, indent=4, ensure_ascii=False).encode()


def clarify_page(bias: BiasPart | None, attribution: AttributionPart | None, facts: PageFacts) -> bytes:
    """Return ``report.html``."""
    if attribution is None:
        said = bias or BiasPart(BiasReport())
        return bias_page(said.report, said.baseline, said.findings, facts, rules=said.rules, groups=said.groups)
    if bias is None:
        return attribution_page(attribution.report, attribution.baseline, attribution.findings, facts)
    body, rest = bias_sections(bias.report, bias.baseline, bias.findings, rules=bias.rules, groups=bias.groups)
    more, others = attribution_sections(attribution.report, attribution.baseline, attribution.findings)
    return page("Bias and feature attribution report", facts, *body, *more, other_findings([*rest, *others]))


def encode_local_csv(explanation: Explanation, shown: Sequence[int], headers: Sequence[str]) -> bytes:
    """Return ``explanations_shap/out.csv``: a line a row, in the rows' order, a column ``<feature>_<label>`` each.

    ``shown`` are the places of the features, ``headers`` the labels' names.
    """
    columns = {
        f"{explanation.features[feature]}_{header}": explanation.values[:, feature, label]
        for label, header in enumerate(headers)
        for feature in shown
    }
    return pl.DataFrame(columns).write_csv().encode()
