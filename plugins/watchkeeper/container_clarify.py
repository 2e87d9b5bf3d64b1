"""A container run of SageMaker Clarify's kind: bias and explanations of a dataset, or of a window that is judged."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from watchkeeper.analysis.attribution_judgement import AttributionRules, judge_attribution, judge_sample
from watchkeeper.analysis.attribution_report import attribution_report_of, decode_attribution_report, shown_features
from watchkeeper.analysis.attribution_sample import SampledRows, sample_rows
from watchkeeper.analysis.bias_evaluation import BiasRules, confidence_of_each
from watchkeeper.analysis.bias_judgement import judge_bias
from watchkeeper.analysis.bias_profile import BiasProfile, profile_bias
from watchkeeper.analysis.bias_report import BiasReport, decode_bias_report, groups_of
from watchkeeper.analysis.capture_profile import MalformedLines
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.clarify_dataset import ClarifyDataset, read_clarify_dataset, without_excluded
from watchkeeper.analysis.clarify_documents import (
    AttributionPart,
    BiasPart,
    clarify_page,
    encode_analysis,
    encode_clarify_violations,
    encode_local_csv,
)
from watchkeeper.analysis.clarify_metrics import attribution_points, bias_points
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.finding import Outcome, Verdict
from watchkeeper.analysis.report_page import PageFacts
from watchkeeper.analysis.shap_background import Background, background_of
from watchkeeper.container_clarify_job import ClarifyJob
from watchkeeper.container_job import ContainerJob, open_file
from watchkeeper.container_output import (
    exit_message,
    metric_dimensions,
    metric_moment,
    progress,
    say,
    write_file,
    write_metric_points,
    write_violations,
)
from watchkeeper.errors import ContainerContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchkeeper.analysis.bias_definition import BiasAttributes
    from watchkeeper.analysis.explanation import Explanation
    from watchkeeper.analysis.shap_settings import ShapSettings
    from watchkeeper.container_model import AskedModel

#: Of so many rows the background's prototypes are made at most.
_BACKGROUND_ROWS = 10_000


def analyze_clarify(job: ContainerJob, asked: ClarifyJob) -> str:
    """Do the job, write its files, and return its exit message."""
    started = time.monotonic()
    with ExitStack() as held:
        run = _ClarifyRun(job, asked, held)
        try:
            bias = run.bias(asked.bias) if asked.bias is not None else None
            attribution = run.attribution(asked.shap) if asked.shap is not None else None
        except ModuleNotFoundError as error:
            found, remedy = f"{error.name} is not in this image", "Install shap and scikit-learn in it"
            raise ContainerContractError("analysis_config.json", found, remedy) from error
    if run.is_empty:
        return "Completed: Job completed successfully; the window holds no rows, so there was nothing to judge."
    unjudged = [reason for verdict, reason in run.verdicts if verdict is Verdict.TOO_FEW]
    not_judged = f"Completed: Job completed successfully; not judged: {'; '.join(unjudged)}."
    if bias is None and attribution is None:
        return not_judged
    analysis = encode_analysis(bias, attribution)
    write_file(job.output / "analysis.json", analysis)
    write_file(job.output / "report.html", clarify_page(bias, attribution, run.facts()))
    write_violations(job, encode_clarify_violations(bias, attribution))
    if job.publish_metrics:
        place = metric_dimensions(job), metric_moment(job)
        points = bias_points(analysis, *place) if bias else []
        write_metric_points(job, points + (attribution_points(analysis, *place) if attribution else []))
    if job.postprocessor is not None:
        from watchkeeper.container_scripts import run_postprocessor

        run_postprocessor(job.postprocessor)
    say(f"{run.row_count} rows in {time.monotonic() - started:.2f} s")
    parts = [part for part in (bias, attribution) if part is not None]
    violated = sum(finding.outcome is Outcome.VIOLATED for part in parts for finding in part.findings)
    return not_judged if unjudged and not violated else exit_message(violated)


@dataclass
class _ClarifyRun:
    """One run; the model is opened when it is first asked, and closed with ``held``."""

    job: ContainerJob
    asked: ClarifyJob
    held: ExitStack
    row_count: int = 0
    is_empty: bool = False
    verdicts: list[tuple[Verdict, str]] = field(default_factory=list)

    @property
    def _is_window(self) -> bool:
        return self.job.kind in {"merged", "capture"}

    @cached_property
    def _model(self) -> "AskedModel":
        from watchkeeper.container_model import asked_model

        return self.held.enter_context(asked_model(self.job, self.asked))

    @cached_property
    def _dataset(self) -> ClarifyDataset:
        found = read_clarify_dataset(list(self._files()), self.asked.config, header=self.asked.header)
        self.row_count = len(found.features)
        return found

    def _files(self) -> Iterator[CaptureFile]:
        return map(open_file, self.job.files())

    def bias(self, attributes: "BiasAttributes") -> BiasPart | None:
        """Return what is said of bias; ``None`` where there is no row."""
        baseline = self._baseline(decode_bias_report)
        rules = BiasRules(self.job.dialect, self.job.minimum_rows, 1, self.job.maximum_malformed_share)
        profile = self._profile(attributes)
        _tell(profile.malformed, "merged")
        for reason, count in (profile.state.rejected if profile.state else {}).items():
            say(f"not judged: {count} rows: {reason}")
        if profile.state is None and not profile.malformed.count:
            self.is_empty = True
            return None
        # Without a baseline there is nothing to be judged against, but unreadable data is unreadable all the same.
        judgement = judge_bias(profile, baseline or BiasReport(), rules)
        report, state = judgement.report, profile.state
        if judgement.verdict is Verdict.FAILED or report is None or state is None:
            raise ContainerContractError("dataset", judgement.reason, "See the lines above")
        self.row_count = max(self.row_count, profile.row_count)
        groups = groups_of(state, baseline)[0]
        if baseline is None:
            return BiasPart(report, groups=groups)
        self.verdicts.append((judgement.verdict, f"bias: {judgement.reason}"))
        return BiasPart(
            report, baseline, judgement.findings, replace(rules, confidence=confidence_of_each(rules, report)), groups
        )

    def _profile(self, attributes: "BiasAttributes") -> BiasProfile:
        if self._is_window:
            return profile_bias(self._files(), attributes, on_progress=progress)
        data = self._dataset
        predictions, probabilities = data.predictions, None
        answered: dict[str, str | None] = {}
        if self.asked.asks_model:
            predictions, probabilities = self._model.answers(data.model_rows())
            # Where they stand is here; which of the two it is, is known only now.
            answered["inference_attribute"] = None if predictions is None else "0"
            answered["probability_attribute"] = None if probabilities is None else "0"
        state = data.bias_state(data.config.bias_attributes(**answered), predictions, probabilities)
        rows = state.row_count + state.rejected_count
        return BiasProfile(state, rows, rows, MalformedLines())

    def attribution(self, settings: "ShapSettings") -> AttributionPart | None:
        """Return what is said of attributions; ``None`` where there is nothing to say it of."""
        if self.is_empty:
            return None
        baseline = self._baseline(decode_attribution_report)
        rules = AttributionRules(
            self.job.dialect,
            self.job.minimum_rows,
            self.job.maximum_malformed_share,
            agg_method=settings.agg_method,
            seed=settings.seed,
        )
        sampled = self._sampled(settings)
        _tell(sampled.malformed, "captured")
        if not sampled.line_count:
            self.is_empty = True
            return None
        early = judge_sample(sampled, rules)
        if early is not None and early.verdict is Verdict.FAILED:
            raise ContainerContractError("dataset", early.reason, "See the lines above")
        if early is not None and (baseline is not None or sampled.rows.is_empty()):
            self.verdicts.append((early.verdict, f"attributions: {early.reason}"))
            return None
        self.row_count = max(self.row_count, sampled.row_count)
        explanation = self._explained(sampled.rows, settings)
        report = attribution_report_of(explanation, settings, self.asked.label_headers)
        if settings.save_local_shap_values:
            body = encode_local_csv(explanation, shown_features(explanation.features, settings), list(report.labels))
            write_file(self.job.output / "explanations_shap/out.csv", body)
        if baseline is None:
            return AttributionPart(report)
        judgement = judge_attribution(report, baseline, rules, explanation)
        if judgement.verdict is Verdict.FAILED:
            raise ContainerContractError("baseline_constraints", judgement.reason, "Make it with the same model")
        self.verdicts.append((judgement.verdict, f"attributions: {judgement.reason}"))
        return AttributionPart(report, baseline, judgement.findings)

    def _sampled(self, settings: "ShapSettings") -> SampledRows:
        limit = self.asked.explained_rows
        if self._is_window:
            config = self.asked.config
            reader = FeatureReader(config.input_columns, self.asked.features_attribute)
            found = sample_rows(self._files(), reader, limit, settings.seed)
            return replace(found, rows=without_excluded(found.rows, config))
        rows = self._dataset.model_rows()
        return SampledRows(_drawn(rows, limit, settings.seed), row_count=len(rows), line_count=len(rows))

    def _explained(self, rows: pl.DataFrame, settings: "ShapSettings") -> "Explanation":
        background = background_of(settings, _drawn(rows, _BACKGROUND_ROWS, settings.seed))
        if settings.baseline is None:
            write_file(self.job.output / "explanations_shap/baseline.csv", _csv(background))
        say(f"explaining {len(rows)} rows of {rows.width} features")
        return self._model.explain(rows, background, settings)

    def _baseline[T](self, decode: "Callable[[bytes, str], T]") -> T | None:
        source = self.job.baseline_constraints
        return None if source is None else decode(source.read_bytes(), str(source))

    def facts(self) -> PageFacts:
        """Return the head of the report's page."""
        job, report = self.job, self.asked.config.report or {}
        order = (Verdict.VIOLATED, Verdict.OK, Verdict.TOO_FEW)
        worst = min((verdict for verdict, _ in self.verdicts), key=order.index, default=None)
        return PageFacts(
            job.endpoint_name or str(report.get("title") or "Analysis"),
            window=(job.start, job.end) if job.start and job.end else None,
            verdict=worst,
            reason="; ".join(reason for _, reason in self.verdicts),
            row_count=self.row_count,
        )


def _tell(malformed: MalformedLines, kind: str) -> None:
    for reason, count in malformed.reasons.items():
        say(f"malformed: {count} {kind} lines: {reason}")


def _drawn(rows: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """Return so many rows at most, every one with the same chance, in their order."""
    if limit is None or len(rows) <= limit:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), limit, replace=False))]


def _csv(background: Background) -> bytes:
    """Return the background as a baseline may be given: rows without a header."""
    return background.rows.write_csv(include_header=False).encode()
