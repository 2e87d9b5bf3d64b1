"""The DAG ground_truth, run by Airflow against the sandbox: late labels, and nothing written twice."""

import json
from datetime import UTC, datetime

import pytest

from watchkeeper.registry.capture_window import HOUR, Window

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]


class Labels:
    """What is delivered below the endpoint's label prefix, and what became of it."""

    def __init__(self, world):
        self.world = world
        world.endpoint(ground_truth={"s3_uri": f"s3://{world.captures}/labels", "horizon_days": 5})

    def capture(self, window, rows=20):
        """Capture an hour and return the ids of its lines."""
        self.world.capture(window, rows)
        folder = f"data/{self.world.name}-flights/AllTraffic/{window.start_path}/"
        listed = self.world.s3.list_objects_v2(Bucket=self.world.captures, Prefix=folder)["Contents"]
        body = self.world.s3.get_object(Bucket=self.world.captures, Key=listed[0]["Key"])["Body"].read()
        return [json.loads(line)["eventMetadata"]["eventId"] for line in body.splitlines()]

    def deliver(self, window, ids, data="1"):
        lines = [
            {
                "groundTruthData": {"data": data, "encoding": "CSV"},
                "eventMetadata": {"eventId": key},
                "eventVersion": "0",
            }
            for key in ids
        ]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        self.world.put(f"labels/{window.start_path}/{len(ids)}-{data}.jsonl", text)

    def manifest(self, window):
        return json.loads(self.world.read(f"merged/flights/AllTraffic/{window.start_path}/merge.json"))

    def events(self):
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            found = session.scalars(
                select(AssetEvent)
                .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
                .where(AssetModel.name == "watchkeeper_merged")
                .order_by(AssetEvent.id)
            )
            return [event.extra for event in found]


def states(run):
    return {(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}


def test_late_labels_change_an_earlier_hour_and_a_second_run_writes_nothing(world, past_hour, capsys):
    labels = Labels(world)
    world.endpoint("unlabelled")
    ids = labels.capture(past_hour)
    recent = Window.hour_of(datetime.now(UTC)).shifted(-2 * HOUR)
    others = labels.capture(recent)
    labels.deliver(past_hour.shifted(2 * HOUR), ids[:5])
    told_before = len(labels.events())

    run = world.run("ground_truth")
    assert str(run.state) == "success", capsys.readouterr().out
    assert [ti.rendered_map_index for ti in run.get_task_instances() if ti.task_id == "merge"] == ["flights"]
    assert (labels.manifest(past_hour)["coverage"], labels.manifest(recent)["coverage"]) == (0.25, 0.0)
    merged = sorted(key for key in world.stored("merged/") if key.endswith(".jsonl"))
    (part,) = merged
    records = [json.loads(line) for line in world.read(part).splitlines()]
    assert {record["eventMetadata"]["eventId"] for record in records} == set(ids[:5])
    assert list(records[0]) == ["captureData", "eventMetadata", "eventVersion", "groundTruthData"]
    changed = [f"AllTraffic/{hour.name}" for hour in (past_hour, recent)]
    assert labels.events()[told_before:] == [
        {"changed": [{"endpoint": "flights", "hours": changed}], "endpoint_count": 1}
    ]

    written = world.stored("merged/")
    assert str(world.run("ground_truth").state) == "success"
    assert world.stored("merged/") == written
    assert len(labels.events()) == told_before + 1

    labels.deliver(recent.shifted(HOUR), [*ids[5:], "somebody-elses"])
    kept = labels.manifest(recent)
    assert str(world.run("ground_truth").state) == "success"
    assert (labels.manifest(past_hour)["coverage"], labels.manifest(past_hour)["revision"]) == (1.0, 2)
    assert labels.manifest(recent) == kept
    summary = json.loads(world.read("merged/flights/summary.json"))
    assert (summary["unmatched_label_count"], summary["unmatched_capture_count"]) == (1, len(others))
    assert labels.events()[-1]["changed"] == [{"endpoint": "flights", "hours": changed[:1]}]


def test_one_endpoints_failure_turns_the_run_red_and_leaves_the_others_going(world, past_hour, capsys):
    labels = Labels(world)
    labels.deliver(past_hour, labels.capture(past_hour))
    world.endpoint("broken", ground_truth={"s3_uri": f"s3://{world.name}-nowhere/labels"})
    run = world.run("ground_truth")
    found = states(run)
    assert str(run.state) == "failed"
    assert labels.manifest(past_hour)["coverage"] == 1.0
    assert sorted(found["merge", number] for number in (0, 1)) == ["failed", "success"]
    assert (found["report", -1], found["verify", -1]) == ("success", "failed")
    assert f"labels of broken: s3://{world.name}-nowhere: the bucket does not exist" in capsys.readouterr().out


def test_without_labelled_endpoints_a_run_is_green(world):
    world.endpoint()
    assert str(world.run("ground_truth").state) == "success"
