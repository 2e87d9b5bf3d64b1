"""The scene ``rollback``: a bad release is rolled back, too many callers get more instances, a paused DAG is missed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox.demo.airflow_settings import clean_environment
from sandbox.demo.delivered_results import DeliveredResults
from sandbox.demo.incident_tables import Span, incident_table, service_table, thread_table
from sandbox.demo.process_session import ProcessSession
from sandbox.demo.result_tables import table_console
from sandbox.demo.stage import SceneFailedError, Stage
from watchkeeper.aws.incident_record import IncidentRecord

BUCKET = "watchkeeper"
PREFIX = "watchkeeper"
SCENE = "rollback"
FAULTY, BUSY = "flights-delay", "order-quantity"
HEARTBEAT = "watchkeeper/_fleet/infrastructure/heartbeat"
DAGS = ("infrastructure", "remediate")
PATIENCE_SECONDS = 150.0
_SETTLED_SECONDS = 12.0
_LOOK_SECONDS = 1.0
_PLAN_LINES = 24


@dataclass
class Story:
    """The scene as it is played: its stage, what was promised of it, and when what began."""

    stage: Stage
    results: DeliveredResults
    promised: dict[str, Any]
    deployed: dict[str, Any]
    traffic: list[ProcessSession] = field(default_factory=list)
    moments: dict[str, datetime] = field(default_factory=dict)

    def call(self, endpoint: str, rate: float) -> None:
        """Let callers of an endpoint begin; they go on until the scene ends."""
        command = [str(self.stage.sandbox_python), "-m", "sandbox", "call", "--scene", SCENE, "--endpoint", endpoint]
        name = f"traffic-{endpoint}-{len(self.traffic)}"
        environment = clean_environment(self.stage.aws)
        session = self.stage.processes.start(name, [*command, "--rate", str(rate), "--json"], environment)
        self.traffic.append(session)

    def mark(self, name: str) -> None:
        """Note that something begins now."""
        self.moments[name] = datetime.now(UTC)

    def wait_for(self, title: str, ready: Callable[[], str | None], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something has come about; ``ready`` returns what, or ``None`` as long as it has not."""
        deadline = time.monotonic() + seconds
        with self.stage.display.step(title) as advance:
            while (found := ready()) is None:
                self.stage.processes.require_running()
                if time.monotonic() > deadline:
                    message = f"{title}: nothing came of it in {seconds:.0f} s"
                    raise SceneFailedError(message)
                time.sleep(_LOOK_SECONDS)
            advance(1, found)

    def incident(self, endpoint: str) -> IncidentRecord | None:
        """Return the endpoint's newest incident."""
        found = self.results.incidents(BUCKET, PREFIX, endpoint)
        return found[0] if found else None

    def in_alarm(self, endpoint: str, condition: str) -> str | None:
        """Return why the alarm of a condition is in ALARM; ``None`` while it is not."""
        alarm = self.results.alarm(f"watchkeeper/{endpoint}/AllTraffic/{condition}")
        if alarm and alarm["StateValue"] == "ALARM":
            return str(alarm["StateReason"])
        return None if self.incident(endpoint) is None else "it was, and is an incident"

    def ended(self, endpoint: str) -> str | None:
        """Return how the endpoint's incident has ended; ``None`` while it goes on."""
        record = self.incident(endpoint)
        if record is None or not (record.has_ended or record.state == "escalated"):
            return None
        return f"{record.state}: {record.why}"


