"""The explainability monitor of one endpoint: which features the answers came from, against the baseline."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from watchkeeper.analysis.attribution_judgement import AttributionJudgement, judge_attribution, judge_sample
from watchkeeper.analysis.attribution_report import AttributionReport, attribution_report_of, decode_attribution_report
from watchkeeper.analysis.attribution_sample import SampledRows, sample_rows
from watchkeeper.analysis.finding import Verdict
from watchkeeper.analysis.judgement import JudgementRules, judge_traffic
from watchkeeper.analysis.shap_background import Background, decode_background
from watchkeeper.aws.capture_store import CaptureObject, capture_digest
from watchkeeper.aws.window_result import WindowResult, verdict_digest, with_fields
from watchkeeper.errors import DocumentError
from watchkeeper.operators.attribution_rules import (
    attribution_documents,
    attribution_result,
    attribution_rules,
    feature_reader,
    input_columns,
    label_headers,
    shap_settings,
)
from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
from watchkeeper.operators.explained_model import ExplainedModel, run_digest
from watchkeeper.operators.window_judgement import malformed_fields, traffic_class
from watchkeeper.registry.capture_window import Window, period_of

if TYPE_CHECKING:
    from watchkeeper.analysis.explanation import Explanation

BACKGROUND_NAME = "background.parquet"


class AttributionBaseline(NamedTuple):
    """What a window's attributions are compared with, and what they are measured against."""

    report: AttributionReport
    background: Background


