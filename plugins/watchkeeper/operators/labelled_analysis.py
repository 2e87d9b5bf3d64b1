"""What the monitors that judge by labels share: when a window is ripe, its merged hours, and their kept states."""

import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.analysis.finding import Verdict
from watchkeeper.analysis.merged_reader import LabelledProfile
from watchkeeper.aws.report_store import StateFacts
from watchkeeper.aws.window_result import WindowResult, verdict_digest, with_fields
from watchkeeper.errors import DocumentError
from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
from watchkeeper.operators.ripe_windows import merge_digest_of
from watchkeeper.operators.window_judgement import code_version, malformed_fields
from watchkeeper.registry.capture_window import Window, period_of
from watchkeeper.registry.label_ripeness import LabelRipeness, label_ripeness

if TYPE_CHECKING:
    from watchkeeper.analysis.capture_records import CaptureFile
    from watchkeeper.aws.baseline_store import ChosenBaseline
    from watchkeeper.aws.merge_manifest import MergeManifest
    from watchkeeper.aws.merged_store import MergedWindow


@dataclass
class LabelledAnalysis[P: LabelledProfile[Any]](EndpointAnalysis):
    """Judges captures against the labels that have come for them: ``labels_pending`` until a window is ripe."""

    @property
    @abstractmethod
    def dialect(self) -> str:
        """The dialect of the monitor's rules."""

    @property
    @abstractmethod
    def reading(self) -> str:
        """A digest of how records are read: only states of the same may be merged."""

    @abstractmethod
    def read(self, parts: Iterable["CaptureFile"]) -> P:
        """Return the profile of merged records."""

    @abstractmethod
    def merge(self, profiles: list[P]) -> P:
        """Return the profile of a window from those of its hours, in their order."""

    @abstractmethod
    def encode(self, profile: P) -> bytes:
        """Return a profile as it is kept."""

    @abstractmethod
    def decode(self, body: bytes) -> P:
        """Return a kept profile; DocumentError if it cannot be read."""

    @abstractmethod
    def judge(
        self, draft: WindowResult, profile: P, chosen: "ChosenBaseline"
    ) -> tuple[WindowResult, Mapping[str, bytes]]:
        """Return ``draft`` with what the monitor says of a profile, and the documents of the window."""

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
            dialect=self.dialect,
        )
        documents: Mapping[str, bytes] = {}
        waiting = self._waits(variant, window, merged, ripeness)
        if waiting is None:
            draft, documents = self._judged(draft, merged, ripeness)
        else:
            verdict, reason = waiting
            inputs = "" if verdict is Verdict.LABELS_PENDING else merged.digest
            draft = with_fields(draft, verdict=verdict.value, reason=reason)
            draft = with_fields(draft, digest=self._digest(draft, inputs, verdict.value))
        folder = reports.report_folder(spec.registry_id, variant, self.monitor, period_of(window), window)
        known = reports.read_newest(folder)
        if known.result is not None and known.result.digest == draft.digest:
            self.tell(f"{variant}, {window}: nothing has changed since revision {known.result.revision}")
            return known.result
        result = with_fields(
            draft, analysis_seconds=round(time.monotonic() - started, 3), **self._configuration(variant, window)
        )
        written = reports.write_result(result, documents, window, known)
        self.tell(f"{variant}, {window}: {written.verdict} ({written.reason}); revision {written.revision}")
        return written

    def _waits(
        self, variant: str, window: Window, merged: "MergedWindow", ripeness: LabelRipeness
    ) -> tuple[Verdict, str] | None:
        """Return why a window cannot be judged by labels (yet), or ``None`` if it can."""
        spec = self.spec
        captured = {hour for hour, files in self._captured_hours(variant, window).items() if files}
        unmerged = captured - {Window.from_name(manifest.hour) for manifest in merged.manifests}
        over = ripeness.state == "waited" or label_ripeness(spec.labels, 1, 0, window.end, datetime.now(UTC)).is_ripe
        if unmerged and not over:
            reason = f"{len(unmerged)} captured hours are not merged with labels yet: that is the DAG ground_truth's"
            return Verdict.LABELS_PENDING, reason
        if unmerged and not merged.captured_count:
            reason = f"{len(unmerged)} captured hours were never merged with labels: see the runs of ground_truth"
            return Verdict.FAILED, reason
        if not merged.captured_count:
            return Verdict.NO_TRAFFIC, "no row was captured"
        if not ripeness.is_ripe:
            return Verdict.LABELS_PENDING, ripeness.reason
        if not merged.matched_count:
            return Verdict.FAILED, ripeness.reason
        return None

    def _captured_hours(self, variant: str, window: Window) -> dict[Window, int]:
        found = self._captures.list_hours(self.spec.endpoint_name, variant, window)
        return {hour: len(objects) for hour, objects in found.items()}

    def _judged(
        self, draft: WindowResult, merged: "MergedWindow", ripeness: LabelRipeness
    ) -> tuple[WindowResult, Mapping[str, bytes]]:
        chosen = self._pointer.choose(None if self.baseline_choice == "current" else merged.window)
        draft = with_fields(draft, baseline_version=chosen.version, baseline_note=chosen.note)
        profile = self.merge([self._hour_profile(manifest) for manifest in merged.manifests])
        draft = with_fields(draft, row_count=profile.row_count, label_state=ripeness.state)
        draft = with_fields(draft, **malformed_fields(profile.malformed), digest=self._digest(draft, merged.digest, ""))
        result, documents = self.judge(draft, profile, chosen)
        return with_fields(result, reason=f"{result.reason}; {ripeness.reason}"), documents

    def _digest(self, draft: WindowResult, merged: str, state: str) -> str:
        return verdict_digest(
            capture_digest=merged,
            baseline_version=draft.baseline_version,
            spec_digest=draft.spec_digest,
            code_version=draft.code_version,
            traffic=state,
        )

    def _hour_profile(self, manifest: "MergeManifest") -> P:
        """Return an hour's profile: from its kept state if that was made of the very same records, else from them."""
        reports, name, variant = self.deployment.reports, self.spec.registry_id, manifest.variant
        hour = Window.from_name(manifest.hour)
        key = (manifest.digest, self.reading, code_version())
        stored = reports.read_state(name, variant, self.monitor, hour)
        if stored is not None:
            body, facts = stored
            if (facts.capture_digest, facts.schema_digest, facts.code_version) == key:
                try:
                    return self.decode(body)
                except DocumentError as error:
                    self.warn(f"{variant}, {hour}: the kept state is made again from merged records: {error}")
        profile = self.read(self.deployment.merged.open_parts(manifest))
        facts = StateFacts(
            capture_digest=key[0],
            code_version=key[2],
            schema_digest=key[1],
            row_count=profile.row_count,
            captured_count=profile.record_count,
            malformed_count=profile.malformed.count,
            line_count=profile.line_count,
        )
        reports.write_state(name, variant, self.monitor, hour, self.encode(profile), facts)
        return profile
