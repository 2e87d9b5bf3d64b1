import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import BEFORE, Replayed
from tests.sandbox.test_replayed_traffic import captured_lines

pytestmark = pytest.mark.sandbox


@dataclass(frozen=True)
class Delivered:
    """One line of ground truth and the hour of collection in its key."""

    hour: datetime
    key: str
    data: str
    encoding: str


def delivered(replayed: Replayed, endpoint: str) -> Iterator[Delivered]:
    s3 = replayed.sandbox.client("s3")
    prefix = f"ground-truth/{endpoint}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="watchkeeper", Prefix=prefix):
        for item in page.get("Contents", []):
            hour = datetime.strptime(item["Key"].removeprefix(prefix)[:13], "%Y/%m/%d/%H").replace(tzinfo=UTC)
            body = s3.get_object(Bucket="watchkeeper", Key=item["Key"])["Body"].read()
            for line in map(json.loads, body.splitlines()):
                assert line["eventVersion"] == "0"
                truth = line["groundTruthData"]
                yield Delivered(hour, line["eventMetadata"]["eventId"], truth["data"], truth["encoding"])


def inferences(replayed: Replayed, endpoint: str) -> dict[str, dict[str, Any]]:
    """Return the captured lines by the id that ground truth goes by."""
    lines = [line for _key, line in captured_lines(replayed, endpoint)]
    return {line["eventMetadata"].get("inferenceId", line["eventMetadata"]["eventId"]): line for line in lines}


def test_labels_of_flights_come_hours_later_by_inference_id(replayed: Replayed) -> None:
    captured = inferences(replayed, "flights-delay")
    labels = list(delivered(replayed, "flights-delay"))
    assert {label.encoding for label in labels} == {"CSV"}
    assert {label.data for label in labels} == {"0", "1"}
    assert all(key.startswith("flights-delay-") for key in captured)
    delays = []
    for label in labels:
        if label.key in captured:  # the captures of one hour were lost
            at = datetime.fromisoformat(captured[label.key]["eventMetadata"]["inferenceTime"])
            delays.append((label.hour + timedelta(hours=1) - at) / timedelta(hours=1))
    assert min(delays) > 0.5
    late = sum(delay > 24 for delay in delays) / len(delays)
    assert 0.005 < late < 0.08
    missing = 1 - len({label.key for label in labels} & set(captured)) / len(captured)
    assert 0 < missing < 0.25  # some never come, the last day's are still under way


def test_labels_of_orders_hold_one_value_a_line_by_event_id(replayed: Replayed) -> None:
    captured = inferences(replayed, "order-quantity")
    assert not any("inferenceId" in line["eventMetadata"] for line in captured.values())
    labels = list(delivered(replayed, "order-quantity"))
    assert {label.encoding for label in labels} == {"JSON"}
    for label in labels:
        values = [json.loads(line)["quantity"] for line in label.data.splitlines()]
        answers = captured[label.key]["captureData"]["endpointOutput"]["data"].splitlines()
        assert len(values) == len(answers)
        assert min(values) > 0


@pytest.mark.parametrize("endpoint", ["flights-delay", "order-quantity"])
def test_one_label_comes_twice_and_one_is_put_right(replayed: Replayed, endpoint: str) -> None:
    labels = list(delivered(replayed, endpoint))
    counts = Counter(label.key for label in labels)
    repeated = [key for key, count in counts.items() if count > 1]
    assert [counts[key] for key in repeated] == [2, 2]
    values = defaultdict(set)
    for label in labels:
        values[label.key].add(label.data)
    assert sorted(len(values[key]) for key in repeated) == [1, 2]


def test_labels_are_delivered_step_by_step(replayed: Replayed) -> None:
    sandbox = replayed.sandbox
    keys = [label.key for label in delivered(replayed, "flights-delay")]
    again = sandbox.run("labels", "--json", "--before", BEFORE)
    assert again["flights-delay"]["new"] == again["order-quantity"]["new"] == 0
    assert [label.key for label in delivered(replayed, "flights-delay")] == keys
    ahead = datetime.fromisoformat(BEFORE) + timedelta(days=9)
    rest = sandbox.run("labels", "--json", "--before", BEFORE, "--until", ahead.isoformat())["flights-delay"]
    assert rest["next"] is None
    assert rest["labels"] == again["flights-delay"]["labels"] + rest["new"]
