import base64
import json
import random
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.capture_agent import CaptureAgent, Payload, capture_line, object_key

AT = datetime(2026, 11, 18, 9, 59, 58, 683_000, tzinfo=UTC)
CONFIG: dict[str, Any] = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/some/prefix/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


def line_of(request: Payload, **changes: Any) -> dict[str, Any]:
    config = CONFIG | changes.pop("config", {})
    response = Payload("text/csv; charset=utf-8", b"0.07\n")
    return json.loads(capture_line(config, request, response, event_id="e-1", at=AT, **changes))


def test_a_line_is_what_aws_writes() -> None:
    assert line_of(Payload("text/csv", b"1,2.5,0"), inference_id="57") == {
        "captureData": {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2.5,0", "encoding": "CSV"},
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": "0.07\n",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"eventId": "e-1", "inferenceId": "57", "inferenceTime": "2026-11-18T09:59:58Z"},
        "eventVersion": "0",
    }


def test_what_the_caller_did_not_send_is_absent() -> None:
    assert set(line_of(Payload("text/csv", b"1"))["eventMetadata"]) == {"eventId", "inferenceTime"}
    told = line_of(Payload("text/csv", b"1"), custom_attributes="trace=1")
    assert told["eventMetadata"]["customAttributes"] == ["trace=1"]


@pytest.mark.parametrize(
    ("request_", "encoding"),
    [
        pytest.param(Payload("application/json", b'{"a": 1}'), "JSON", id="listed as JSON"),
        pytest.param(Payload("application/jsonlines", b'{"a": 1}'), "BASE64", id="not listed"),
        pytest.param(Payload("text/csv", b"caf\xe9,1"), "BASE64", id="listed, but not text"),
    ],
)
def test_encoding_goes_by_the_listed_content_types(request_: Payload, encoding: str) -> None:
    side = line_of(request_)["captureData"]["endpointInput"]
    assert side["encoding"] == encoding
    data = base64.b64decode(side["data"]) if encoding == "BASE64" else side["data"].encode()
    assert data == request_.body


def test_only_the_sides_asked_for_are_captured() -> None:
    line = line_of(Payload("text/csv", b"1"), config={"CaptureOptions": [{"CaptureMode": "Output"}]})
    assert list(line["captureData"]) == ["endpointOutput"]


def test_key_holds_hour_in_folders_and_the_rest_in_the_name() -> None:
    bucket, key = object_key("s3://bucket/some/prefix/", "churn", "AllTraffic", AT, uuid.UUID(int=7))
    assert (bucket, key) == (
        "bucket",
        "some/prefix/churn/AllTraffic/2026/11/18/09/59-58-683-00000000-0000-0000-0000-000000000007.jsonl",
    )


def test_no_object_holds_two_hours_and_old_lines_do_not_wait() -> None:
    written: list[tuple[str, bytes]] = []
    agent = CaptureAgent(lambda _bucket, key, body: written.append((key, body)), 600, random.Random(1))
    for number, seconds in enumerate((0, 1, 3, 700)):  # 1 s before the hour, then just after it, then much later
        agent.add("churn", "A", CONFIG, AT + timedelta(seconds=seconds), b"%d\n" % number)
    agent.flush()
    hours = [re.search(r"/(\d\d)/(\d\d)-", key).groups() for key, _ in written]  # type: ignore[union-attr]
    assert hours == [("09", "59"), ("10", "00"), ("10", "11")]
    assert [body for _, body in written] == [b"0\n1\n", b"2\n", b"3\n"]


@pytest.mark.parametrize(("percentage", "low", "high"), [(0, 0, 0), (20, 150, 250), (100, 1000, 1000)])
def test_sampling_keeps_its_percentage(percentage: int, low: int, high: int) -> None:
    agent = CaptureAgent(lambda *_: None, 600, random.Random(1))
    config = CONFIG | {"InitialSamplingPercentage": percentage}
    assert low <= sum(agent.sampled(config) for _ in range(1000)) <= high
    assert not agent.sampled(CONFIG | {"EnableCapture": False})
    assert not agent.sampled(None)
