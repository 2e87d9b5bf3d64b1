"""The analysis of one endpoint's windows: read captures or states, judge, write result, documents and state."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline
from watchkeeper.analysis.constraint_set import decode_constraints
from watchkeeper.analysis.dataset_statistics import decode_statistics
from watchkeeper.analysis.judgement import judge
from watchkeeper.analysis.profile_file import decode_profile, encode_profile
from watchkeeper.analysis.profile_merge import merge_profiles
from watchkeeper.aws.capture_store import CaptureObject, CaptureStore, capture_digest
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.report_store import StateFacts
from watchkeeper.aws.sagemaker_hook import EndpointHook, LiveEndpoint
from watchkeeper.aws.window_result import WindowResult, verdict_digest, with_fields
from watchkeeper.errors import DocumentError, EndpointStateError, PermissionMissingError
from watchkeeper.operators.window_judgement import (
    capture_schema,
    code_version,
    judged_result,
    judgement_rules,
    result_documents,
    schema_digest,
    traffic_class,
)
from watchkeeper.registry.capture_window import Period, Window, moment_text
from watchkeeper.registry.window_rules import MAKE_GOOD_WITHIN

if TYPE_CHECKING:
    from watchkeeper.aws.baseline_store import BaselinePointer
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

MONITOR: Final = "data_quality"
Tell = Callable[[str], None]


@dataclass
class EndpointAnalysis:
    """Judges windows of one endpoint. ``tell`` and ``warn`` take sentences for the task's log, no captured value."""

    deployment: "Deployment"
    spec: "EndpointSpec"
    period: Period
    run_id: str
    baseline_choice: str
    tell: Tell
    warn: Tell
    _baselines: dict[str, Baseline] = field(default_factory=dict)
    _live: "LiveEndpoint | None" = None
    _live_known: bool = False

    # Clients cost a tenth of a second each: one of a kind for all windows.

    @cached_property
    def _access(self) -> "AwsAccess":
        return self.deployment.access_of(self.spec)

    @cached_property
    def _pointer(self) -> "BaselinePointer":
        return self.deployment.baselines.pointer(self.spec.registry_id, MONITOR)

    @cached_property
    def _captures(self) -> CaptureStore:
        return CaptureStore(self.spec.capture.s3_uri, self._access.client("s3"))

    @cached_property
    def _cloudwatch(self) -> CloudWatchHook:
        return self._access.open(CloudWatchHook)

    def analyze(self, variant: str, window: Window) -> WindowResult:
        """Return the window's newest result, judged now unless the same verdict stands there already."""
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
        known = reports.read_newest(reports.report_folder(spec.registry_id, variant, MONITOR, self.period, window))
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

    def draft(self, variant: str, window: Window) -> WindowResult:
        """Return a result that says who and when, and not yet what."""
        spec = self.spec
        return WindowResult(
            endpoint=spec.registry_id,
            endpoint_name=spec.endpoint_name,
            variant=variant,
            monitor=MONITOR,
            period=self.period,
            window=window.name,
            verdict="failed",
            reason="",
            digest="",
            spec_digest=spec.digest(MONITOR),
            code_version=code_version(),
            owner=spec.owner,
            model_version=spec.model_version,
            analyzed_at=moment_text(datetime.now(UTC)),
            run_id=self.run_id,
        )

    def record_failure(self, variant: str, window: Window, reason: str) -> WindowResult:
        """Record that the window could not be judged; a judged result that stands there stays and is returned."""
        draft = with_fields(self.draft(variant, window), reason=reason, could_not_judge=True)
        return self.deployment.reports.write_result(with_fields(draft, digest=_failure_digest(draft)), {}, window)

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
            store, name = self.deployment.baselines, self.spec.registry_id

            def read(document: str) -> tuple[bytes, str]:
                return (
                    store.document(name, MONITOR, version, document),
                    store.document_uri(name, MONITOR, version, document),
                )

            self._baselines[version] = Baseline(
                decode_constraints(*read("constraints.json")), decode_statistics(*read("statistics.json"))
            )
        return self._baselines[version]

    def _invocations(self, variant: str, window: Window) -> float | None:
        """Return the endpoint's own count; without the permission it is unknown, which is no reason to stop."""
        try:
            return self._cloudwatch.invocation_count(self.spec.endpoint_name, variant, window)
        except PermissionMissingError as error:
            self.warn(f"Invocations are unknown, so capture gaps cannot be told from quiet hours: {error}")
            return None

    # ---- profiles

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
        stored = reports.read_state(name, variant, MONITOR, hour)
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
        reports.write_state(name, variant, MONITOR, hour, encode_profile(profile), facts)
        return profile

    # ---- the endpoint's configuration

    def _configuration(self, variant: str, window: Window) -> dict[str, str | None]:
        """Return the configuration in service at the window's end, and the change if it was made in the window."""
        live = self._live_endpoint(window)
        config = live.config_in(window) if live is not None else None
        if live is None or config is None or not live.changed_in(window):
            return {"endpoint_config": config}
        before = self.deployment.reports.read_result(
            self.spec.registry_id, variant, MONITOR, self.period, window.previous()
        )
        was = (before.endpoint_config if before else None) or "unknown"
        version = (before.model_version if before else None) or "unknown"
        return {
            "endpoint_config": config,
            "config_change": (
                f"the endpoint was modified at {moment_text(live.last_modified)}: configuration {was} before, {config} "
                f"after; model version {version} before, {self.spec.model_version or 'unknown'} after"
            ),
        }

    def _live_endpoint(self, window: Window) -> "LiveEndpoint | None":
        # SageMaker remembers an endpoint's last change only: of older windows it cannot tell anything.
        if datetime.now(UTC) - window.end > MAKE_GOOD_WITHIN:
            return None
        if not self._live_known:
            self._live_known = True
            hook = self._access.open(EndpointHook)
            try:
                self._live = hook.live_endpoint(self.spec.endpoint_name)
            except (PermissionMissingError, EndpointStateError) as error:
                self.warn(f"Changes of the endpoint's configuration cannot be seen: {error}")
        return self._live


def _failure_digest(draft: WindowResult) -> str:
    return verdict_digest(
        capture_digest=draft.capture_digest,
        baseline_version=draft.baseline_version,
        spec_digest=draft.spec_digest,
        code_version=draft.code_version,
        failure=draft.reason,
    )
