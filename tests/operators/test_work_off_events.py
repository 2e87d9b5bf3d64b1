"""Events are recorded, told and acted on once, whatever is delivered how often and whoever is killed in between."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
import yaml

from tests.operators.conftest import BUCKET, REGION, context
from tests.operators.training_jobs import job_metrics, training_job
from tests.registry import event_samples as samples
from watchkeeper import api
from watchkeeper.operators.report_events import ReportEventsOperator
from watchkeeper.operators.work_off_events import WorkOffEventsOperator

NOW = datetime.now(UTC).replace(microsecond=0)
JUST_NOW = NOW - timedelta(minutes=2)


class Platform:
    """The queue of a deployment, and runs of its DAG's tasks."""

    def __init__(self, place, monkeypatch):
        self.place = place
        self.queue = place.sqs.create_queue(QueueName="platform-events")["QueueUrl"]
        self.include = place.folder / "include"
        self.include.mkdir()
        monkeypatch.setenv("WATCHKEEPER_EVENT_QUEUE_URL", self.queue)
        monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(self.include))
        monkeypatch.setenv("WATCHKEEPER_ENDPOINTS", str(place.folder))
        self.dag_runs = set()
        self.runs = 0

    def fleet(self, **events):
        (self.include / "fleet.yaml").write_text(yaml.safe_dump({"events": events}))

    def send(self, *events, times=1):
        """Put events into the queue, as EventBridge does; texts as they are."""
        for event in events:
            for _ in range(times):
                body = event if isinstance(event, str) else json.dumps(event)
                self.place.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def work_off(self):
        """Run the first task; return its DAG starts and what the next one pulls."""
        self.runs += 1
        pulled = {}
        ti = SimpleNamespace(xcom_push=lambda key, value: pulled.update({key: json.loads(json.dumps(value))}))
        run = {"dag_id": "platform_events", "run_id": f"run-{self.runs}"}
        starts = WorkOffEventsOperator(task_id="work_off").execute(context(ti=ti, run=run))
        return starts, pulled

    def report(self, pulled):
        ti = SimpleNamespace(
            xcom_pull=lambda task_ids, key: pulled.get(key),
            get_dr_count=lambda dag_id, run_ids: len({(dag_id, run_id) for run_id in run_ids} & self.dag_runs),
        )
        run = {"dag_id": "platform_events", "run_id": f"run-{self.runs}"}
        return ReportEventsOperator(task_id="report").execute(context(ti=ti, run=run))

    def run(self, *, starting=True):
        """Run all tasks, and let the mapped one start its DAGs."""
        starts, pulled = self.work_off()
        if starting:
            self.dag_runs |= {(start["trigger_dag_id"], start["trigger_run_id"]) for start in starts}
        return starts, self.report(pulled)

    def inbox(self):
        return [event.event_id for event in self.place.deployment.inbox.pending("platform")]

    def stored(self, folder):
        listed = self.place.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"wk/{folder}").get("Contents", [])
        return [item["Key"] for item in listed]

    def subjects(self):
        return [message["Subject"] for message in self.place.messages()]


@pytest.fixture
def platform(place, monkeypatch):
    return Platform(place, monkeypatch)


def now_event(event, event_id, at=JUST_NOW):
    return event | {"id": event_id, "time": f"{at:%Y-%m-%dT%H:%M:%SZ}", "region": REGION}


def failed_build(event_id="b-1", at=JUST_NOW):
    return now_event(samples.code_build(), event_id, at)


def ledger():
    return api.read_events(days=2)


def test_an_event_is_recorded_told_and_archived(platform):
    platform.send(failed_build())
    starts, summary = platform.run()
    assert starts == []
    assert summary["faults"] == []
    (message,) = platform.place.messages()
    assert message["Subject"] == "flights-image: code build flights-image is FAILED"
    assert "Reason: BUILD: exit status 2" in message["Message"]
    assert "event_code_build.md" in message["Message"]
    assert message["MessageAttributes"]["event_kind"]["Value"] == "code_build"
    (row,) = ledger().to_dict("records")
    assert (row["kind"], row["rule"], row["severity"], row["endpoint"]) == ("code_build", "run-failed", "warning", None)
    assert platform.inbox() == []
    assert platform.stored("events/archive/")[0].endswith("/b-1.json")


