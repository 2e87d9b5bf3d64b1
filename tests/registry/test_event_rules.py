"""What follows from an event: rules in order, templates from a closed list, and nothing from what is old."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.registry import event_samples as samples
from tests.registry.event_samples import AT, read
from watchkeeper.errors import RegistryError
from watchkeeper.registry.event_rules import BUILT_IN, decide_event, template_values
from watchkeeper.registry.event_rules_spec import TEMPLATE_NAMES, EventRulesSpec
from watchkeeper.registry.fleet_file import load_fleet

NOW = AT + timedelta(minutes=5)
NOTHING = EventRulesSpec()


def rules(**given):
    """Return the fleet's rules as its file would have them: strict, from YAML's own types."""
    return EventRulesSpec.model_validate({"rules": given})


@pytest.mark.parametrize(
    ("event", "rule", "severity", "notify"),
    [
        (samples.endpoint("FAILED"), "endpoint-failed", "critical", True),
        (samples.endpoint("ROLLING_BACK"), "endpoint-rolling-back", "warning", True),
        (samples.endpoint("IN_SERVICE"), "", "info", False),
        (samples.pipeline(), "run-failed", "warning", True),
        (samples.pipeline("Succeeded"), "", "info", False),
        (samples.pipeline_step(), "part-failed", "warning", False),
        (samples.code_pipeline(), "run-failed", "warning", True),
        (samples.code_pipeline_action(), "part-failed", "warning", False),
        (samples.code_build(), "run-failed", "warning", True),
        (samples.state_machine("ABORTED"), "", "info", False),
        (samples.state_machine(), "run-failed", "warning", True),
        (samples.training_job(), "run-failed", "warning", True),
        (samples.training_job(name="pipelines-k3v9q1x7m2ab-Train-x8Yz"), "job-of-pipeline-failed", "warning", False),
        (samples.tuning_job(), "run-failed", "warning", True),
        (samples.processing_job(), "run-failed", "warning", True),
        (samples.transform_job(), "run-failed", "warning", True),
        (samples.labeling_job(), "run-failed", "warning", True),
        (samples.model_package("Approved"), "package-decided", "info", True),
        (samples.model_package("PendingManualApproval"), "", "info", False),
        (samples.api_call(), "endpoint-changed-by", "info", True),
        (samples.api_call(request={"endpointName": "strangers"}), "", "info", False),
        (samples.api_call("PutMetricAlarm", request={"alarmName": "watchkeeper/flights/_all/x"}), "", "info", False),
        (samples.feature_group(), "", "info", False),
    ],
)
def test_the_built_in_rules_tell_what_failed_and_who_changed_an_endpoint(event, rule, severity, notify):
    decision = decide_event(read(event), NOTHING, NOW)
    assert (decision.rule, decision.severity, decision.notify) == (rule, severity, notify)
    assert decision.archive
    assert decision.start is None


def test_every_built_in_rule_decides_something():
    assert {rule.severity for rule in BUILT_IN.values()} == {"info", "warning", "critical"}
    quiet = EventRulesSpec(built_in_rules=False)
    assert not decide_event(read(samples.endpoint("FAILED")), quiet, NOW).notify


def test_the_first_rule_that_matches_decides_alone():
    given = rules(
        mine={"match": {"kinds": ["pipeline"], "names": ["flights-*"]}, "severity": "critical", "owner": "mlops"},
        all={"match": {"outcomes": ["failed"]}, "notify": False, "archive": False},
    )
    first = decide_event(read(samples.pipeline()), given, NOW)
    assert (first.rule, first.severity, first.owner, first.notify) == ("mine", "critical", "mlops", True)
    second = decide_event(read(samples.training_job()), given, NOW)
    assert (second.rule, second.notify, second.archive) == ("all", False, False)


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({"sources": ["aws.sagemaker"]}, True),
        ({"sources": ["aws.codebuild"]}, False),
        ({"detail_types": ["SageMaker Training Job State Change"]}, True),
        ({"detail_types": ["CodeBuild Build State Change"]}, False),
        ({"statuses": ["FAILED"]}, True),
        ({"statuses": ["Stopped"]}, False),
        ({"names": ["churn-*", "flights-*"]}, True),
        ({"names": ["flights"]}, False),
        ({"tags": {"team": "fl*"}}, True),
        ({"tags": {"team": "churn"}}, False),
        ({"tags": {"tier": "*"}}, False),
        ({"endpoints": ["*"]}, False),
        ({"known_endpoint": False}, True),
        ({"in_pipeline": True}, False),
        ({"kinds": ["training_job"], "outcomes": ["succeeded"]}, False),
    ],
)
def test_all_that_a_rule_asks_for_has_to_hold(match, holds):
    decision = decide_event(read(samples.training_job()), rules(one={"match": match}), NOW)
    assert (decision.rule == "one") is holds


def test_calls_of_ones_own_automation_may_be_left_out():
    given = rules(ours={"match": {"kinds": ["api_call"], "actors": ["*:assumed-role/ml-admin/*"]}, "notify": False})
    decision = decide_event(read(samples.api_call()), given, NOW)
    assert (decision.rule, decision.notify) == ("ours", False)
    other = samples.api_call(userIdentity={"arn": "arn:aws:iam::123456789012:user/mira"})
    assert decide_event(read(other), given, NOW).rule == "endpoint-changed-by"
    assert decide_event(read(samples.pipeline()), rules(x={"match": {"actors": ["*"]}}), NOW).rule == "run-failed"


START = {"match": {"kinds": ["pipeline"]}, "start": {"dag_id": "retrain", "conf": {"endpoints": ["{endpoint}"]}}}


def test_a_start_carries_names_of_the_event_and_one_run_id():
    start = decide_event(read(samples.pipeline()), rules(again=START), NOW).start
    assert (start.target, start.name, start.values) == ("dag", "retrain", {"endpoints": ["flights"]})
    same = decide_event(read(samples.pipeline(event_id="another")), rules(again=START), NOW).start
    assert same.run_id == start.run_id, "two events of one change of state start one run"
    other = decide_event(read(samples.pipeline("Succeeded")), rules(again=START), NOW).start
    assert other.run_id != start.run_id


def test_a_start_that_lacks_a_name_is_told_and_not_guessed():
    event = read(samples.code_pipeline())
    given = rules(again=START | {"match": {}})
    decision = decide_event(event, given, NOW)
    assert decision.start is None
    assert decision.problem == "the event has no endpoint, which the rule again puts into what it starts"


def test_pipelines_get_parameters():
    given = rules(one={"start": {"sagemaker_pipeline": "score", "parameters": {"Model": "{name}@{status}"}}})
    start = decide_event(read(samples.model_package()), given, NOW).start
    assert (start.target, start.values) == ("sagemaker_pipeline", {"Model": "flights/7@Approved"})


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        ({}, "name exactly one of dag_id"),
        ({"dag_id": "a", "code_pipeline": "b"}, "got dag_id and code_pipeline"),
        ({"dag_id": "a", "parameters": {"x": "y"}}, "use conf for a DAG"),
        ({"code_pipeline": "a", "conf": {"x": "y"}}, "use parameters for a pipeline"),
        ({"dag_id": "a", "conf": {"x": ["{detail}"]}}, "no event has {detail}"),
        ({"dag_id": "a", "conf": {"x": {"y": "{reason}"}}}, "no event has {reason}"),
        ({"dag_id": "a", "conf": {"x": "{"}}, "no event has"),
        ({"dag_id": "a b"}, "should match pattern"),
    ],
)
def test_a_start_that_cannot_work_is_refused(start, fault):
    with pytest.raises(ValidationError, match=fault):
        rules(one={"start": start})


def test_the_closed_list_is_what_every_event_has():
    assert set(template_values(read(samples.pipeline()))) == set(TEMPLATE_NAMES)
    assert "reason" not in TEMPLATE_NAMES


def test_what_is_old_is_recorded_silently():
    late = AT + timedelta(hours=6, seconds=1)
    decision = decide_event(read(samples.pipeline()), rules(again=START), late)
    assert (decision.rule, decision.notify, decision.start) == ("again", False, None)
    assert decision.silent == "it happened more than 6 hours ago"
    assert decide_event(read(samples.pipeline("Succeeded")), NOTHING, late).silent is None, "nothing was to be told"


def test_what_could_not_be_read_is_always_told():
    broken = read(samples.model() | {"detail": {}, "resources": []})
    decision = decide_event(broken, NOTHING, NOW)
    assert (decision.severity, decision.notify) == ("warning", True)


def test_the_fleets_file_has_rules_and_its_faults_are_told(tmp_path):
    (tmp_path / "fleet.yaml").write_text(
        "events:\n  rules:\n    again:\n      match:\n        kinds: [pipeline]\n        outcomes: [failed]\n"
        "      start:\n        dag_id: retrain\n        conf:\n          endpoints: ['{endpoint}']\n"
        "  deadlines:\n    nightly:\n      kind: pipeline\n      name: flights-*\n      starts_by: '06:00'\n"
    )
    events = load_fleet(tmp_path).events
    assert events.rules["again"].start.dag_id == "retrain"
    assert events.deadlines["nightly"].starts_by == "06:00"
    (tmp_path / "fleet.yaml").write_text(
        "events:\n  rules:\n    again:\n      match:\n        kinds: [pipelines]\n"
        "  deadlines:\n    nightly:\n      kind: pipeline\n      name: x\n      starts_by: 6:00\n"
    )
    with pytest.raises(RegistryError) as raised:
        load_fleet(tmp_path)
    told = str(raised.value)
    assert "events.rules.again.match.kinds[0]" in told
    assert "events.deadlines.nightly.starts_by" in told
