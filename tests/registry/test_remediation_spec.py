"""What a policy may say: faults are told, with what to do about them."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.fleet_remediation_spec import FleetRemediationSpec
from watchkeeper.registry.maintenance_window import MaintenanceWindow
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


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ({"start_time": "23:30", "minutes": 60, "days": ["fri"]}, "2026-11-21T00:29", "2026-11-21T00:30"),
        ({"start_time": "23:30", "minutes": 60, "days": ["fri"]}, "2026-11-20T23:30", "2026-11-20T23:29"),
        ({"start_time": "23:30", "minutes": 60, "days": ["fri"]}, "2026-11-20T23:45", "2026-11-21T23:45"),
        ({"begins": "2026-12-01T22:00Z", "ends": "2026-12-02T04:00Z"}, "2026-12-01T22:00", "2026-12-02T04:00"),
        ({"begins": "2026-12-01T22:00+02:00", "ends": "2026-12-02T04:00Z"}, "2026-12-01T20:00", "2026-12-01T19:59"),
    ],
)
def test_a_maintenance_window_holds_its_beginning_and_not_its_end(window, inside, outside):
    spec = MaintenanceWindow.model_validate({"name": "w"} | window)
    assert spec.holds(datetime.fromisoformat(inside).replace(tzinfo=UTC))
    assert not spec.holds(datetime.fromisoformat(outside).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"start_time": "25:00"},
        {"begins": "2026-12-01T22:00Z"},
        {"begins": "2026-12-01T22:00Z", "ends": "2026-12-01T21:00Z"},
        {"begins": "2026-12-01T22:00", "ends": "2026-12-01T23:00Z"},
        {"start_time": "22:00", "begins": "2026-12-01T22:00Z", "ends": "2026-12-02T21:00Z"},
    ],
)
def test_a_maintenance_window_that_says_nothing_clear_is_refused(window):
    with pytest.raises(ValidationError):
        MaintenanceWindow.model_validate({"name": "w"} | window)


def test_one_endpoint_may_always_be_acted_on():
    fleet = FleetRemediationSpec.model_validate({"maximum_fleet_share": 0.0})
    assert (fleet.at_once(3), fleet.per_hour(3)) == (1, 1)
    assert (FleetRemediationSpec().at_once(8), FleetRemediationSpec().per_hour(40)) == (2, 5)