def test_five_deliveries_are_one_event_before_and_after_it_was_worked_off(platform):
    platform.send(failed_build(), times=5)
    platform.run()
    platform.send(failed_build(), times=5)
    platform.run()
    assert len(platform.subjects()) == 1
    assert ledger()["event_id"].to_list() == ["b-1"]


def test_several_events_of_one_change_are_told_once_and_all_recorded(platform):
    for event_id in ("a", "b", "c"):
        platform.send(now_event(samples.endpoint("FAILED", at=JUST_NOW), event_id))
        platform.run()
    assert platform.subjects() == ["flights: endpoint flights-delay is FAILED"]
    assert len(ledger()) == 3


def test_the_same_failure_again_is_quiet_for_a_while_and_another_reason_is_news(platform):
    platform.send(failed_build("a"))
    platform.run()
    other = failed_build("c")
    other["detail"] = other["detail"] | {"additional-information": {}}
    platform.send(failed_build("b"), other)
    platform.run()
    assert len(platform.subjects()) == 2
    assert len(ledger()) == 3
    assert platform.inbox() == []


def test_what_comes_out_of_order_does_not_turn_the_state_back(platform):
    done = now_event(samples.code_pipeline("SUCCEEDED"), "newer", JUST_NOW)
    failed = now_event(samples.code_pipeline("FAILED"), "older", JUST_NOW - timedelta(minutes=5))
    platform.send(done)
    platform.run()
    platform.send(failed)
    platform.run()
    assert platform.subjects() == [], "it was retried, and has succeeded since"
    rows = ledger().set_index("event_id")
    assert rows.loc["older", "silent"].startswith("it is SUCCEEDED since")
    assert platform.inbox() == []


def test_a_malformed_message_is_kept_told_and_holds_up_nobody(platform):
    platform.send("{", json.dumps({"source": "x"}), failed_build())
    _, summary = platform.run()
    assert summary["waiting"] == 0
    subjects = platform.subjects()
    assert subjects.count("A queue brought a message that is no event") == 2
    assert "flights-image: code build flights-image is FAILED" in subjects
    assert len(platform.stored("events/archive/malformed/")) == 2
    platform.run()
    assert platform.subjects() == []


def test_an_event_that_lacks_its_status_is_told_and_recorded_as_such(platform):
    broken = now_event(samples.training_job() | {"detail": {"TrainingJobName": "x"}}, "broken")
    platform.send(broken)
    platform.run()
    (subject,) = platform.subjects()
    assert subject == "x: an event of SageMaker Training Job State Change could not be read in full"
    assert ledger()["problem"].to_list() == ["its detail has no TrainingJobStatus"]


def test_an_endpoint_that_nobody_knows_is_recorded_as_such(platform):
    platform.send(now_event(samples.endpoint("FAILED", name="strangers", at=JUST_NOW), "u"))
    platform.run()
    (message,) = platform.place.messages()
    assert "Endpoint: strangers, which no endpoint file names" in message["Message"]
    (row,) = ledger().to_dict("records")
    assert (row["endpoint"], row["endpoint_name"]) == (None, "strangers")


def test_who_changed_the_endpoint_is_told(platform):
    platform.send(now_event(samples.api_call(eventTime=f"{JUST_NOW:%Y-%m-%dT%H:%M:%SZ}"), "c"))
    platform.run()
    (message,) = platform.place.messages()
    assert message["Subject"] == "flights: UpdateEndpoint by mira"
    assert "From: 198.51.100.7" in message["Message"]
    assert message["MessageAttributes"]["severity"]["Value"] == "info"


RETRAIN = {
    "match": {"kinds": ["code_build"], "outcomes": ["failed"]},
    "start": {"dag_id": "retrain", "conf": {"endpoints": ["{name}"]}},
}


