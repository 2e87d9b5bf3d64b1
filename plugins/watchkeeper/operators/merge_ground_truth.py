"""Merges captures of endpoints with their labels."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from watchkeeper.errors import SettingsError
from watchkeeper.operators.analyze_window import failure_reason
from watchkeeper.operators.monitor_base import LASTING_ERRORS, Deployment, MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class MergeGroundTruthOperator(MonitorOperator):
    """Merge every complete hour of the horizon whose captures or labels changed, for one or several endpoints.

    What changed is worked out from the listings and from key indexes in S3; captures of other hours are not read.
    The same merge is never written twice. Each endpoint is merged for itself: one that cannot be is recorded with its
    reason, the others go on, and the task fails at its end.

    :param endpoints: The endpoints' registry ids: their files' stems. (templated)
    :param horizon_days: How many days back hours and labels are looked at, instead of each file's
        ``ground_truth.horizon_days``; empty for the file's. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoints", "horizon_days")
    ui_color = "#e6f4e1"

    def __init__(self, *, endpoints: list[str], horizon_days: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoints = endpoints
        self.horizon_days = horizon_days

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI: its endpoint, and how many others it carries."""
        names = list(self.endpoints)
        return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""

    def execute(self, context: "Context") -> None:
        """Merge everything; AirflowFailException where another try cannot help."""
        with failing_at_once():
            deployment = self.open_deployment()
            horizon_days = self._horizon()
        run_id = str(getattr(context.get("dag_run"), "run_id", "") or "")
        faults: list[str] = []
        may_pass_later = False
        for endpoint in self.endpoints:
            try:
                self._merge(deployment, endpoint, horizon_days, run_id)
            except Exception as error:
                # One endpoint's failure must not take the others with it, whatever it is.
                reason = failure_reason(error)
                self.log.exception("The labels of %s could not be merged", endpoint)
                faults.append(f"{endpoint}: {reason}")
                may_pass_later = may_pass_later or not isinstance(error, LASTING_ERRORS)
                self._record_failure(deployment, endpoint, run_id, reason)
        if faults:
            message = f"{len(faults)} endpoints could not be merged:\n" + "\n".join(f"  {fault}" for fault in faults)
            raise (AirflowException if may_pass_later else AirflowFailException)(message)

    def _merge(self, deployment: Deployment, endpoint: str, horizon_days: int | None, run_id: str) -> None:
        from watchkeeper.operators.endpoint_merge import EndpointMerge

        spec = deployment.registry.require(endpoint)
        if spec.ground_truth is None:
            raise SettingsError(f"{endpoint}.yaml", ("ground_truth: missing; add where the labels lie",))
        days = horizon_days or spec.ground_truth.horizon_days
        merge = EndpointMerge(deployment, spec, spec.ground_truth, days, run_id, self.log.info, self.log.warning)
        merge.merge(datetime.now(UTC))
        deployment.merged.clear_failure(endpoint)

    def _record_failure(self, deployment: Deployment, endpoint: str, run_id: str, reason: str) -> None:
        try:
            deployment.merged.write_failure(endpoint, run_id, reason)
        except Exception:
            # The store itself may be what fails; the run is red for the failed task all the same.
            self.log.exception("The failure of %s could not be recorded", endpoint)

    def _horizon(self) -> int | None:
        text = str(self.horizon_days or "").strip()
        if text in {"", "None"}:
            return None
        days = int(text) if text.isdigit() else 0
        if not 1 <= days <= 365:
            message = f"horizon_days: got {text!r}; use a whole number of days from 1 to 365, or leave it empty"
            raise ValueError(message)
        return days
