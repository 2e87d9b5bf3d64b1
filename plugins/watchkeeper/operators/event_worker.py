"""Works pending events off: recorded, then told, then acted on; each step once, whoever was killed before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.errors import JobError, PermissionMissingError
from watchkeeper.operators.event_message import event_notice, start_fault_notice
from watchkeeper.operators.event_start import dag_start, start_pipeline
from watchkeeper.operators.export_events import export_events
from watchkeeper.operators.notice import send_notice
from watchkeeper.registry.endpoint_index import EndpointIndex
from watchkeeper.registry.event_kind import JOB_TYPES
from watchkeeper.registry.event_rules import EventDecision, decide_event
from watchkeeper.registry.platform_event import PlatformEvent, read_platform_event
from watchkeeper.registry.run_progress import RunState, newest_states

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.event_inbox import InboxEvent
    from watchkeeper.aws.ledger import RunFacts
    from watchkeeper.operators.message_text import RunOrigin
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.event_kind import JobType
    from watchkeeper.registry.price_table import PriceTable

#: How far back an end may have been overtaken by a newer state.
_HISTORY = timedelta(days=2)


@dataclass
class EventWork:
    """What came of a batch: the DAG runs to start, and the events that are done but for those.

    ``done`` says by an event's id whether it is archived or dropped, and which DAG's run has to be there before.
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """Count one more of something, for the run's summary."""
        self.counts[what] = self.counts.get(what, 0) + 1


def read_inbox_event(event: "InboxEvent", index: EndpointIndex) -> PlatformEvent:
    """Return what an event of the inbox says."""
    return read_platform_event(
        event_id=event.event_id,
        source=event.source,
        detail_type=event.detail_type,
        at=event.at,
        detail=event.detail,
        resources=event.resources,
        account=event.account,
        region=event.region,
        endpoints=index,
    )


def ledger_states(deployment: "Deployment", kinds: Iterable[str], since: datetime, until: datetime) -> list[RunState]:
    """Return the states that the ledger tells of, of runs and things of some kinds, in no order."""
    wanted = sorted(set(kinds))
    rows = deployment.event_ledger.read(since, until, kinds=wanted) if wanted else None
    return [
        RunState(
            kind=row["kind"],
            name=row["name"] or "",
            run=row["run"] or "",
            status=row["status"] or "",
            outcome=row["outcome"],
            at=row["at"],
            started_at=row["at"],
            arn=row["arn"] or "",
            endpoint=row["endpoint"],
        )
        for row in (() if rows is None else rows.iter_rows(named=True))
    ]


