"""Decides by each endpoint's policy whether to retrain, and records why."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptRecord, AttemptState
from watchkeeper.errors import DocumentError, RegistryError
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.orphaned_attempts import close_orphans, owner_of
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.operators.run_window import due_moment
from watchkeeper.registry.capture_window import Window, moment_text, parse_moment
from watchkeeper.registry.retraining_policy import (
    Refusal,
    RetrainingDecision,
    VerdictRow,
    ViolatedCheck,
    decide_retraining,
    verdicts_since,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: The key of what kept an endpoint from being decided on.
FAULTS = "faults"


class DecideRetrainingOperator(MonitorOperator):
    """Return the attempts to make, one mapping ``{endpoint, attempt_id}`` each, ready for ``expand_kwargs``.

    Reads verdicts from the ledger and earlier attempts from their audit records, so that lost or doubled asset events
    do no harm. A decision to retrain opens the attempt's record; in ``dry_run`` the record only says what would be
    done. The run's params: ``endpoints`` (by hand: no violated windows are needed), ``force`` (also overrides cooldown,
    monthly maximum and dry run), and ``training_start``, ``training_end``, ``evaluation_start``, ``evaluation_end``.
    """

    def execute(self, context: "Context") -> list[dict[str, str]]:
        """Return the attempts to make; what is not to be done is logged with its reason."""
        params = dict(context.get("params") or {})
        with failing_at_once():
            deployment = self.open_deployment()
            names = list(params.get("endpoints") or ())
            specs = chosen_specs(deployment, names)
            windows = window_params(params)
            if any(windows) and len(names) != 1:
                message = "training and evaluation windows are one endpoint's: name exactly one in endpoints"
                raise ValueError(message)
            if params.get("force") and not names:
                message = "force overrides the policy by hand only: name the endpoints in endpoints"
                raise ValueError(message)
        for problem in deployment.registry.problems:
            self.log.error("Left out for a fault in its file: %s", problem)
        attempts: list[dict[str, str]] = []
        faults: list[str] = []
        for spec in specs:
            try:
                for closed in close_orphans(deployment, spec.registry_id, context):
                    self.log.warning("Closed %s: %s", closed.attempt_id, closed.history[-1].why)
                decision = self._decide(
                    deployment,
                    spec,
                    due_moment(context),
                    windows[1],
                    by_hand=bool(names),
                    params=params,
                    context=context,
                )
                record = self._record(deployment, spec, decision, windows, context, by_hand=bool(names))
            except DocumentError as error:
                # One endpoint's broken record holds up nobody else; the report turns the run red.
                self.log.error("%s: %s", spec.registry_id, error)
                faults.append(f"{spec.registry_id}: {error}")
                continue
            self.log.info("%s: %s", spec.registry_id, decision.reason)
            if decision.retrain and record is not None and owner_of(record) != run_name(context):
                self.log.info("Attempt %s is the run %s's, which goes on", record.attempt_id, owner_of(record))
            elif decision.retrain and record is not None:
                attempts.append({"endpoint": spec.registry_id, "attempt_id": record.attempt_id})
        if faults:
            context["ti"].xcom_push(key=FAULTS, value=faults)
        return attempts

    def _decide(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        now: datetime,
        evaluation: Window | None,
        *,
        by_hand: bool,
        params: dict[str, Any],
        context: "Context",
    ) -> RetrainingDecision:
        retraining = spec.retraining
        assert retraining is not None  # noqa: S101 - chosen_specs leaves others out
        since = verdicts_since(retraining, now, 0 if spec.ground_truth is None else spec.ground_truth.waiting_hours)
        rows = [
            row
            for monitor in retraining.triggers.monitors
            for row in verdict_rows(deployment, monitor, since, now, spec.registry_id)
        ]
        return decide_retraining(
            retraining,
            spec.registry_id,
            rows,
            deployment.actions.past_attempts(spec.registry_id),
            now,
            by_hand=by_hand,
            forced=by_hand and bool(params.get("force")),
            run_id=str(getattr(context.get("dag_run"), "run_id", "") or ""),
            evaluation_given=evaluation is not None,
        )

    def _record(
        self,
        deployment: Deployment,
        spec: "EndpointSpec",
        decision: RetrainingDecision,
        windows: tuple[Window | None, Window | None],
        context: "Context",
        *,
        by_hand: bool,
    ) -> AttemptRecord | None:
        would = set(decision.refusals) == {Refusal.DRY_RUN}
        if not decision.retrain and not would:
            return None
        training = windows[0] or decision.training_window
        evaluation = windows[1] or decision.evaluation_window
        draft = AttemptRecord(
            attempt_id=decision.attempt_id,
            endpoint=spec.registry_id,
            state=AttemptState.DECIDED.value,
            decided_at=moment_text(datetime.now(UTC)),
            by_hand=by_hand,
            dry_run=would,
            training_start=moment_text(training.start),
            training_end=moment_text(training.end),
            evaluation_start=moment_text(evaluation.start),
            evaluation_end=moment_text(evaluation.end),
        )
        return deployment.actions.open_attempt(draft, by=run_name(context), why=decision.reason, now=datetime.now(UTC))


def chosen_specs(deployment: Deployment, names: "list[str]") -> tuple["EndpointSpec", ...]:
    """Return the endpoints with a retraining policy; of these only ``names`` if any are given.

    RegistryError names an endpoint that was asked for and has no sound file, or no policy.
    """
    registry = deployment.registry
    without = [name for name in names if registry.require(name).retraining is None]
    if without:
        problems = tuple(f"{name}.yaml: retraining: missing; add its pipeline and policy" for name in without)
        raise RegistryError(str(registry.folder), problems)
    found = [spec for _, spec in sorted(registry.endpoints.items()) if spec.retraining is not None]
    return tuple(spec for spec in found if not names or spec.registry_id in names)


def window_params(params: dict[str, Any]) -> tuple[Window | None, Window | None]:
    """Return the windows of training and evaluation that a run's params give, ``None`` for the policy's.

    ValueError if only one end of a window is given.
    """

    def window(name: str) -> Window | None:
        start, end = params.get(f"{name}_start"), params.get(f"{name}_end")
        if not start and not end:
            return None
        if not (start and end):
            message = f"got only one of {name}_start and {name}_end; give both, or neither"
            raise ValueError(message)
        return Window(parse_moment(str(start)), parse_moment(str(end)))

    return window("training"), window("evaluation")


def verdict_rows(
    deployment: Deployment, monitor: str, since: datetime, until: datetime, endpoint: str
) -> list[VerdictRow]:
    """Return an endpoint's newest verdicts as the policy looks at them."""
    frame = deployment.ledger.read(monitor, since, until, endpoints=[endpoint])
    return [
        VerdictRow(
            endpoint=row["endpoint"],
            variant=row["variant"],
            monitor=row["monitor"],
            window=Window(row["window_start"], row["window_end"]),
            verdict=row["verdict"],
            severity=row["severity"],
            violated=tuple(
                ViolatedCheck(finding["feature"], finding["check"], finding["severity"])
                for finding in row["findings"] or ()
                if finding["outcome"] == "violated"
            ),
        )
        for row in frame.iter_rows(named=True)
    ]