def test_an_event_starts_one_run_of_a_dag(platform):
    platform.fleet(rules={"again": RETRAIN})
    platform.send(failed_build(), times=2)
    starts, summary = platform.run()
    assert [(start["trigger_dag_id"], start["conf"]) for start in starts] == [
        ("retrain", {"endpoints": ["flights-image"]})
    ]
    assert summary["faults"] == []
    assert platform.inbox() == []
    (row,) = ledger().to_dict("records")
    assert row["starts"] == f"dag retrain {starts[0]['trigger_run_id']}"


def test_an_event_whose_dag_did_not_start_stays_and_starts_the_same_run_later(platform):
    platform.fleet(rules={"again": RETRAIN})
    platform.send(failed_build())
    first, summary = platform.run(starting=False)
    assert summary["faults"] == ["event b-1: the DAG retrain was not started, see the log of task start"]
    assert platform.inbox() == ["b-1"]
    again, summary = platform.run()
    assert again == first, "the same run id: Airflow starts it once"
    assert summary["faults"] == []
    assert platform.inbox() == []
    assert len(platform.subjects()) == 1


def test_a_run_that_was_killed_after_any_step_is_taken_up_by_the_next(platform):
    platform.fleet(rules={"again": RETRAIN})
    platform.send(failed_build())
    starts, _ = platform.work_off()  # and killed: nothing is reported, nothing started
    assert platform.inbox() == ["b-1"]
    resumed, _ = platform.run()
    assert resumed == starts
    assert platform.inbox() == []
    assert len(platform.subjects()) == 1
    assert len(ledger()) == 1
    _, summary = platform.run()
    assert summary["verdicts"] == {}


def test_a_report_without_the_work_before_it_takes_nothing_out(platform):
    platform.send(failed_build())
    platform.work_off()
    summary = platform.report({})
    assert summary["waiting"] == 1
    assert platform.inbox() == ["b-1"]


def test_a_rule_may_drop_what_is_in_the_ledger(platform):
    platform.fleet(rules={"quiet": {"match": {"kinds": ["code_build"]}, "notify": False, "archive": False}})
    platform.send(failed_build())
    platform.run()
    assert platform.inbox() == []
    assert platform.stored("events/archive/") == []
    assert len(ledger()) == 1
    assert platform.subjects() == []


def test_what_is_old_is_recorded_silently(platform):
    platform.fleet(rules={"again": RETRAIN})
    platform.send(failed_build(at=NOW - timedelta(hours=7)))
    starts, _ = platform.run()
    assert starts == []
    assert platform.subjects() == []
    assert ledger()["silent"].to_list() == ["it happened more than 6 hours ago"]
    assert platform.inbox() == []


def test_a_notice_that_could_not_be_sent_keeps_the_event(platform, monkeypatch):
    topic = platform.place.topic
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", topic.replace("alerts", "nowhere"))
    platform.send(failed_build())
    _, summary = platform.run()
    assert len(summary["faults"]) == 1
    assert "was not told" in summary["faults"][0]
    assert platform.inbox() == ["b-1"]
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", topic)
    platform.run()
    assert len(platform.subjects()) == 1
    assert platform.inbox() == []


def test_a_job_that_ended_is_recorded_with_its_figures_once(platform):
    name = "flights-train-2026-11-20-04-00-00-123"
    training_job(name, mae=2.25)
    event = samples.training_job("Completed", at=JUST_NOW)
    for event_id in ("a", "b"):
        platform.send(now_event(event, event_id))
        _, summary = platform.run()
        assert summary["faults"] == []
    jobs = api.read_events(days=2, kinds=["job"])
    assert jobs["name"].to_list() == [name]
    assert jobs["metrics"].iloc[0] == [{"name": "MAE", "value": 2.25}]
    assert job_metrics()["MAE", "flights-train"] == 2.25
    assert len(api.read_events(days=2, kinds=["training_job"])) == 2


