"""A job of a user's own DAG: recorded and counted once, with what it cost."""

from datetime import UTC, datetime, timedelta

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException

from tests.operators.conftest import context
from tests.operators.training_jobs import END, job_metrics, training_job
from watchkeeper import api
from watchkeeper.aws.claim_record import ClaimedElsewhereError
from watchkeeper.aws.job_hook import JobHook
from watchkeeper.errors import JobError
from watchkeeper.operators.record_job import RecordJobOperator

JOB = "flights-train-2026-11-20-04-00-00-123"


def record(name=JOB, **more):
    operator = RecordJobOperator(task_id="record", job_name=name, **more)
    return operator.execute(context(run={"dag_id": "mine", "run_id": "r1"}))


def job_claim(place, run_id):
    facts = place.deployment.access.open(JobHook).facts("training_job", JOB)
    return place.deployment.event_work.claim(facts.job_id, "points", now=datetime.now(UTC), run_id=run_id)


def test_a_job_is_recorded_with_its_figures_and_counted_once(place):
    training_job(JOB)
    told = record(endpoint="flights")
    assert (told["outcome"], told["duration_seconds"], told["billable_seconds"]) == ("succeeded", 1800.0, 1800.0)
    assert told["metrics"] == {"MAE": 3.5}
    assert 0 < told["cost_usd"] < 1
    record(endpoint="flights")
    assert job_metrics() == {
        ("Duration", "flights-train"): 1800.0,
        ("BillableSeconds", "flights-train"): 1800.0,
        ("Failed", "flights-train"): 0.0,
        ("MAE", "flights-train"): 3.5,
    }
    frame = api.read_events(days=1, kinds=["job"])
    assert frame["name"].to_list() == [JOB]
    row = frame.iloc[0]
    assert (row["endpoint"], row["dag_id"], row["cost_usd"]) == ("flights", "mine", told["cost_usd"])
    assert row["ended_at"] == END


def test_who_was_killed_before_the_points_puts_them_and_who_was_killed_after_does_not(place):
    training_job(JOB)
    assert job_claim(place, "r1") is not None, "a try of this run claimed it and died"
    record()
    assert job_metrics()["Duration", "flights-train"] == 1800.0
    assert job_claim(place, "r1") is None, "it is done, for this run and any other"
    assert job_claim(place, "r2") is None


def test_another_runs_claim_is_waited_for(place):
    training_job(JOB)
    job_claim(place, "another")
    with pytest.raises(ClaimedElsewhereError):
        record()
    assert job_metrics() == {}


def test_a_failed_job_is_recorded_and_fails_the_task_only_where_asked(place):
    training_job(JOB, "Failed")
    assert record()["failure_reason"] == "AlgorithmError: exit code 1"
    assert job_metrics()["Failed", "flights-train"] == 1.0
    with pytest.raises(AirflowFailException, match="is Failed: AlgorithmError: exit code 1"):
        record(fail_on_failure=True)


def test_a_job_that_runs_or_is_unknown_is_told_by_name(place):
    training_job(JOB, "InProgress")
    with pytest.raises(JobError, match=f"training_job {JOB}: it is InProgress"):
        record()
    with pytest.raises(JobError, match="training_job nobody: SageMaker in us-east-1 knows no such job"):
        record("nobody")
    with pytest.raises(ValueError, match="got job_type 'training'; use of training_job"):
        RecordJobOperator(task_id="record", job_name="x", job_type="training")
    assert api.read_events(days=1).empty


def test_names_beyond_the_limit_are_counted_together(place, tmp_path, monkeypatch):
    include = tmp_path / "include"
    include.mkdir()
    (include / "fleet.yaml").write_text(yaml.safe_dump({"events": {"maximum_job_names": 2}}))
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(include))
    for name in ("churn-1", "fraud-1", "flights-1", "rain-1", "churn-2"):
        training_job(name)
        assert record(name)["cost_usd"] is None, "this include folder has no prices"
    sums = {name: value for (metric, name), value in job_metrics().items() if metric == "Duration"}
    assert sums == {"churn": 3600.0, "fraud": 1800.0, "others": 3600.0}


def test_no_points_where_the_fleet_wants_none_or_cloudwatch_would_refuse_them(place, tmp_path, monkeypatch):
    training_job(JOB, end=END - timedelta(days=15))
    record()
    include = tmp_path / "include"
    include.mkdir()
    (include / "fleet.yaml").write_text(yaml.safe_dump({"events": {"job_metrics": False}}))
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(include))
    training_job("churn")
    record("churn")
    assert job_metrics() == {}
    assert len(api.read_events(days=30, kinds=["job"])) == 2
