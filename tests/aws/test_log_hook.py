"""CloudWatch Logs: pages, what is done already, and what there is not."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.scripted_aws import Refusal, scripted_aws
from watchkeeper.aws.log_hook import LogsHook, QueryAnswer, required_answer
from watchkeeper.errors import PermissionMissingError, ServiceAnswerError

START = datetime(2026, 11, 25, 4, tzinfo=UTC)
END = START + timedelta(hours=1)
GROUP = "/aws/sagemaker/Endpoints/flights"
MISSING = Refusal("ResourceNotFoundException", "The specified log group does not exist.")


@pytest.fixture
def aws_script(monkeypatch):
    with scripted_aws(monkeypatch) as script:
        yield script


@pytest.fixture
def hook(aws_script) -> LogsHook:
    return LogsHook(aws_conn_id=None, region_name="us-east-1")


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_events_are_read_over_all_pages_and_only_those_of_the_time(hook, aws_script):
    def event(seconds: float, text: str) -> dict[str, object]:
        moment = milliseconds(START + timedelta(seconds=seconds))
        return {"timestamp": moment, "message": text, "logStreamName": "AllTraffic/i-1"}

    aws_script.answers["FilterLogEvents"] = [
        {"events": [event(0, "a"), event(1.5, "b")], "nextToken": "more"},
        {"events": [], "nextToken": "still"},
        {"events": [event(3599.999, "c"), event(3600, "the next hour's")]},
    ]
    lines = list(hook.events(GROUP, START, END, "%x%", "AllTraffic"))
    assert [line.message for line in lines] == ["a", "b", "c"]
    assert lines[1].at == START + timedelta(seconds=1.5)
    first, second, _ = aws_script.asked("FilterLogEvents")
    assert first == {
        "logGroupName": GROUP,
        "startTime": milliseconds(START),
        "endTime": milliseconds(END),
        "filterPattern": "%x%",
        "logStreamNamePrefix": "AllTraffic",
    }
    assert second["nextToken"] == "more"


def test_a_querys_rows_are_read_over_all_pages(hook, aws_script):
    def row(number: int) -> list[dict[str, str]]:
        return [{"field": "@message", "value": f"m{number}"}, {"field": "@ptr", "value": "p"}]

    aws_script.answers["StartQuery"] = [{"queryId": "q"}]
    aws_script.answers["GetQueryResults"] = [
        {"status": "Running", "results": [row(0)], "statistics": {"bytesScanned": 5.0}},
        {"status": "Complete", "results": [row(0), row(1)], "nextToken": "more"},
        {"status": "Complete", "results": [row(2)], "statistics": {"bytesScanned": 9.0}},
    ]
    assert hook.start_query([GROUP, "b"], "fields @message", START, END, 5) == "q"
    assert aws_script.asked("StartQuery")[0] == {
        "logGroupNames": [GROUP, "b"],
        "queryString": "fields @message",
        "startTime": int(START.timestamp()),
        "endTime": int(END.timestamp()),
        "limit": 5,
    }
    running = hook.query_answer("q")
    assert not running.has_ended
    done = hook.query_answer("q")
    assert done == QueryAnswer("Complete", ({"@message": "m0"}, {"@message": "m1"}, {"@message": "m2"}), 9.0)
    assert required_answer(done, "q") == done.rows


@pytest.mark.parametrize(
    ("status", "remedy"),
    [("Failed", "Check the query"), ("Timeout", "shorter time"), ("Cancelled", "Somebody stopped")],
)
def test_a_query_that_did_not_complete_is_told(status, remedy):
    with pytest.raises(ServiceAnswerError, match=f"query q: its status is {status}. .*{remedy}"):
        required_answer(QueryAnswer(status), "q")


@pytest.mark.parametrize(
    ("answer", "stopped"),
    [
        ({"success": True}, True),
        (Refusal("InvalidParameterException", "not running"), False),
        (Refusal("ResourceNotFoundException"), False),
    ],
)
def test_stopping_a_query_that_has_ended_is_no_fault(hook, aws_script, answer, stopped):
    aws_script.answers["StopQuery"] = [answer]
    assert hook.stop_query("q") is stopped


def test_a_group_that_does_not_exist_is_told_with_the_remedy(hook, aws_script):
    told = f"log group {GROUP}: there is no such group. Create the log group"
    for operation in ("FilterLogEvents", "StartQuery", "DescribeMetricFilters"):
        aws_script.answers[operation] = [MISSING]
    aws_script.answers["DescribeLogGroups"] = [{"logGroups": [{"logGroupName": f"{GROUP}-other"}]}]
    for call in (
        lambda: list(hook.events(GROUP, START, END)),
        lambda: hook.start_query([GROUP], "q", START, END),
        lambda: hook.metric_filters(GROUP),
        lambda: hook.put_retention(GROUP, 30),
    ):
        with pytest.raises(LookupError, match=told):
            call()
    assert hook.group(GROUP) is None


def test_retention_is_set_where_it_differs(hook, aws_script):
    aws_script.answers |= {
        "DescribeLogGroups": [{"logGroups": [{"logGroupName": GROUP, "retentionInDays": 30, "storedBytes": 7}]}],
        "PutRetentionPolicy": [{}],
        "DeleteRetentionPolicy": [{}],
    }
    assert not hook.put_retention(GROUP, 30)
    assert hook.put_retention(GROUP, 90)
    assert hook.put_retention(GROUP, None)
    assert aws_script.asked("PutRetentionPolicy") == [{"logGroupName": GROUP, "retentionInDays": 90}]
    assert aws_script.asked("DeleteRetentionPolicy") == [{"logGroupName": GROUP}]
    with pytest.raises(ValueError, match=r"cannot be kept for 31 days; CloudWatch Logs offers 1, 3, 5"):
        hook.put_retention(GROUP, 31)


def test_a_metric_filter_is_put_where_it_differs(hook, aws_script):
    transformations = [{"metricName": "E", "metricNamespace": "N", "metricValue": "1"}]
    wanted = {
        "logGroupName": GROUP,
        "filterName": "f",
        "filterPattern": "ERROR",
        "metricTransformations": transformations,
    }
    aws_script.answers |= {
        "DescribeMetricFilters": [{"metricFilters": [{**wanted, "creationTime": 5}]}],
        "PutMetricFilter": [{}],
        "DeleteMetricFilter": [{}, Refusal("ResourceNotFoundException")],
    }
    assert not hook.put_metric_filter(wanted)
    assert hook.put_metric_filter(wanted | {"filterPattern": "FATAL"})
    assert hook.put_metric_filter(wanted | {"filterName": "g"})
    assert [request["filterName"] for request in aws_script.asked("PutMetricFilter")] == ["f", "g"]
    assert hook.delete_metric_filter(GROUP, "f")
    assert not hook.delete_metric_filter(GROUP, "f")


def test_a_refusal_names_action_and_group(hook, aws_script):
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}:log-stream:"
    refusal = Refusal(
        "AccessDeniedException",
        f"User: arn:aws:sts::1:assumed-role/w is not authorized to perform: logs:StartQuery on resource: {arn} because",
    )
    aws_script.answers |= {"StartQuery": [refusal], "DescribeLogGroups": [Refusal("AccessDeniedException")]}
    with pytest.raises(PermissionMissingError, match=f"logs:StartQuery on {arn}: AWS refused"):
        hook.start_query([GROUP], "q", START, END)
    with pytest.raises(PermissionMissingError, match="logs:DescribeLogGroups on /aws/sagemaker"):
        hook.group(GROUP)