def test_a_job_that_is_gone_is_a_fault_and_holds_up_nothing(platform):
    platform.send(now_event(samples.training_job("Completed", at=JUST_NOW), "a"))
    _, summary = platform.run()
    (fault,) = summary["faults"]
    assert "knows no such job" in fault
    assert platform.inbox() == []


def pipeline_rule(target):
    start = {target: "score", "parameters": {"Build": "{name}"}}
    return {"one": {"match": {"kinds": ["code_build"]}, "start": start}}


def test_a_sagemaker_pipeline_starts_once_per_event(platform):
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    sagemaker.create_pipeline(
        PipelineName="score",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": []}),
        ClientRequestToken="t" * 32,
        RoleArn="arn:aws:iam::123456789012:role/training",
    )
    platform.fleet(rules=pipeline_rule("sagemaker_pipeline"))
    platform.send(failed_build(), times=3)
    platform.work_off()  # and killed before the report
    _, summary = platform.run()
    assert summary["faults"] == []
    runs = sagemaker.list_pipeline_executions(PipelineName="score")["PipelineExecutionSummaries"]
    assert len(runs) == 1
    parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=runs[0]["PipelineExecutionArn"])
    assert parameters["PipelineParameters"] == [{"Name": "Build", "Value": "flights-image"}]


def test_a_pipeline_that_is_not_there_is_told_once_and_tried_again(platform):
    platform.fleet(rules=pipeline_rule("sagemaker_pipeline"))
    platform.send(failed_build())
    for _ in range(2):
        _, summary = platform.run()
        assert len(summary["faults"]) == 1
        assert "sagemaker_pipeline score was not started" in summary["faults"][0]
        assert platform.inbox() == ["b-1"]
    assert sorted(platform.subjects()) == [
        "flights-image: code build flights-image is FAILED",
        "flights-image: sagemaker pipeline score was not started",
    ]


def test_one_faulty_event_holds_up_no_other(platform):
    platform.fleet(rules=pipeline_rule("sagemaker_pipeline"))
    platform.send(failed_build("a"), now_event(samples.state_machine(), "z"))
    _, summary = platform.run()
    assert len(summary["faults"]) == 1
    assert platform.inbox() == ["a"]
    assert len(ledger()) == 2


def test_figures_that_cannot_be_read_keep_nobody_waiting_for_the_news(platform):
    """moto does not know how to describe a labelling job: an answer that nobody foresaw."""
    platform.send(now_event(samples.labeling_job(), "young"))
    _, summary = platform.run()
    assert len(summary["faults"]) == 1
    assert "figures of labeling job delays-2026" in summary["faults"][0]
    assert platform.subjects() == ["delays-2026: labeling job delays-2026 is Failed"]
    assert platform.inbox() == ["young"]
    platform.send(now_event(samples.labeling_job("Stopped"), "old", NOW - timedelta(hours=7)))
    platform.run()
    assert platform.inbox() == ["young"], "what could not be read for hours is let go"


def test_a_queue_that_is_not_there_is_a_fault_and_the_inbox_is_worked_off(platform, monkeypatch):
    platform.place.deployment.inbox.receive(json.dumps(failed_build()), NOW)
    monkeypatch.setenv("WATCHKEEPER_EVENT_QUEUE_URL", platform.queue + "-gone")
    _, summary = platform.run()
    assert len(summary["faults"]) == 1
    assert summary["faults"][0].startswith("the queue of events was not read")
    assert platform.inbox() == []
    monkeypatch.delenv("WATCHKEEPER_EVENT_QUEUE_URL")
    _, summary = platform.run()
    assert summary["faults"] == []


def test_alarms_are_left_to_the_dag_that_they_are_for(platform):
    alarm = now_event(samples.envelope("aws.cloudwatch", "CloudWatch Alarm State Change", {"alarmName": "x"}), "alarm")
    platform.send(alarm)
    platform.run()
    assert [event.event_id for event in platform.place.deployment.inbox.pending("alarms")] == ["alarm"]
    assert ledger().empty
