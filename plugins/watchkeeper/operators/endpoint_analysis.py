"""What every monitor's analysis of an endpoint shares: who and when, the baseline, the endpoint's configuration."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from watchkeeper.aws.capture_store import CaptureStore, capture_digest
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.sagemaker_hook import EndpointHook, LiveEndpoint
from watchkeeper.aws.window_result import WindowResult, verdict_digest, with_fields
from watchkeeper.errors import EndpointStateError, PermissionMissingError
from watchkeeper.operators.window_judgement import code_version
from watchkeeper.registry.capture_window import Window, moment_text, period_of
from watchkeeper.registry.monitor_spec import CAPTURE_MONITORS, MonitorName
from watchkeeper.registry.window_rules import MAKE_GOOD_WITHIN

if TYPE_CHECKING:
    from watchkeeper.aws.baseline_store import BaselinePointer
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

Tell = Callable[[str], None]


@dataclass
class EndpointAnalysis(ABC):
    """Judges windows of one endpoint. ``tell`` and ``warn`` take sentences for the task's log, no captured value."""

    monitor: ClassVar[MonitorName]

    deployment: "Deployment"
    spec: "EndpointSpec"
    run_id: str
    baseline_choice: str
    tell: Tell
    warn: Tell
    dag_id: str = ""
    _live: "LiveEndpoint | None" = field(default=None, init=False)
    _live_known: bool = field(default=False, init=False)

    @abstractmethod
    def analyze(self, variant: str, window: Window) -> WindowResult:
        """Return the window's newest result, judged now unless the same verdict stands there already."""

    def close(self) -> None:  # noqa: B027 - most analyses hold nothing
        """Give back what was made for the analysis; may be called more than once."""

    def kill(self) -> None:  # noqa: B027
        """Give back what costs money, from a signal handler, while the analysis is at work."""

    # Clients cost a tenth of a second each: one of a kind for all windows.

    @cached_property
    def _access(self) -> "AwsAccess":
        return self.deployment.access_of(self.spec)

    @cached_property
    def _pointer(self) -> "BaselinePointer":
        return self.deployment.baselines.pointer(self.spec.registry_id, self.monitor)

    @cached_property
    def _captures(self) -> CaptureStore:
        return CaptureStore(self.spec.capture.s3_uri, self._access.client("s3"))

    @cached_property
    def _cloudwatch(self) -> CloudWatchHook:
        return self._access.open(CloudWatchHook)

    def draft(self, variant: str, window: Window) -> WindowResult:
        """Return a result that says who and when, and not yet what."""
        spec = self.spec
        return WindowResult(
            endpoint=spec.registry_id,
            endpoint_name=spec.endpoint_name,
            variant=variant,
            monitor=self.monitor,
            period=period_of(window),
            window=window.name,
            verdict="failed",
            reason="",
            digest="",
            spec_digest=spec.digest(self.monitor),
            code_version=code_version(),
            owner=spec.owner,
            model_version=spec.model_version,
            analyzed_at=moment_text(datetime.now(UTC)),
            run_id=self.run_id,
        )

    def skipped(self, variant: str, window: Window) -> WindowResult | None:
        """Return the verdict of a window that is left out for being empty, where the file (or its ceiling) says so.

        ``no_traffic``, as an analysis would say, for the ledger alone; ``None`` for a window that has to be analysed.
        Costs one listing an hour and a question to CloudWatch, and writes nothing.
        """
        rules = self.spec.cost
        if rules is None or not rules.skip_empty_windows or self.monitor not in CAPTURE_MONITORS:
            return None
        if self._captures.list_window(self.spec.endpoint_name, variant, window):
            return None
        invocations = self._invocations(variant, window)
        if invocations:
            return None
        draft = with_fields(self.draft(variant, window), capture_digest=capture_digest(()), row_count=0)
        known = "CloudWatch counted no invocation" if invocations == 0 else "CloudWatch knows of no invocation"
        return with_fields(
            draft,
            verdict="no_traffic",
            reason=f"skipped as empty: nothing was captured, and {known}",
            invocation_count=invocations,
            digest=verdict_digest(
                capture_digest=draft.capture_digest,
                baseline_version=None,
                spec_digest=draft.spec_digest,
                code_version=draft.code_version,
                traffic="skipped",
            ),
        )

    def record_failure(self, variant: str, window: Window, reason: str) -> WindowResult:
        """Record that the window could not be judged; a judged result that stands there stays and is returned."""
        draft = with_fields(self.draft(variant, window), reason=reason, could_not_judge=True)
        return self.deployment.reports.write_result(with_fields(draft, digest=_failure_digest(draft)), {}, window)

    def _documents(self, version: str) -> tuple[tuple[bytes, str], tuple[bytes, str]]:
        """Return a baseline's constraints and statistics, each with its address."""
        store, name = self.deployment.baselines, self.spec.registry_id

        def read(document: str) -> tuple[bytes, str]:
            return (
                store.document(name, self.monitor, version, document),
                store.document_uri(name, self.monitor, version, document),
            )

        return read("constraints.json"), read("statistics.json")

    def _invocations(self, variant: str, window: Window) -> float | None:
        """Return the endpoint's own count without our requests; unknown without the permission, which stops nothing."""
        try:
            counted = self._cloudwatch.invocation_count(self.spec.endpoint_name, variant, window)
        except PermissionMissingError as error:
            self.warn(f"Invocations are unknown, so capture gaps cannot be told from quiet hours: {error}")
            return None
        if not counted:
            return counted
        return max(0.0, counted - self.deployment.probes.request_count(self.spec.registry_id, variant, window))

    # ---- the endpoint's configuration

    def _configuration(self, variant: str, window: Window) -> dict[str, str | None]:
        """Return the configuration in service at the window's end, and the change if it was made in the window."""
        live = self._live_endpoint(window)
        config = live.config_in(window) if live is not None else None
        if live is None or config is None or not live.changed_in(window):
            return {"endpoint_config": config}
        before = self.deployment.reports.read_result(
            self.spec.registry_id, variant, self.monitor, period_of(window), window.previous()
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
