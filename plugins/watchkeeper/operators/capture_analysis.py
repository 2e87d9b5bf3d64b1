"""The data quality monitor of one endpoint: read captures or kept states, judge, write result, documents and state."""

import time
from dataclasses import dataclass, field

from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline
from watchkeeper.analysis.constraint_set import decode_constraints
from watchkeeper.analysis.dataset_statistics import decode_statistics
from watchkeeper.analysis.judgement import judge
from watchkeeper.analysis.profile_file import decode_profile, encode_profile
from watchkeeper.analysis.profile_merge import merge_profiles
from watchkeeper.aws.capture_store import CaptureObject, CaptureStore, capture_digest
from watchkeeper.aws.report_store import StateFacts
from watchkeeper.aws.window_result import WindowResult, verdict_digest, with_fields
from watchkeeper.errors import DocumentError
from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
from watchkeeper.operators.window_judgement import (
    capture_schema,
    code_version,
    judged_result,
    judgement_rules,
    result_documents,
    schema_digest,
    traffic_class,
)
from watchkeeper.registry.capture_window import Window, period_of


@dataclass
class DataQualityAnalysis(EndpointAnalysis):
    """Judges captured columns against the baseline."""

    monitor = "data_quality"

    _baselines: dict[str, Baseline] = field(default_factory=dict, init=False)

    def analyze(self, variant: str, window: Window) -> WindowResult:
        """Return the window's newest result: from captures, or for a day from the kept states of its hours."""
        started = time.monotonic()
        spec, reports, captures = self.spec, self.deployment.reports, self._captures
        chosen = self._pointer.choose(None if self.baseline_choice == "current" else window)
        objects = captures.list_window(spec.endpoint_name, variant, window)
        invocations = self._invocations(variant, window)
        draft = with_fields(
            self.draft(variant, window),
            baseline_version=chosen.version,
            baseline_note=chosen.note,
            object_count=len(objects),
            capture_bytes=sum(item.size for item in objects),
            capture_digest=capture_digest(objects),
            invocation_count=invocations,
        )
        known = reports.read_newest(
            reports.report_folder(spec.registry_id, variant, self.monitor, period_of(window), window)
        )
        earlier = known.result
        if earlier is not None and self._digest(draft, earlier) == earlier.digest:
            self.tell(f"{variant}, {window}: nothing has changed since revision {earlier.revision}; nothing is written")
            return earlier
        baseline = self._baseline(chosen.version)
        schema = capture_schema(spec, baseline.constraints)
        profile = self._profile(captures, variant, window, objects, schema)
        judgement = judge(profile, baseline, judgement_rules(spec), invocations=invocations)
        result = judged_result(draft, spec, profile, baseline, judgement)
        result = with_fields(
            result,
            digest=self._digest(draft, result),
            analysis_seconds=round(time.monotonic() - started, 3),
            **self._configuration(variant, window),
        )
        written = reports.write_result(result, result_documents(judgement), window, known)
        self.tell(
            f"{variant}, {window}: {written.verdict} ({written.reason}); {written.row_count} rows of "
            f"{len(objects)} files, baseline {chosen.version}, revision {written.revision}"
            + (f"; note: {chosen.note}" if chosen.note else "")
        )
        return written

    def _digest(self, inputs: WindowResult, counted: WindowResult) -> str:
        """Return the digest of the verdict on ``inputs``, whose captures hold what ``counted`` says."""
        lines = (counted.captured_count or 0) + counted.malformed_count
        rules = judgement_rules(self.spec)
        traffic = traffic_class(lines, counted.row_count or 0, inputs.invocation_count, rules)
        return verdict_digest(
            capture_digest=inputs.capture_digest,
            baseline_version=inputs.baseline_version,
            spec_digest=inputs.spec_digest,
            code_version=inputs.code_version,
            traffic=traffic,
        )

    def _baseline(self, version: str) -> Baseline:
        if version not in self._baselines:
            constraints, statistics = self._documents(version)
            self._baselines[version] = Baseline(decode_constraints(*constraints), decode_statistics(*statistics))
        return self._baselines[version]

    def _profile(
        self,
        captures: CaptureStore,
        variant: str,
        window: Window,
        objects: tuple[CaptureObject, ...],
        schema: CaptureSchema,
    ) -> CaptureProfile:
        """Return the window's profile: its one hour's, or the merge of its hours in time order."""
        hours = window.hours()
        if len(hours) == 1:
            return self._hour_profile(captures, variant, hours[0], objects, schema)
        profiles = []
        for hour in hours:
            mine = tuple(item for item in objects if f"/{variant}/{hour.start_path}/" in item.key)
            if mine:
                profiles.append(self._hour_profile(captures, variant, hour, mine, schema))
        return merge_profiles(profiles)

    def _hour_profile(
        self,
        captures: CaptureStore,
        variant: str,
        hour: Window,
        objects: tuple[CaptureObject, ...],
        schema: CaptureSchema,
    ) -> CaptureProfile:
        """Return an hour's profile: from its stored state if that was made of the very same files, else from them."""
        reports, name = self.deployment.reports, self.spec.registry_id
        if not objects:
            return merge_profiles([])
        digest, names = capture_digest(objects), schema_digest(schema)
        stored = reports.read_state(name, variant, self.monitor, hour)
        if stored is not None:
            body, facts = stored
            if (facts.capture_digest, facts.schema_digest, facts.code_version) == (digest, names, code_version()):
                try:
                    return decode_profile(body)
                except DocumentError as error:
                    self.warn(f"{variant}, {hour}: the stored state is rebuilt from captures: {error}")
        profile = profile_capture([captures.open(item) for item in objects], schema)
        facts = StateFacts(
            capture_digest=digest,
            code_version=code_version(),
            schema_digest=names,
            row_count=profile.row_count,
            captured_count=profile.invocation_count,
            malformed_count=profile.malformed.count,
            line_count=profile.line_count,
        )
        reports.write_state(name, variant, self.monitor, hour, encode_profile(profile), facts)
        return profile