@dataclass
class ExplainabilityAnalysis(EndpointAnalysis):
    """Explains a sample of the captured rows and judges the ranking of features."""

    monitor = "explainability"

    _baselines: dict[str, AttributionBaseline] = field(default_factory=dict, init=False)
    _models: dict[str, ExplainedModel] = field(default_factory=dict, init=False)
    _held: ExitStack = field(default_factory=ExitStack, init=False)
    _is_killed: bool = field(default=False, init=False)

    def close(self) -> None:
        """Delete shadow endpoints and settle the count of our requests, as far as there are any."""
        self._models.clear()
        self._held.close()

    def kill(self) -> None:
        """Delete shadow endpoints from a signal handler; no model is asked after it."""
        self._is_killed = True
        for model in list(self._models.values()):
            model.close()

    def analyze(self, variant: str, window: Window) -> WindowResult:
        """Return the window's newest result; the model is asked only where nothing stands there yet."""
        started = time.monotonic()
        spec, reports = self.spec, self.deployment.reports
        chosen = self._pointer.choose(None if self.baseline_choice == "current" else window)
        objects = self._captures.list_window(spec.endpoint_name, variant, window)
        draft = with_fields(
            self.draft(variant, window),
            baseline_version=chosen.version,
            baseline_note=chosen.note,
            object_count=len(objects),
            capture_bytes=sum(item.size for item in objects),
            capture_digest=capture_digest(objects),
            invocation_count=self._invocations(variant, window),
            dialect=spec.explainability.dialect,
        )
        known = reports.read_newest(
            reports.report_folder(spec.registry_id, variant, self.monitor, period_of(window), window)
        )
        if known.result is not None and self._digest(draft, known.result) == known.result.digest:
            self.tell(f"{variant}, {window}: nothing has changed since revision {known.result.revision}")
            return known.result
        baseline = self._baseline(chosen.version)
        sampled = self._sample(objects, baseline.background)
        draft = with_fields(
            draft,
            row_count=sampled.row_count,
            captured_count=sampled.line_count - sampled.malformed.count,
            **malformed_fields(sampled.malformed),
        )
        judgement = self._judged(draft, variant, window, sampled, baseline)
        result = with_fields(
            attribution_result(draft, judgement),
            analysis_seconds=round(time.monotonic() - started, 3),
            **self._configuration(variant, window),
        )
        result = with_fields(result, digest=self._digest(draft, result))
        documents = attribution_documents(result, judgement, baseline.report)
        written = reports.write_result(result, documents, window, known)
        self.tell(
            f"{variant}, {window}: {written.verdict} ({written.reason}); {len(sampled.rows)} of {sampled.row_count} "
            f"rows explained, baseline {chosen.version}, revision {written.revision}"
        )
        return written

    def _digest(self, inputs: WindowResult, counted: WindowResult) -> str:
        lines = (counted.captured_count or 0) + counted.malformed_count
        traffic = traffic_class(lines, counted.row_count or 0, inputs.invocation_count, self._traffic_rules)
        return verdict_digest(
            capture_digest=inputs.capture_digest,
            baseline_version=inputs.baseline_version,
            spec_digest=inputs.spec_digest,
            code_version=inputs.code_version,
            traffic=traffic,
        )

    @property
    def _traffic_rules(self) -> JudgementRules:
        capture = self.spec.capture
        return JudgementRules(sampling_percentage=capture.sampling_percentage, gap_share=capture.gap_share)

    def _baseline(self, version: str) -> AttributionBaseline:
        if version not in self._baselines:
            store, place = self.deployment.baselines, (self.spec.registry_id, self.monitor, version)
            report = decode_attribution_report(
                store.document(*place, "analysis.json"), store.document_uri(*place, "analysis.json")
            )
            background = decode_background(
                store.document(*place, BACKGROUND_NAME), store.document_uri(*place, BACKGROUND_NAME)
            )
            self._refuse_other_features(background, store.document_uri(*place, BACKGROUND_NAME))
            self._baselines[version] = AttributionBaseline(report, background)
        return self._baselines[version]

    def _refuse_other_features(self, background: Background, source: str) -> None:
        """Raise DocumentError where the file names other features by now: rows would be sent in another order."""
        names, known = input_columns(self.spec), tuple(background.rows.columns)
        if names is not None and names != known:
            found = f"it was made with {len(known)} features, {', '.join(known[:5])}{', …' if len(known) > 5 else ''}"
            remedy = "capture.input_columns names others, or in another order: make the baseline anew."
            raise DocumentError(source, found, remedy)

    def _sample(self, objects: tuple[CaptureObject, ...], background: Background) -> SampledRows:
        monitor = self.spec.explainability
        reader = feature_reader(self.spec, tuple(background.rows.columns))
        files = (self._captures.open(item) for item in objects)
        seed = shap_settings(self.spec).seed
        return sample_rows(files, reader, monitor.sample_rows, seed).fitting(background.rows.schema)

    def _judged(
        self, draft: WindowResult, variant: str, window: Window, sampled: SampledRows, baseline: AttributionBaseline
    ) -> AttributionJudgement:
        rules = attribution_rules(self.spec)
        # Whether there is anything to judge comes first: asking a model costs time and money.
        early = judge_sample(sampled, rules)
        if early is not None and early.verdict is Verdict.FAILED:
            return early
        missing = judge_traffic(sampled.line_count, sampled.row_count, self._traffic_rules, draft.invocation_count)
        if missing is not None:
            return AttributionJudgement(*missing)
        if early is not None:
            return early
        explanation = self._explain(variant, window, sampled, baseline.background)
        settings, headers = shap_settings(self.spec), label_headers(self.spec)
        report = attribution_report_of(explanation, settings, headers)
        if self.spec.explainability.local_values:
            from watchkeeper.analysis.local_shap import encode_local_shap

            body = encode_local_shap(sampled, explanation, headers)
            uri = self.deployment.explanations.write(self.spec.registry_id, variant, window, body)
            self.tell(f"{variant}, {window}: explanations of {explanation.row_count} rows are at {uri}")
        return judge_attribution(report, baseline.report, rules, explanation)

    def _explain(self, variant: str, window: Window, sampled: SampledRows, background: Background) -> "Explanation":
        if variant not in self._models:
            digest = run_digest(self.dag_id, self.run_id)
            model = ExplainedModel(self.deployment, self.spec, variant, digest, self.tell, self.warn)
            self._models[variant] = self._held.enter_context(model)
            # Killed before this one was known: `kill` could not close it.
            if self._is_killed:
                model.close()
        rows = sampled.rows.select(background.rows.columns)
        self.tell(f"{variant}, {window}: explaining {len(rows)} rows of {rows.width} features")
        explanation = self._models[variant].explain(rows, background)
        self.tell(
            f"{variant}, {window}: the model was asked for {explanation.row_count_asked:,} rows in "
            f"{explanation.call_count} batches"
        )
        return explanation