class EventWorker:
    """Works off the events of one run of the DAG."""

    def __init__(
        self,
        deployment: "Deployment",
        run: "RunFacts",
        origin: "RunOrigin",
        *,
        now: datetime,
        info: Callable[..., None],
        warn: Callable[..., None],
    ) -> None:
        self.deployment = deployment
        self.run = run
        self.origin = origin
        self.now = now
        self.info = info
        self.warn = warn
        self.rules = deployment.fleet.events
        self._prices: tuple[PriceTable | None] | None = None

    def work_off(self, pending: "list[InboxEvent]") -> EventWork:
        """Record all events, then tell and act on each; return what came of it. One event's fault holds up no other."""
        from watchkeeper.aws.event_ledger import event_row

        specs = self.deployment.registry.endpoints.values()
        index = EndpointIndex.of(specs, self.deployment.settings.resource_prefix)
        events = [read_inbox_event(event, index) for event in pending]
        newest = self._newest(events)
        decided = [
            (event, decide_event(event, self.rules, self.now, newest.get((event.kind, event.run)))) for event in events
        ]
        recorded = self.deployment.event_ledger.record(
            [event_row(event, decision) for event, decision in decided], self.run
        )
        export_events(self.deployment, recorded, now=self.now, warn=self.warn)
        work = EventWork()
        for event, decision in decided:
            work.count(event.kind)
            self._say(event, decision)
            try:
                self._work_off_one(event, decision, work)
            except Exception as error:  # noqa: BLE001 - whatever it is, the event stays in the inbox and others go on
                why = " ".join(str(error).split()) or type(error).__name__
                work.faults.append(f"event {event.event_id} ({event.label}): {why}")
                self.warn("Event %s stays in the inbox: %s", event.event_id, why)
        return work

    def _newest(self, events: list[PlatformEvent]) -> dict[Any, RunState]:
        """Return the newest state of everything that the batch says has ended, from the batch and the ledger."""
        ended = [event for event in events if event.has_ended and event.run]
        if not ended:
            return {}
        since = min(event.at for event in ended)
        until = self.now + _HISTORY
        kinds = {event.kind for event in ended}
        known = ledger_states(self.deployment, kinds, max(since, self.now - _HISTORY), until)
        return newest_states([*known, *(RunState.of(event) for event in events if event.run)])

    def _work_off_one(self, event: PlatformEvent, decision: EventDecision, work: EventWork) -> None:
        told = True
        if decision.notify:
            outcome = send_notice(
                self.deployment, event_notice(event, decision), self.origin, now=self.now, warn=self.warn
            )
            told = outcome.status != "failed"
            work.count(outcome.status)
            if not told:
                work.faults.append(f"event {event.event_id} ({event.label}) was not told: {outcome.why}")
        if decision.problem is not None:
            self._tell_start_fault(event, decision, decision.problem)
            work.faults.append(f"event {event.event_id} ({event.label}): {decision.problem}")
        acted = self._start(event, decision, work)
        # Figures come last: people are not to wait for them.
        recorded = self._record_job(event, work)
        if told and acted and recorded:
            start = decision.start if decision.start is not None and decision.start.target == "dag" else None
            work.done[event.event_id] = {
                "archive": decision.archive,
                "dag_id": None if start is None else start.name,
                "run_id": None if start is None else start.run_id,
            }

    def _start(self, event: PlatformEvent, decision: EventDecision, work: EventWork) -> bool:
        """Start what the rule names, or hand it to the mapped task; ``False`` where the next run has to try again."""
        start = decision.start
        if start is None:
            return True
        work.count("started")
        if start.target == "dag":
            arguments = dag_start(start)
            if arguments not in work.starts:
                work.starts.append(arguments)
            return True
        try:
            start_pipeline(self.deployment, start, now=self.now, run_id=self.run.run_id, log=self.info)
        except Exception as error:  # noqa: BLE001 - told, and tried again while the event is young enough
            why = " ".join(str(error).split()) or type(error).__name__
            self._tell_start_fault(event, decision, why)
            work.faults.append(f"event {event.event_id}: {start.target} {start.name} was not started: {why}")
            return False
        return True

    def _tell_start_fault(self, event: PlatformEvent, decision: EventDecision, why: str) -> None:
        send_notice(
            self.deployment, start_fault_notice(event, decision, why), self.origin, now=self.now, warn=self.warn
        )

    def _record_job(self, event: PlatformEvent, work: EventWork) -> bool:
        """Record what a job that ended came to; ``False`` where the next run has to try again.

        What AWS will not tell later either, or has not told for hours, holds up nothing.
        """
        if event.kind not in JOB_TYPES or not event.has_ended or event.problem is not None:
            return True
        try:
            work.faults += self._figures(event, event.kind)
        except (JobError, PermissionMissingError) as error:
            work.faults.append(f"figures of {event.label}: {error}")
        except Exception as error:  # noqa: BLE001 - told, and tried again while the event is young
            why = " ".join(str(error).split()) or type(error).__name__
            work.faults.append(f"figures of {event.label}: {why}")
            return self.now - event.at > timedelta(hours=self.rules.act_within_hours)
        return True

    def _figures(self, event: PlatformEvent, job_type: "JobType") -> list[str]:
        from watchkeeper.aws.job_facts import with_cost
        from watchkeeper.aws.job_hook import JobHook
        from watchkeeper.operators.job_recorder import record_ended_job

        name = event.run if job_type == "pipeline" else event.name
        facts = access_to(self.deployment, event.endpoint, event.region).open(JobHook).facts(job_type, name)
        if not facts.has_ended or facts.ended_at is None:
            # The event is ahead of what the API answers: for a moment they differ.
            message = f"SageMaker still says {facts.status}"
            raise RuntimeError(message)
        facts = with_cost(facts, self._known_prices(), event.region or self.deployment.access.resolved_region())
        return record_ended_job(self.deployment, facts, self.run, endpoint=event.endpoint, now=self.now, warn=self.warn)

    def _known_prices(self) -> "PriceTable | None":
        from watchkeeper.operators.job_recorder import read_prices

        if self._prices is None:
            self._prices = (read_prices(self.deployment, self.warn),)
        return self._prices[0]

    def _say(self, event: PlatformEvent, decision: EventDecision) -> None:
        self.info(
            "%s is %s (%s); rule %s, %s%s",
            event.label,
            event.status or "changed",
            event.endpoint or "no endpoint of ours",
            decision.rule or "none",
            decision.severity if decision.notify else "told to nobody",
            f": {decision.silent}" if decision.silent else "",
        )
        if event.problem is not None:
            self.warn("Event %s of %s could not be read in full: %s", event.event_id, event.detail_type, event.problem)


def access_to(deployment: "Deployment", endpoint: str | None, region: str = "") -> "AwsAccess":
    """Return the way to what an event speaks of: its endpoint's, else the deployment's in the event's region."""
    from dataclasses import replace

    spec = None if endpoint is None else deployment.registry.endpoints.get(endpoint)
    if spec is not None:
        return deployment.access_of(spec)
    access = deployment.access
    if not region or region == access.resolved_region():
        return access
    return replace(access, region_name=region, _made={})
