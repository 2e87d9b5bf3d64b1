"""Between registry and analysis, which do not know each other: the bias monitor's rules, its judgement as a result."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from watchkeeper.analysis.bias_definition import BiasAttributes, Facet
from watchkeeper.analysis.bias_evaluation import confidence_of_each
from watchkeeper.analysis.bias_judgement import BiasRules
from watchkeeper.analysis.bias_page import bias_page
from watchkeeper.analysis.bias_report import BiasReport, encode_bias_report, groups_of
from watchkeeper.analysis.bias_violations import encode_bias_violations
from watchkeeper.analysis.clarify_config import ClarifyConfig, read_clarify_config
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.aws.window_result import with_fields
from watchkeeper.errors import DatasetError, DocumentError
from watchkeeper.operators.window_judgement import finding_fields, page_facts

if TYPE_CHECKING:
    from watchkeeper.analysis.bias_judgement import BiasJudgement
    from watchkeeper.analysis.bias_state import BiasState
    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.registry.baseline_spec import BiasBaselineSpec
    from watchkeeper.registry.endpoint_spec import EndpointSpec


@dataclass(frozen=True)
class BiasBaseline:
    """What a window is judged against; the counts are ``None`` where only the document is known."""

    report: BiasReport
    state: "BiasState | None"


_ANSWERS = ("inference_attribute", "probability_attribute", "probability_threshold", "ground_truth_attribute")


def bias_attributes(spec: "EndpointSpec") -> BiasAttributes:
    """Return facets and labels, and where answers stand.

    What the monitor's section does not say is as in Clarify's config there, else as in model quality's section.
    DocumentError tells every fault of that config.
    """
    bias = spec.bias
    given: dict[str, Any] = {
        "facets": tuple(Facet(facet.name, facet.values_or_threshold) for facet in bias.facets),
        "intersections": bias.intersections,
        "label_values_or_threshold": bias.label_values_or_threshold,
        "group_variable": bias.group_variable,
        "features_attribute": bias.features_attribute,
        "input_columns": spec.capture.input_columns,
        "output_columns": spec.capture.output_columns,
        **{name: getattr(bias, name) for name in _ANSWERS},
    }
    known = {name: value for name, value in given.items() if value not in (None, ())}
    try:
        if isinstance(bias.analysis_config, dict):
            return _with_config(spec, bias.analysis_config, known)
        return BiasAttributes(**{**_as_model_quality(spec, known), **known})
    except ValueError as error:
        remedy = "Correct the endpoint's file, or its analysis_config."
        raise DocumentError(f"{spec.registry_id}: monitors.bias", str(error), remedy) from error


def _with_config(spec: "EndpointSpec", document: dict[str, Any], known: dict[str, Any]) -> BiasAttributes:
    config = read_clarify_config(document, f"{spec.registry_id}: monitors.bias.analysis_config")
    quality = _as_model_quality(spec, known)
    said = {**_as_predictor(config, known), **known}
    if config.predicted_label is None and not _says_answers(said):
        said = {**{name: quality[name] for name in _ANSWERS[:3] if name in quality}, **said}
    if not config.is_json:
        # A dataset's column says nothing of labels that come by themselves.
        said = {"ground_truth_attribute": quality.get("ground_truth_attribute"), **said}
    attributes = config.bias_attributes(**said)
    if config.post_training_metrics and not attributes.has_predictions:
        message = "nothing says where predictions stand; add inference_attribute or probability_attribute"
        raise ValueError(message)
    return attributes


def _as_predictor(config: ClarifyConfig, known: dict[str, Any]) -> dict[str, Any]:
    """Return where Clarify's predictor says that a model's answers stand: captured answers are as it has them."""
    if config.predicted_label is not None or not config.predictor or _says_answers(known):
        return {}
    named = {"inference_attribute": "label", "probability_attribute": "probability"}
    return {name: str(at) for name, key in named.items() if (at := config.predictor.get(key)) is not None}


def _says_answers(known: dict[str, Any]) -> bool:
    return "inference_attribute" in known or "probability_attribute" in known


def _as_model_quality(spec: "EndpointSpec", known: dict[str, Any]) -> dict[str, Any]:
    """Return what model quality's section says of answers and labels, as far as it is wanted."""
    quality = spec.monitors.model_quality
    if quality is None:
        return {}
    said = quality.attributes()
    # Whoever says where the answer stands means that and no other.
    wanted = ("ground_truth_attribute",) if _says_answers(known) else _ANSWERS
    found = {name: said[name] for name in wanted if said[name] is not None}
    if quality.problem_type == "BinaryClassification":
        found["label_values_or_threshold"] = (quality.positive_label,)
    return found


def dataset_attributes(spec: "EndpointSpec", source: "BiasBaselineSpec") -> BiasAttributes:
    """Return facets and labels, and which columns of a dataset hold the answers: as its source says, else as above."""
    attributes = replace(
        bias_attributes(spec),
        ground_truth_attribute=source.ground_truth_attribute,
        input_columns=None,
        features_attribute=None,
    )
    if source.inference_attribute is None and source.probability_attribute is None:
        for path in (attributes.inference, attributes.probability):
            if path is not None and path.position is not None:
                # That counts the fields of the model's output: in a dataset, any other column may stand there.
                found = f"the monitor's answer is field {path.position} of the output, which names no column"
                remedy = "Name the column as baseline.bias.inference_attribute or probability_attribute."
                raise DatasetError("dataset", found, remedy)
        return attributes
    return replace(
        attributes,
        inference_attribute=source.inference_attribute,
        probability_attribute=source.probability_attribute,
    )


def bias_rules(spec: "EndpointSpec") -> BiasRules:
    """Return what an endpoint's file says about judging labelled windows."""
    monitor = spec.bias
    return BiasRules(
        dialect=Dialect(monitor.dialect),
        minimum_rows=monitor.minimum_rows,
        minimum_group_rows=monitor.minimum_group_rows,
        maximum_malformed_share=monitor.maximum_malformed_share,
        thresholds=monitor.thresholds,
        confidence=monitor.confidence,
        tolerance=monitor.tolerance,
    )


def bias_result(draft: "WindowResult", judgement: "BiasJudgement") -> "WindowResult":
    """Return ``draft`` with everything that the judgement says; ``metrics`` by facet, value and metric.

    An infinity is told by its finding and by ``analysis.json``: JSON has no number for it.
    """
    observed = {finding.feature: finding.observed for finding in judgement.findings}
    return with_fields(
        draft,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        **finding_fields(judgement.findings),
        metrics={key: value for key, value in observed.items() if value is not None and math.isfinite(value)},
    )


def bias_documents(
    result: "WindowResult",
    judgement: "BiasJudgement",
    state: "BiasState | None",
    baseline: BiasBaseline,
    rules: BiasRules,
) -> dict[str, bytes]:
    """Return Clarify's documents of the window and its page; none where no row was judged."""
    if judgement.report is None or state is None:
        return {}
    violations = encode_bias_violations(judgement.findings)
    groups, _ = groups_of(state, baseline.report)
    before = groups_of(baseline.state, baseline.report)[0] if baseline.state is not None else []
    facts, shown = page_facts(result), replace(rules, confidence=confidence_of_each(rules, judgement.report))
    documents = {
        "analysis.json": encode_bias_report(judgement.report),
        "report.html": bias_page(
            judgement.report,
            baseline.report,
            judgement.findings,
            facts,
            rules=shown,
            groups=groups,
            baseline_groups=before,
        ),
    }
    return documents | ({"constraint_violations.json": violations} if violations else {})
