"""Windows of labelled decisions: when they are ripe, what is read again, and what cannot be judged and why."""

import json

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.operators.labelled_world import NOW, LabelledWorld, decisions, merged_line
from watchkeeper.registry.capture_window import HOUR


@pytest.fixture
def world(place, tmp_path_factory):
    here = LabelledWorld(place, tmp_path_factory.mktemp("merged"))
    here.dataset()
    here.build()
    return here


def stored(world, folder):
    listed = world.place.s3.list_objects_v2(Bucket="watchkeeper-tests", Prefix=f"wk/{folder}").get("Contents", [])
    return {item["Key"]: (item["ETag"], item["LastModified"]) for item in listed}


def test_a_fair_hour_is_ok_and_an_unfair_one_names_facet_and_metric(world):
    world.merge(decisions(seed=2))
    world.merge(decisions(seed=2, against=0.6), NOW.previous())
    world.analyze(NOW, NOW.previous())
    assert (world.result().verdict, world.result().row_count) == ("ok", 400)
    unfair = world.result(NOW.previous())
    assert unfair.verdict == "violated"
    assert {finding.feature for finding in unfair.findings if finding.outcome == "violated"} >= {"sex=f DPPL"}
    assert unfair.metrics["sex=f DPPL"] == pytest.approx(
        next(finding.observed for finding in unfair.findings if finding.feature == "sex=f DPPL")
    )


def test_a_switched_off_metric_and_a_wide_threshold_violate_nothing(world):
    world.endpoint(bias={"thresholds": {"DPPL": None, "DI": 0.9}})
    world.merge(decisions(seed=2, against=0.6))
    world.analyze()
    violated = {finding.feature for finding in world.result().findings if finding.outcome == "violated"}
    assert violated
    assert not violated & {"sex=f DPPL", "sex=f DI"}


def test_until_labels_have_come_it_waits_and_writes_nothing_twice(world):
    world.capture()
    world.analyze()
    assert world.result().verdict == "labels_pending"
    assert "1 captured hours are not merged with labels yet" in world.result().reason
    before = stored(world, "reports/")
    world.merge(decisions(30), captured=400)
    world.analyze()
    assert stored(world, "reports/") == before, "it still waits"
    world.merge(decisions(), digest="e", revision=2)
    world.analyze()
    assert world.result().verdict == "ok"


def test_an_hour_of_nothing_is_no_traffic(world):
    world.analyze()
    assert world.result().verdict == "no_traffic"


def test_what_was_never_merged_and_never_will_be_is_failed(world):
    old = NOW.shifted(-90 * HOUR)
    world.endpoint(ground_truth={"s3_uri": "s3://watchkeeper-tests/truth", "waiting_hours": 1, "horizon_days": 1})
    world.capture(old)
    with pytest.raises(AirflowFailException, match="never merged with labels: see the runs of ground_truth"):
        world.analyze(old)
    assert world.result(old).verdict == "failed"


def test_no_label_at_all_is_failed_once_waiting_is_over(world):
    old = NOW.shifted(-90 * HOUR)
    world.endpoint(ground_truth={"s3_uri": "s3://watchkeeper-tests/truth", "waiting_hours": 1, "horizon_days": 1})
    world.merge([], old, captured=40)
    with pytest.raises(AirflowFailException):
        world.analyze(old)
    assert (world.result(old).verdict, world.result(old).matched_count) == ("failed", 0)


def test_a_kept_state_is_judged_again_without_reading_and_a_broken_one_is_made_again(world, capsys):
    world.merge(decisions(seed=2))
    world.analyze()
    (key,) = stored(world, "states/") or stored(world, "state/")
    parts = [name for name in stored(world, "merged/") if name.endswith(".jsonl")]
    for part in parts:
        world.place.s3.delete_object(Bucket="watchkeeper-tests", Key=part)
    world.endpoint(bias={"tolerance": 0.2})
    world.analyze()
    assert (world.result().verdict, world.result().revision, world.result().row_count) == ("ok", 2, 400)
    head = world.place.s3.head_object(Bucket="watchkeeper-tests", Key=key)
    world.merge(decisions(seed=2), digest="d", revision=2)
    world.place.s3.put_object(Bucket="watchkeeper-tests", Key=key, Body=b"broken", Metadata=head["Metadata"])
    world.endpoint(bias={"tolerance": 0.3})
    world.analyze()
    assert (world.result().verdict, world.result().row_count) == ("ok", 400)
    assert "the kept state is made again from merged records" in capsys.readouterr().out


def test_other_facets_are_counted_anew(world):
    world.merge(decisions(seed=2))
    world.analyze()
    world.endpoint(bias={"facets": [{"name": "amount", "values_or_threshold": [50]}]})
    world.build()
    world.analyze()
    assert any("amount" in finding.feature for finding in world.result().findings) or any(
        "amount" in name for name in world.result().metrics
    )


def json_line(row, number, hour):
    record = json.loads(merged_line(row, number, hour))
    sex, amount, _, prediction = row
    inputs = {"amount": amount} if sex is None else {"sex": sex, "amount": amount}
    record["captureData"]["endpointInput"].update(data=json.dumps(inputs), encoding="JSON")
    record["captureData"]["endpointOutput"].update(data=json.dumps({"loan": prediction}), encoding="JSON")
    return json.dumps(record) + "\n"


def short_line(row, number, hour):
    record = json.loads(merged_line(row, number, hour))
    record["captureData"]["endpointInput"]["data"] = str(row[1])
    return json.dumps(record) + "\n"


NAMELESS = [(None, amount, label, label) for _, amount, label, _ in decisions()]


@pytest.mark.parametrize(
    ("rows", "line", "verdict", "reason"),
    [
        (NAMELESS, json_line, "failed", "sex"),
        (decisions(), short_line, "failed", "400 of 400"),
        ([("x", 1, 1, 1)] * 400, None, "too_few", "no check could be evaluated"),
        ([("f", 1, 1, 1)] * 400, None, "too_few", "no check could be evaluated"),
        ([(sex, 1, "yes", "yes") for sex in "fm"] * 200, None, "failed", "check label_values_or_threshold"),
        ([(sex, 1, 0, 0) for sex in "fm"] * 200, None, "failed", "check label_values_or_threshold"),
        ([(sex, 1, 1, 1) for sex in "fm"] * 200, None, "ok", "checks satisfied"),
        (decisions(40), None, "too_few", "40 labelled rows, at least 50 are needed"),
        ([(sex, 1, label, "") for sex in "fm" for label in (0, 1)] * 100, None, "failed", "prediction"),
    ],
    ids=[
        "facet is no longer sent",
        "facet is no longer in CSV",
        "unknown values of the facet",
        "one group only",
        "labels of another spelling",
        "negatives only",
        "positives only",
        "few rows",
        "no predictions",
    ],
)
def test_traffic_that_cannot_be_judged_has_a_verdict_and_says_why(world, rows, line, verdict, reason):
    world.merge(rows, line=line)
    if verdict == "failed":
        with pytest.raises(AirflowFailException):
            world.analyze()
    else:
        world.analyze()
    assert (world.result().verdict, reason in world.result().reason) == (verdict, True), world.result().reason


def test_a_missing_baseline_names_the_command(place, tmp_path_factory):
    world = LabelledWorld(place, tmp_path_factory.mktemp("merged"))
    world.merge(decisions())
    with pytest.raises(AirflowFailException, match="airflow dags trigger baseline"):
        world.analyze()
    assert world.result().could_not_judge
