"""What a policy may say: faults are told, with what to do about them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.fleet_remediation_spec import FleetRemediationSpec
from watchkeeper.registry.remediation_policy import (
    AlarmFact,
    Breaker,
    OpenIncident,
    PastStep,
    Surroundings,
    decide_remediation,
)
from watchkeeper.registry.remediation_spec import RemediationSpec


def rule(*do, **fields):
    return {"name": "errors", "alarms": ["server_errors"], "do": list(do)} | fields


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ([rule()], "at least 1"),
        ([rule("explode")], "notify"),
        ([rule("scale_out", "scale_out")], "twice in a row"),
        ([rule("scale_out", "approve")], "approve stands last"),
        ([rule("approve", "notify")], "nobody's approval"),
        ([rule("notify"), rule("notify")], "stands there twice"),
        ([rule("restart", verify_within_minutes=1441)], "more than a day"),
        ([rule("invoke_lambda")], "add remediation.invoke_lambda"),
        ([rule("start_pipeline")], "add remediation.start_pipeline"),
        ([rule("shift_weights")], "add remediation.shift_weights"),
    ],
)
def test_a_rule_that_cannot_be_done_is_refused(rules, fault):
    with pytest.raises(ValidationError, match=fault):
        RemediationSpec.model_validate({"rules": rules})


def test_steps_carry_whether_a_person_confirms_them():
    spec = RemediationSpec.model_validate({"rules": [rule("notify", "scale_out", "approve", "roll_back")]})
    assert spec.rules[0].steps == (("notify", False), ("scale_out", False), ("roll_back", True))


def test_a_retraining_is_given_days_unless_the_rule_says_otherwise():
    spec = RemediationSpec.model_validate({"rules": [rule("retrain", "roll_back")]})
    assert spec.patience_minutes(spec.rules[0], "retrain") == 3 * 24 * 60
    assert spec.patience_minutes(spec.rules[0], "roll_back") == 30
    own = RemediationSpec.model_validate({"rules": [rule("retrain", verify_within_minutes=90)]})
    assert own.patience_minutes(own.rules[0], "retrain") == 90


@pytest.mark.parametrize(
    ("remediation", "fault"),
    [
        ({"rules": [rule("retrain")]}, "add the section retraining"),
        ({"roll_back": {"to": "previous_package"}}, "model_package_group"),
    ],
)
def test_what_needs_retraining_needs_its_section(remediation, fault):
    document = {"endpoint_name": "e", "owner": "o", "capture": {"s3_uri": "s3://bucket/c"}, "remediation": remediation}
    with pytest.raises(ValidationError, match=fault):
        EndpointSpec.model_validate(document)


def test_one_endpoint_may_always_be_acted_on():
    fleet = FleetRemediationSpec.model_validate({"maximum_fleet_share": 0.0})
    assert (fleet.at_once(3), fleet.per_hour(3)) == (1, 1)
    assert (FleetRemediationSpec().at_once(8), FleetRemediationSpec().per_hour(40)) == (2, 5)


def test_the_rules_of_the_page_are_a_policy_that_does_what_it_says():
    page = (Path(__file__).parents[2] / "docs" / "remediation.md").read_text(encoding="utf-8")
    document = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    spec = RemediationSpec.model_validate(document["remediation"])
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def actions(condition, *done):
        alarm = AlarmFact(f"wk/e/v/{condition}", condition, "ALARM", now - timedelta(minutes=15))
        rule = next(rule for rule in spec.rules if condition in rule.alarms)
        steps = tuple(PastStep(rule.name, level, action, acted=True) for level, action in enumerate(done))
        incident = OpenIncident("i", (alarm.name,), steps) if done else None
        around = (Breaker(), Surroundings())
        return decide_remediation(spec, FleetRemediationSpec(), "e", [alarm], incident, [], *around, now).action

    assert actions("model_latency_p95") == "notify"
    assert actions("server_errors") == "scale_out"
    assert actions("server_errors", "scale_out") == "roll_back"
    assert actions("violations") == "retrain"
