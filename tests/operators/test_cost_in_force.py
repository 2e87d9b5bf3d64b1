"""What a ceiling takes away is really gone at run time: metrics rolled up, empty windows skipped, sampling lowered."""

import boto3
import pytest

from tests.aws.result_samples import finding, result
from tests.operators.conftest import REGION
from tests.operators.test_analyze_window import NOW, analyze, baseline, capture
from tests.operators.test_analyze_window import result as stored
from tests.operators.test_publish_report import report
from tests.operators.test_put_metrics import listed, put

FEATURES = "aws/sagemaker/Endpoints/data-metrics"
PUBLISH = {"data_quality": {"publish_feature_metrics": True}}
ROLLED = {"feature_baseline_drift", "feature_baseline_drift_violated"}


def ceiling(*steps, usd=1, **more):
    return {"ceiling_usd_per_month": usd, "on_exceed": "degrade", "degrade": list(steps)} | more


def statistics(name, namespace=FEATURES):
    (metric,) = boto3.client("cloudwatch", region_name=REGION).list_metrics(Namespace=namespace, MetricName=name)[
        "Metrics"
    ]
    points = boto3.client("cloudwatch", region_name=REGION).get_metric_statistics(
        **metric,
        StartTime=NOW.start,
        EndTime=NOW.end,
        Period=3600,
        Statistics=["Maximum", "Minimum", "Sum", "SampleCount"],
    )
    return points["Datapoints"][0]


@pytest.mark.parametrize("cost", [{"roll_up_metrics": True}, ceiling("roll_up_metrics")], ids=["asked", "ceiling"])
def test_metrics_of_features_are_rolled_up(place, cost):
    place.endpoint(monitors=PUBLISH, cost=cost)
    drifted = result(
        window=NOW,
        verdict="violated",
        violated_count=1,
        findings=(finding("delay"), finding("carrier", check="completeness_check")),
        distances={"delay": 0.5, "carrier": 0.1},
    )
    place.deployment.reports.write_result(drifted, {}, NOW)
    put()
    assert listed(FEATURES) == ROLLED
    assert statistics("feature_baseline_drift_violated")["Maximum"] == 1
    assert statistics("feature_baseline_drift")["Maximum"] == 0.5


def test_a_ceiling_that_holds_leaves_the_metrics_alone(place):
    place.endpoint(monitors=PUBLISH, cost=ceiling("roll_up_metrics", usd=10_000))
    place.deployment.reports.write_result(result(window=NOW, distances={"delay": 0.1}), {}, NOW)
    put()
    assert listed(FEATURES) == {"feature_baseline_drift_delay"}


def test_an_empty_window_gets_a_verdict_and_neither_report_nor_metrics(place):
    place.endpoint(cost=ceiling("skip_empty_windows"))
    baseline(place)
    analyze({"flights": [NOW.name]})
    assert stored(place) is None
    summary = report()
    assert summary["verdicts"] == {"no_traffic": 1}
    assert (summary["alerts_sent"], summary["faults"], summary["failed"]) == ([], [], [])
    (row,) = place.deployment.ledger.read("data_quality", NOW.start, NOW.end).to_dicts()
    assert (row["verdict"], row["row_count"]) == ("no_traffic", 0)
    assert row["reason"].startswith("skipped as empty")
    assert stored(place) is None
    assert listed("Watchkeeper/DataQuality") == set()
    # A second report finds it there.
    assert report()["ledger_files"] == []


def test_a_window_with_captures_is_judged_as_ever(place):
    place.endpoint(cost=ceiling("skip_empty_windows"))
    baseline(place)
    capture(place)
    analyze({"flights": [NOW.name]})
    assert report()["verdicts"] == {"ok": 1}
    assert "RowCount" in listed("Watchkeeper/DataQuality")


def test_invocations_without_captures_are_a_gap_and_not_skipped(place):
    place.endpoint(cost=ceiling("skip_empty_windows"))
    baseline(place)
    boto3.client("cloudwatch", region_name=REGION).put_metric_data(
        Namespace="AWS/SageMaker",
        MetricData=[
            {
                "MetricName": "Invocations",
                "Dimensions": [
                    {"Name": "EndpointName", "Value": "flights-delay"},
                    {"Name": "VariantName", "Value": "AllTraffic"},
                ],
                "Timestamp": NOW.start,
                "Value": 50,
            }
        ],
    )
    analyze({"flights": [NOW.name]})
    assert stored(place).verdict == "capture_gap"


def test_what_was_judged_once_is_not_skipped_later(place):
    place.endpoint(cost=ceiling("skip_empty_windows"))
    place.deployment.reports.write_result(result(window=NOW), {}, NOW)
    analyze({"flights": [NOW.name]})
    assert report()["verdicts"] == {"ok": 1}


def test_a_late_capture_replaces_what_was_skipped(place):
    place.endpoint(cost=ceiling("skip_empty_windows"))
    baseline(place)
    report()
    capture(place)
    analyze({"flights": [NOW.name]})
    report()
    rows = place.deployment.ledger.read("data_quality", NOW.start, NOW.end)
    assert rows["verdict"].to_list() == ["ok"]


def test_lowered_sampling_is_what_every_task_sees(place):
    traffic = {"assumptions": {"invocations_per_hour": 1_000_000}}
    place.endpoint(cost=ceiling("lower_sampling", **traffic))
    assert place.deployment.registry.require("flights").capture.sampling_percentage == 10
    assert place.deployment.cost.verdicts["flights"].steps == ("lower_sampling",)