def play(stage: Stage) -> list[str]:
    """Play the scene, print what came of it, and return what was expected and did not come."""
    story = _set_out(stage)
    _declare(story)
    story.mark("release")
    with stage.display.step(f"A faulty release of {FAULTY}; a sale for which {BUSY} was not made") as advance:
        stage.sandbox_command("succeed", "--scene", SCENE, "--json", "--before", stage.moment.isoformat())
        story.mark(FAULTY)
        story.call(BUSY, story.promised["surge_per_second"])
        story.mark(BUSY)
        advance(1, str(story.results.serving(FAULTY)["EndpointConfigName"]))
    conditions = {one["endpoint"]: one["condition"] for one in story.promised["incidents"]}
    for endpoint, what in ((FAULTY, "5xx raise"), (BUSY, "latency raises")):
        story.wait_for(f"{endpoint}: {what} its alarm", lambda named=endpoint: story.in_alarm(named, conditions[named]))
    for endpoint in (FAULTY, BUSY):
        story.wait_for(
            f"{endpoint}: EventBridge, queue, inbox, DAG remediate", lambda named=endpoint: story.ended(named)
        )
    story.mark("recovered")
    story.wait_for("Nobody has run the DAG infrastructure for a minute", lambda: _alarmed(story, HEARTBEAT))
    time.sleep(max(0.0, _SETTLED_SECONDS - (datetime.now(UTC) - story.moments["recovered"]).total_seconds()))
    return _report(story)


def _set_out(stage: Stage) -> Story:
    given = ("--scene", SCENE, "--json", "--before", stage.moment.isoformat())
    with stage.display.step("Starting the sandbox: an emulated AWS") as advance:
        stage.prepare_airflow(by_schedule=True)  # here the assets ring
        stage.start_sandbox()
        advance(1, stage.sandbox_url)
    with stage.display.step("Deploying two endpoints, and queues for EventBridge") as advance:
        deployed = stage.sandbox_command("deploy", *given, "--event-queues")
        advance(1, ", ".join(one["endpoint"] for one in deployed["endpoints"]))
    with stage.display.step("Starting Airflow") as advance:
        include = _include(stage)
        stage.start_airflow(
            {
                "WATCHKEEPER_BUCKET": BUCKET,
                "WATCHKEEPER_PREFIX": PREFIX,
                "WATCHKEEPER_INCLUDE": str(include),
                "WATCHKEEPER_TOPIC_ARN": deployed["topic_arn"],
                "WATCHKEEPER_ALARM_QUEUE_URL": deployed["alarm_queue_url"],
                "WATCHKEEPER_EVENT_QUEUE_URL": deployed["event_queue_url"],
            }
        )
        advance(1, stage.airflow.settings.url)
    promised = stage.sandbox_command("expected", "--scene", SCENE)
    story = Story(stage, DeliveredResults(stage.aws), promised, deployed)
    for endpoint, rate in promised["calls_per_second"].items():
        story.call(endpoint, rate)
    with stage.display.step("Waiting for Airflow's processes"):
        stage.airflow.wait_until_healthy()
        for dag_id in DAGS:
            stage.airflow.client.wait_for_dag(dag_id, timeout=60, pulse=stage.processes.require_running)
            stage.airflow.client.pause(dag_id, paused=False)
        # Airflow watches the queue for a DAG that it has parsed since it was let run.
        stage.airflow.client.parse_again("remediate")
    story.mark("calm")
    return story


def _include(stage: Stage) -> Path:
    """Make an include folder of the scene's endpoint and fleet files, and of what the repository ships beside them."""
    folder = stage.folder / "include"
    folder.mkdir()
    sources = {
        "endpoints": stage.repository / "sandbox" / "endpoints" / SCENE,
        "fleet.yaml": stage.repository / "sandbox" / "fleets" / f"{SCENE}.yaml",
        "runbooks": stage.repository / "include" / "runbooks",
        "prices.yaml": stage.repository / "include" / "prices.yaml",
    }
    for name, source in sources.items():
        (folder / name).symlink_to(source)
    return folder


