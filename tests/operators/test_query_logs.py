"""Logs Insights as a task."""

import asyncio

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from tests.scripted_aws import scripted_aws
from watchkeeper.errors import ServiceAnswerError
from watchkeeper.operators.query_logs import CloudWatchLogsInsightsQueryOperator

QUERY = "filter @message like /ERROR/ | stats count() as errors by bin(5m) as slot"
ROWS = [[{"field": "slot", "value": "2026-11-25 04:00:00.000"}, {"field": "errors", "value": "7"}]]


@pytest.fixture
def aws_script(monkeypatch):
    with scripted_aws(monkeypatch) as script:
        script.answers["StartQuery"] = [{"queryId": "q"}]
        yield script


def operator(**fields):
    times = {"start_time": "2026-11-25T04:00:00Z", "end_time": "2026-11-25T05:00:00Z"}
    return CloudWatchLogsInsightsQueryOperator(
        task_id="t", log_groups=["g"], query=QUERY, waiter_delay=0, **(times | fields)
    )


def test_a_query_comes_back_from_the_triggerer_with_its_rows(aws_script):
    aws_script.answers["GetQueryResults"] = [{"status": "Running", "results": []}]
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute({})
    aws_script.answers["GetQueryResults"] = [{"status": "Scheduled"}, {"status": "Complete", "results": ROWS}]

    async def first_event():
        return await anext(deferred.value.trigger.run())

    event = asyncio.run(first_event()).payload
    assert event == {"status": "success", "run_id": "q"}
    rows = operator().execute_complete({}, event)
    assert rows == [{"slot": "2026-11-25 04:00:00.000", "errors": "7"}]


def test_a_query_that_is_answered_at_once_is_not_waited_for(aws_script):
    aws_script.answers["GetQueryResults"] = [{"status": "Complete", "results": ROWS}]
    assert operator(deferrable=True).execute({})[0]["errors"] == "7"


def test_a_query_that_timed_out_may_be_tried_again(aws_script):
    aws_script.answers["GetQueryResults"] = [{"status": "Timeout"}]
    with pytest.raises(ServiceAnswerError, match="its status is Timeout"):
        operator().execute({})


def test_a_killed_query_is_stopped_in_worker_and_triggerer(aws_script):
    aws_script.answers |= {"GetQueryResults": [{"status": "Running"}], "StopQuery": [{"success": True}]}
    waiting = operator(deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute({})
    waiting.on_kill()
    asyncio.run(deferred.value.trigger.on_kill())
    assert aws_script.asked("StopQuery") == [{"queryId": "q"}] * 2
    operator(cancel_on_kill=False).on_kill()
    assert len(aws_script.asked("StopQuery")) == 2


def test_a_moment_without_its_offset_is_refused_before_anything_is_asked(aws_script):
    with pytest.raises(AirflowFailException, match="2026-11-25T04:00"):
        operator(start_time="2026-11-25T04:00:00").execute({})
    assert aws_script.calls == []
