"""Model quality in Airflow: pending, judged, restated, corrected; an hour that no label came for."""

import json
import random
import uuid
from datetime import timedelta

import pytest

from tests.integration.conftest import World
from watchkeeper.registry.capture_window import HOUR, Window

pytestmark = [pytest.mark.airflow, pytest.mark.sandbox]

ROWS = 120
GROUND_TRUTH = {"label_coverage": 0.9, "waiting_hours": 2, "horizon_days": 1}
# Hourly only: in a day's first hour the day before is over, and judged too.
MONITOR = {
    "problem_type": "BinaryClassification",
    "probability_attribute": "late",
    "minimum_rows": 30,
    "periods": ["hourly"],
}


@pytest.fixture
def labelled(world: World) -> World:
    """A deployment with one endpoint whose model was right nine times in ten when its baseline was made."""
    world.endpoint(
        ground_truth={"s3_uri": f"s3://{world.captures}/truth", **GROUND_TRUTH},
        monitors={"data_quality": {"enabled": False}, "model_quality": MONITOR},
        baseline={"model_quality": {"dataset": f"s3://{world.captures}/validation.csv", "probability_attribute": "p"}},
    )
    lines = ["p,label", *(f"{p},{label}" for p, label in predictions(1000, right=0.9, seed=7))]
    world.put("validation.csv", "\n".join(lines) + "\n")
    assert str(world.run("baseline").state) == "success"
    return world


def predictions(rows: int, *, right: float, seed: int) -> list[tuple[float, int]]:
    """Return probabilities and labels of a model that is right in this share of the rows."""
    chance = random.Random(seed)
    found = []
    for _ in range(rows):
        label = int(chance.random() < 0.4)
        answer = label if chance.random() < right else 1 - label
        found.append((round(0.5 + (0.45 if answer else -0.45) * chance.random(), 4), label))
    return found


def captured(world: World, hour: Window, *, right: float) -> list[str]:
    """Capture an hour of predictions and return the lines of their labels."""
    lines, labels = [], []
    for number, (probability, label) in enumerate(predictions(ROWS, right=right, seed=hour.start.hour)):
        event = str(uuid.uuid4())
        moment = hour.start + timedelta(seconds=number)
        request = {"data": f"{number}.5,100,AA", "encoding": "CSV", "mode": "INPUT"}
        response = {"data": f"{probability}\n", "encoding": "CSV", "mode": "OUTPUT"}
        record = {
            "captureData": {"endpointInput": request, "endpointOutput": response},
            "eventMetadata": {"eventId": event, "inferenceTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"},
            "eventVersion": "0",
        }
        lines.append(json.dumps(record) + "\n")
        truth = {"groundTruthData": {"data": str(label), "encoding": "CSV"}, "eventMetadata": {"eventId": event}}
        labels.append(json.dumps(truth) + "\n")
    world.capture_text(hour, "".join(lines))
    return labels


def deliver(world: World, hour: Window, labels: list[str], part: int = 0) -> None:
    """Deliver labels that were collected in an hour."""
    world.put(f"truth/{hour.start_path}/{part}.jsonl", "".join(labels))


def judge(world: World, expected: str = "success") -> None:
    assert str(world.run("ground_truth").state) == "success"
    assert str(world.run("model_quality").state) == expected


def verdicts(world: World) -> dict[str, list[tuple[int, str]]]:
    rows = world.ledger().filter(period="hourly") if len(world.ledger()) else world.ledger()
    found: dict[str, list[tuple[int, str]]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(Window(row["window_start"], row["window_end"]).name, []).append(
            (row["revision"], row["verdict"])
        )
    return found


def test_a_window_waits_for_its_labels_and_is_restated_when_more_come(labelled: World, hour: Window) -> None:
    good, bad = hour.shifted(-HOUR), hour
    good_labels, bad_labels = captured(labelled, good, right=0.9), captured(labelled, bad, right=0.5)
    deliver(labelled, hour, good_labels[:20])
    judge(labelled)
    pending = {good.name: [(1, "labels_pending")], bad.name: [(1, "labels_pending")]}
    assert {name: found for name, found in verdicts(labelled).items() if name in pending} == pending
    assert labelled.messages() == []

    deliver(labelled, hour, good_labels[20:110], part=1)
    deliver(labelled, hour, bad_labels[:115], part=2)
    judge(labelled)
    assert verdicts(labelled)[good.name][-1] == (2, "ok")
    assert verdicts(labelled)[bad.name][-1] == (2, "violated")
    (alert,) = labelled.messages()
    assert "flights: violated, " in alert["Subject"]
    assert alert["MessageAttributes"]["monitor"]["Value"] == "model_quality"

    before = labelled.stored("reports/")
    judge(labelled)
    assert labelled.stored("reports/") == before, "nothing has come, so nothing is written"

    deliver(labelled, hour, good_labels[110:], part=3)
    judge(labelled)
    row = labelled.ledger().filter(revision=3).row(0, named=True)
    assert (row["verdict"], row["matched_count"], row["label_coverage"]) == ("ok", ROWS, 1.0)
    assert {metric["name"] for metric in row["metrics"]} >= {"accuracy", "auc", "f1", "recall"}
    assert verdicts(labelled)[bad.name][-1][0] == 2, "the other window's labels are as they were"


def test_an_alert_is_withdrawn_when_late_labels_clear_the_model(labelled: World, hour: Window) -> None:
    labels = captured(labelled, hour, right=0.87)
    wrong = [
        line
        for line, (p, label) in zip(labels, predictions(ROWS, right=0.87, seed=hour.start.hour), strict=True)
        if (p > 0.5) != bool(label)
    ]
    right = [line for line in labels if line not in wrong]
    labelled.endpoint(
        ground_truth={"s3_uri": f"s3://{labelled.captures}/truth", **GROUND_TRUTH, "label_coverage": 0.3},
        monitors={"data_quality": {"enabled": False}, "model_quality": MONITOR},
    )
    deliver(labelled, hour, [*wrong, *right[:22]])
    judge(labelled)
    deliver(labelled, hour, right[22:], part=1)
    judge(labelled)
    assert [verdict for _, verdict in verdicts(labelled)[hour.name]] == ["violated", "ok"]
    kinds = [message["MessageAttributes"]["kind"]["Value"] for message in labelled.messages()]
    assert kinds == ["alert", "withdrawal"]


def test_a_window_that_no_label_came_for_says_so_when_the_waiting_is_over(labelled: World, hour: Window) -> None:
    silent = hour.shifted(-4 * HOUR)
    captured(labelled, silent, right=0.9)
    judge(labelled, expected="failed")
    assert verdicts(labelled)[silent.name] == [(1, "failed")]
    row = labelled.ledger().filter(verdict="failed", period="hourly").row(0, named=True)
    assert row["reason"] == f"no label came for any of {ROWS} captured invocations within the 2 hours that are waited"


def test_a_restatement_says_which_labels_it_was_judged_on(labelled: World, hour: Window) -> None:
    labels = captured(labelled, hour, right=0.9)
    deliver(labelled, hour, labels)
    judge(labelled)
    folder = f"reports/flights/AllTraffic/flights-model_quality-hourly/{hour.end_path}"
    result = json.loads(labelled.read(f"{folder}/result.json"))
    assert (result["label_state"], result["matched_count"], result["captured_count"]) == ("covered", ROWS, ROWS)
    statistics = json.loads(labelled.read(f"{folder}/statistics.json"))
    assert statistics["dataset"]["item_count"] == ROWS
    assert result["metrics"]["accuracy"] == statistics["binary_classification_metrics"]["accuracy"]["value"]
