"""What the scene ``rollback`` stands on: its commands, and files under which the promised actions follow."""

import shutil
from pathlib import Path

from sandbox.traffic.rollback_scene import CALLS_PER_SECOND, FLIGHTS, ORDERS, SURGE_PER_SECOND, as_document
from tests.sandbox_process import ROOT, SandboxProcess, run_sandbox
from watchkeeper.registry.fleet_file import load_fleet
from watchkeeper.registry.registry_files import load_registry


def test_the_files_let_the_promised_actions_follow(tmp_path: Path) -> None:
    registry = load_registry(ROOT / "sandbox" / "endpoints" / "rollback")
    assert not registry.problems
    shutil.copy(ROOT / "sandbox" / "fleets" / "rollback.yaml", tmp_path / "fleet.yaml")
    fleet = load_fleet(tmp_path)
    promised = run_sandbox("expected", "--scene", "rollback")
    assert {one["endpoint"] for one in promised["incidents"]} == {FLIGHTS.endpoint, ORDERS.endpoint}
    for promise in promised["incidents"]:
        policy = registry.endpoints[promise["endpoint"]].remediation
        assert policy is not None
        assert policy.mode == "automatic"
        (rule,) = policy.rules
        assert promise["condition"] in rule.alarms
        assert rule.do == (promise["action"],)
    assert fleet.remediation.at_once(len(registry.endpoints)) == 2
    assert fleet.infrastructure.silences().keys() == {"infrastructure", "remediate"}


def test_the_sale_is_more_than_one_instance_can_take_and_less_than_three() -> None:
    seconds = int(ORDERS.environment["SANDBOX_SERVICE_MS"]) / 1000
    usual, busy = (rate * seconds for rate in (CALLS_PER_SECOND["order-quantity"], 2.0 + SURGE_PER_SECOND))
    policy = load_registry(ROOT / "sandbox" / "endpoints" / "rollback").endpoints["order-quantity"].remediation
    assert policy is not None
    assert usual < 0.5
    assert 1 < busy < (1 + policy.scale_out.add_instances) * 0.6


def test_callers_keep_their_rate_and_meet_the_faulty_release(tmp_path: Path) -> None:
    given = ("--scene", "rollback", "--json")
    with SandboxProcess(tmp_path) as sandbox:
        deployed = sandbox.run("deploy", *given, "--event-queues")
        assert deployed["alarm_queue_url"].endswith("/watchkeeper-alarms")
        assert deployed["event_queue_url"].endswith("/watchkeeper-platform-events")
        calling = ("call", *given, "--endpoint", FLIGHTS.endpoint, "--rate", "20", "--seconds", "2")
        assert sandbox.run(*calling)["answers"] == {"200": 40}
        sandbox.run("succeed", *given)
        answers = sandbox.run(*calling)["answers"]
        assert answers.keys() == {"200", "424"}
        assert 10 < answers["424"] < 38
    assert {one["condition"] for one in as_document()["incidents"]} == {"server_errors", "model_latency_p95"}