def _declare(story: Story) -> None:
    """Apply what the files declare and show the plan; meanwhile the DAG remediate notes what is in service.

    Then the DAG infrastructure is paused: its heartbeat is missed from then on.
    """
    client = story.stage.airflow.client
    applied = client.trigger("infrastructure", {"mode": "apply"})
    noted = client.trigger("remediate")
    for run, title in (
        (applied, "Planning and applying alarms, rules, dashboards (DAG infrastructure)"),
        (noted, "Noting what is in service (DAG remediate)"),
    ):
        _require_success(story.stage, story.stage.finish_runs(title, [run]))
    client.pause("infrastructure")
    plan = story.results.newest_text(BUCKET, f"{PREFIX}/plans/", ".txt").splitlines()
    console = Console(width=150)
    for line in plan[:_PLAN_LINES]:
        console.print(f"  {line}", highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
    if len(plan) > _PLAN_LINES:
        console.print(f"  … and {len(plan) - _PLAN_LINES} lines more", highlight=False)


def _require_success(stage: Stage, runs: Any) -> None:
    for run in runs:
        if run.state != "success":
            tasks = ", ".join(stage.airflow.client.failed_tasks(run)) or "no task"
            message = f"the run {run.run_id} of {run.dag_id} failed in {tasks}"
            raise SceneFailedError(message)


def _alarmed(story: Story, name: str) -> str | None:
    alarm = story.results.alarm(name)
    if alarm is None:
        message = f"the DAG infrastructure made no alarm {name}"
        raise SceneFailedError(message)
    return str(alarm["StateReason"]) if alarm["StateValue"] == "ALARM" else None


def _report(story: Story) -> list[str]:
    with story.stage.display.step("Reading records, messages and metrics back"):
        records = {endpoint: story.incident(endpoint) for endpoint in (FAULTY, BUSY)}
        messages = story.results.messages(story.deployed["queue_url"])
        spans = {endpoint: _spans(story, endpoint, record) for endpoint, record in records.items()}
    console = table_console()
    for endpoint, record in records.items():
        if record is not None:
            console.print(incident_table(record))
        console.print(service_table(endpoint, spans[endpoint]))
        console.print()
    console.print(thread_table(messages))
    for dag_id in DAGS:
        console.print(f"{story.stage.airflow.settings.url}/dags/{dag_id}", highlight=False)
    return _missing(story, records, spans, messages)


def _spans(story: Story, endpoint: str, record: IncidentRecord | None) -> list[Span]:
    """Return how the endpoint served before, during and after its incident."""
    acted = record.step.done_at if record and record.step else None
    ended = datetime.fromisoformat(acted) if acted else story.moments["recovered"]
    bounds = (
        ("before", story.moments["calm"], story.moments["release"]),
        ("during", story.moments[endpoint], ended),
        ("after", story.moments["recovered"], datetime.now(UTC)),
    )
    return [Span(name, start, end, story.results.service(endpoint, start, end)) for name, start, end in bounds]


def _missing(
    story: Story,
    records: Mapping[str, IncidentRecord | None],
    spans: Mapping[str, list[Span]],
    messages: list[Any],
) -> list[str]:
    problems = []
    for promise in story.promised["incidents"]:
        endpoint, record = promise["endpoint"], records[promise["endpoint"]]
        if record is None:
            problems.append(f"{endpoint}: no incident, although {promise['because']}")
            continue
        steps = [(step.action, step.outcome) for step in record.steps]
        if steps != [(promise["action"], "verified")] or record.state != "recovered":
            problems.append(f"{endpoint}: expected {promise['action']} to help, got {steps} and {record.state}")
        thread = [one.attributes.get("kind") for one in messages if one.attributes.get("endpoint") == endpoint]
        if thread.count("alert") != 1 or thread.count("recovery") != 1:
            problems.append(f"{endpoint}: expected one alert and one recovery in its thread, got {thread}")
        before, during, after = (span.service for span in spans[endpoint])
        if not (before.is_well and after.is_well and during.is_worse_than(before)):
            problems.append(f"{endpoint}: it served {before} before, {during} during and {after} after")
    serving, instances = story.results.serving(FAULTY), story.results.serving(BUSY)["ProductionVariants"]
    if serving["EndpointConfigName"] != f"{FAULTY}-1":
        problems.append(f"{FAULTY}: {serving['EndpointConfigName']} is in service")
    if [variant["CurrentInstanceCount"] for variant in instances] != [3]:
        problems.append(f"{BUSY}: expected 3 instances, got {instances}")
    if not any(one.subject.startswith(f'ALARM: "{HEARTBEAT}"') for one in messages):
        problems.append(f"no message that {HEARTBEAT} is in ALARM")
    return problems
