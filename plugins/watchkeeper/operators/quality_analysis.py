"""The model quality monitor of one endpoint: read merged records or kept states, judge, write result and documents."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.analysis.finding import Verdict
from watchkeeper.analysis.merged_profile import QualityProfile, merge_quality_profiles, profile_merged
from watchkeeper.analysis.profile_file import decode_quality_profile, encode_quality_profile
from watchkeeper.analysis.quality_constraints import decode_quality_constraints
from watchkeeper.analysis.quality_evaluation import QualityBaseline
from watchkeeper.analysis.quality_judgement import QualityJudgement, judge_quality
from watchkeeper.analysis.quality_statistics import decode_quality_statistics
from watchkeeper.aws.report_store import StateFacts
from watchkeeper.aws.window_result import WindowResult, verdict_digest, with_fields
from watchkeeper.errors import DocumentError
from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
from watchkeeper.operators.quality_rules import (
    quality_attributes,
    quality_documents,
    quality_result,
    quality_rules,
)
from watchkeeper.operators.ripe_windows import merge_digest_of
from watchkeeper.operators.window_judgement import code_version
from watchkeeper.registry.capture_window import Window, period_of
from watchkeeper.registry.label_ripeness import LabelRipeness, label_ripeness

if TYPE_CHECKING:
    from watchkeeper.aws.merge_manifest import MergeManifest
    from watchkeeper.aws.merged_store import MergedWindow


@dataclass
class ModelQualityAnalysis(EndpointAnalysis):
    """Judges captured predictions against the labels that have come for them."""

    monitor = "model_quality"

    _baselines: dict[str, QualityBaseline] = field(default_factory=dict, init=False)

    def analyze(self, variant: str, window: Window) -> WindowResult:
        """Return the window's newest result: ``labels_pending`` until it is ripe, then from its merged records."""
        started = time.monotonic()
        spec, reports = self.spec, self.deployment.reports
        # Listed before the manifests are read: what changes in between makes the window due again.
        listed = self.deployment.merged.list_hours(spec.registry_id, variant, window)
        merged = self.deployment.merged.read_window(spec.registry_id, variant, window)
        ripeness = label_ripeness(
            spec.labels, merged.captured_count, merged.matched_count, window.end, datetime.now(UTC)
        )
        draft = with_fields(
            self.draft(variant, window),
            captured_count=merged.captured_count,
            matched_count=merged.matched_count,
            label_coverage=merged.coverage,
            object_count=sum(manifest.capture_object_count for manifest in merged.manifests),
            merge_digest=merge_digest_of(listed, window),
            dialect=spec.model_quality.dialect,
        )
        waiting = self._waits(variant, window, merged, ripeness)
        if waiting is None:
            judged = self._judged(draft, merged, ripeness)
            draft, judgement = judged
        else:
            judgement = waiting
            inputs = "" if waiting.verdict is Verdict.LABELS_PENDING else merged.digest
            draft = with_fields(draft, digest=self._digest(draft, inputs, waiting.verdict.value))
        folder = reports.report_folder(spec.registry_id, variant, self.monitor, period_of(window), window)
        known = reports.read_newest(folder)
        if known.result is not None and known.result.digest == draft.digest:
            self.tell(f"{variant}, {window}: nothing has changed since revision {known.result.revision}")
            return known.result
        result = with_fields(
            quality_result(draft, judgement),
            reason=judgement.reason if waiting is not None else f"{judgement.reason}; {ripeness.reason}",
            analysis_seconds=round(time.monotonic() - started, 3),
            **self._configuration(variant, window),
        )
        written = reports.write_result(result, quality_documents(judgement), window, known)
        self.tell(f"{variant}, {window}: {written.verdict} ({written.reason}); revision {written.revision}")
        return written

    def _waits(
        self, variant: str, window: Window, merged: "MergedWindow", ripeness: LabelRipeness
    ) -> QualityJudgement | None:
        """Return why a window cannot be judged by labels (yet), or ``None`` if it can."""
        spec = self.spec
        captured = {hour for hour, files in self._captured_hours(variant, window).items() if files}
        unmerged = captured - {Window.from_name(manifest.hour) for manifest in merged.manifests}
        over = ripeness.state == "waited" or label_ripeness(spec.labels, 1, 0, window.end, datetime.now(UTC)).is_ripe
        if unmerged and not over:
            reason = f"{len(unmerged)} captured hours are not merged with labels yet: that is the DAG ground_truth's"
            return QualityJudgement(Verdict.LABELS_PENDING, reason)
        if unmerged and not merged.captured_count:
            reason = f"{len(unmerged)} captured hours were never merged with labels: see the runs of ground_truth"
            return QualityJudgement(Verdict.FAILED, reason)
        if not merged.captured_count:
            return QualityJudgement(Verdict.NO_TRAFFIC, "no row was captured")
        if not ripeness.is_ripe:
            return QualityJudgement(Verdict.LABELS_PENDING, ripeness.reason)
        if not merged.matched_count:
            return QualityJudgement(Verdict.FAILED, ripeness.reason)
        return None

    def _captured_hours(self, variant: str, window: Window) -> dict[Window, int]:
        found = self._captures.list_hours(self.spec.endpoint_name, variant, window)
        return {hour: len(objects) for hour, objects in found.items()}

    def _judged(
        self, draft: WindowResult, merged: "MergedWindow", ripeness: LabelRipeness
    ) -> tuple[WindowResult, QualityJudgement]:
        chosen = self._pointer.choose(None if self.baseline_choice == "current" else merged.window)
        draft = with_fields(draft, baseline_version=chosen.version, baseline_note=chosen.note)
        profile = self._profile(merged)
        judgement = judge_quality(profile, self._baseline(chosen.version), quality_rules(self.spec))
        draft = with_fields(
            draft,
            row_count=profile.row_count,
            malformed_count=profile.malformed.count,
            malformed_samples=tuple(
                f"{sample.file}, line {sample.line}: {sample.reason}" for sample in profile.malformed.samples
            ),
            label_state=ripeness.state,
        )
        return with_fields(draft, digest=self._digest(draft, merged.digest, "")), judgement

    def _digest(self, draft: WindowResult, merged: str, state: str) -> str:
        return verdict_digest(
            capture_digest=merged,
            baseline_version=draft.baseline_version,
            spec_digest=draft.spec_digest,
            code_version=draft.code_version,
            traffic=state,
        )

    def _baseline(self, version: str) -> QualityBaseline:
        if version not in self._baselines:
            constraints, statistics = self._documents(version)
            self._baselines[version] = QualityBaseline(
                decode_quality_constraints(*constraints), decode_quality_statistics(*statistics)
            )
        return self._baselines[version]

    def _profile(self, merged: "MergedWindow") -> QualityProfile:
        return merge_quality_profiles([self._hour_profile(manifest) for manifest in merged.manifests])

    def _hour_profile(self, manifest: "MergeManifest") -> QualityProfile:
        """Return an hour's profile: from its kept state if that was made of the very same records, else from them."""
        reports, name, variant = self.deployment.reports, self.spec.registry_id, manifest.variant
        hour, attributes = Window.from_name(manifest.hour), quality_attributes(self.spec)
        key = (manifest.digest, attributes.digest(), code_version())
        stored = reports.read_state(name, variant, self.monitor, hour)
        if stored is not None:
            body, facts = stored
            if (facts.capture_digest, facts.schema_digest, facts.code_version) == key:
                try:
                    return decode_quality_profile(body)
                except DocumentError as error:
                    self.warn(f"{variant}, {hour}: the kept state is made again from merged records: {error}")
        profile = profile_merged(self.deployment.merged.open_parts(manifest), attributes)
        facts = StateFacts(
            capture_digest=key[0],
            code_version=key[2],
            schema_digest=key[1],
            row_count=profile.row_count,
            captured_count=profile.record_count,
            malformed_count=profile.malformed.count,
            line_count=profile.line_count,
        )
        reports.write_state(name, variant, self.monitor, hour, encode_quality_profile(profile), facts)
        return profile
