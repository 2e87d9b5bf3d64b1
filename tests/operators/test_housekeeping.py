"""Housekeeping: ledgers put together, expired data counted or deleted, leftovers told of, costs reported and told."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException

from tests import airflow_home
from tests.aws.result_samples import result
from tests.operators.conftest import BUCKET, REGION, context
from watchkeeper import api
from watchkeeper.aws.ledger import RunFacts
from watchkeeper.aws.shadow_endpoint import ENDPOINT_TAG, SHADOW_PREFIX, SHADOW_TAG
from watchkeeper.operators.compact_ledger import CompactLedgerOperator
from watchkeeper.operators.expire_data import ExpireDataOperator
from watchkeeper.operators.report_costs import ReportCostsOperator, cost_table
from watchkeeper.operators.sweep_leftovers import SweepLeftoversOperator
from watchkeeper.registry.capture_window import HOUR, Window

NOW = datetime.now(UTC)
MONTH = f"{NOW:%Y-%m}"
OLD = Window.hour_of(NOW - timedelta(days=30))
DEAR = {"monitors": {"data_quality": {"publish_feature_metrics": True}}}


@pytest.fixture
def include(place, tmp_path_factory, monkeypatch):
    """Return a function that writes the fleet's file; prices are the shipped ones."""
    folder = tmp_path_factory.mktemp("include")
    (folder / "endpoints").mkdir()
    shipped = airflow_home.REPOSITORY / "include" / "prices.yaml"
    (folder / "prices.yaml").write_text(shipped.read_text())
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(folder))

    def fleet(**cost):
        (folder / "fleet.yaml").write_text(yaml.safe_dump({"cost": cost}))
        return folder

    fleet()
    return fleet


def run(operator, due=None):
    """Run a task of a run that was due at a time, by default now."""
    return operator(task_id="task").execute(context(run={"dag_id": "housekeeping", "run_after": due}))


def report(before=None, **fields):
    def pull(task_ids):
        return (before or {}).get(task_ids)

    pulled = SimpleNamespace(xcom_pull=pull)
    operator = ReportCostsOperator(task_id="report", task_ids=["compact", "expire"])
    return operator.execute(context(run={"dag_id": "housekeeping"}, ti=pulled, **fields))


def record(place, *windows):
    facts = RunFacts(run_id="r", dag_id="d", recorded_at=NOW)
    place.deployment.ledger.record([(result(window=window), "s3://x/") for window in windows], facts)


def keys(place, folder=""):
    return [item.key for item in place.deployment.reports.objects.list(folder)]


def test_past_days_become_one_file(place, include):
    record(place, OLD, OLD.shifted(HOUR) if OLD.start.hour < 23 else OLD.shifted(-HOUR))
    assert len(keys(place, "ledger/")) == 2
    told = run(CompactLedgerOperator)
    assert told["faults"] == []
    assert told["lines"][0].startswith("ledger: 2 files of 1 days")
    assert len(keys(place, "ledger/")) == 1
    assert run(CompactLedgerOperator)["lines"][0].startswith("ledger: 0 files")


def test_compaction_can_be_turned_off(place, include):
    include(compact=False)
    record(place, OLD, OLD.shifted(-HOUR))
    assert "is off" in run(CompactLedgerOperator)["lines"][0]
    assert len(keys(place, "ledger/")) == 2


def state(place, window=OLD):
    key = f"states/flights/AllTraffic/data_quality/{window.start_path}.state"
    place.deployment.reports.objects.write(key, b"12345")
    return key


def test_unless_told_so_nothing_is_deleted_and_all_is_counted(place, include):
    include(retention={"states": 7})
    key = state(place)
    told = run(ExpireDataOperator)
    # Written just now, whatever hour it is about.
    assert "states before" in told["lines"][0]
    assert ": 0 objects, 0 bytes would be deleted" in told["lines"][0]
    assert keys(place) == [key]


def test_nothing_is_deleted_while_a_file_is_faulty(place, include):
    include(retention={"states": 7}, delete_expired=True)
    state(place)
    (place.folder / "broken.yaml").write_text("ownr: x\n")
    told = run(ExpireDataOperator)
    assert "endpoint files are faulty" in told["lines"][0]
    assert "would be deleted" in told["lines"][1]


def test_old_data_goes_and_what_must_stay_does(place, include):
    include(retention={"states": 7, "ledger": 7}, delete_expired=True)
    old, young = state(place), state(place, Window.hour_of(NOW + timedelta(days=14)))
    place.deployment.reports.objects.write("baselines/flights/data_quality/current.json", b"x")
    record(place, OLD)
    ledger = keys(place, "ledger/")
    told = run(ExpireDataOperator, NOW + timedelta(days=15))
    assert told["faults"] == []
    assert any(line.startswith("states before") and "1 objects, 5 bytes deleted" in line for line in told["lines"])
    # Reports are kept for ever, and so are the verdicts that speak of them.
    assert keys(place) == sorted([young, "baselines/flights/data_quality/current.json", *ledger])
    assert old not in keys(place)


def test_shadow_endpoints_that_were_left_behind_are_deleted(place, include):
    client = boto3.client("sagemaker", region_name=REGION)
    role = "arn:aws:iam::123456789012:role/sagemaker"
    client.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
    name = f"{SHADOW_PREFIX}flights-0123456789ab"
    tags = [{"Key": SHADOW_TAG, "Value": "true"}, {"Key": ENDPOINT_TAG, "Value": "flights"}]
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
    client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
    assert run(SweepLeftoversOperator)["lines"] == ["nothing was left behind"]
    (line,) = run(SweepLeftoversOperator, NOW + timedelta(hours=7))["lines"]
    assert name in line
    assert client.list_endpoints()["Endpoints"] == []


def test_a_notice_that_a_dead_run_claimed_is_told(place, include):
    facts = {"kind": "event", "severity": "warning", "headline": "pipeline churn failed"}
    claim = place.deployment.notices.claim("a", now=NOW, **facts)
    assert claim is not None
    place.deployment.notices.settle(place.deployment.notices.claim("b", now=NOW, **facts), "sent", now=NOW)
    assert run(SweepLeftoversOperator)["faults"] == []
    assert run(SweepLeftoversOperator, NOW + timedelta(hours=2))["faults"] == [
        "notice never sent: pipeline churn failed"
    ]
    assert run(SweepLeftoversOperator, NOW + timedelta(days=3))["faults"] == []


def metrics():
    found = boto3.client("cloudwatch", region_name=REGION).list_metrics(Namespace="Watchkeeper/Cost")["Metrics"]
    return {metric["Dimensions"][0]["Value"] for metric in found}


def test_the_months_report_stands_beside_its_page_and_is_read_in_a_notebook(place, include):
    place.endpoint("churn", **DEAR)
    summary = report({"compact": {"lines": ["ledger: 3 files are one"], "faults": ["a day stays"]}})
    assert summary["faults"] == ["a day stays"]
    assert summary["changed"][0] == "ledger: 3 files are one"
    year, month = MONTH.split("-")
    assert keys(place, "cost/") == [f"cost/{year}/{month}.html", f"cost/{year}/{month}.json"]
    page = place.deployment.reports.objects.read(f"cost/{year}/{month}.html").body.decode()
    assert "All together" in page
    assert "churn" in page
    assert "ledger: 3 files are one" in page
    frame = api.read_costs(settings=place.deployment.settings, access=place.deployment.access)
    assert frame["endpoint"].to_list() == ["churn", "flights", "_fleet"]
    assert frame.set_index("endpoint").loc["churn", "predicted_usd"] > 20
    # Nothing is there: no metric has a point, no alarm and no dashboard was made.
    assert frame.set_index("endpoint").loc["churn", "actual_usd"] < 10
    lines = api.read_costs(every_line=True, settings=place.deployment.settings, access=place.deployment.access)
    metered = lines[lines["is_measured"]]
    assert "custom_metrics" not in set(metered["item"])
    assert set(lines["endpoint"]) == {"churn", "flights", "_fleet"}
    assert metrics() == {"churn", "flights", "_fleet"}


def test_an_empty_store_of_reports_is_an_empty_frame(place):
    settings, access = place.deployment.settings, place.deployment.access
    assert list(api.read_costs(settings=settings, access=access).columns)[:3] == ["month", "endpoint", "owner"]
    assert api.read_costs(every_line=True, settings=settings, access=access).empty


def subjects(place):
    return sorted(message["Subject"] for message in place.messages())


def test_a_ceiling_is_told_once_a_month_and_again_when_something_else_gives_way(place, include):
    rules = {"ceiling_usd_per_month": 5, "on_exceed": "degrade", "degrade": ["roll_up_metrics"]}
    place.endpoint(cost=rules, **DEAR)
    assert report()["faults"] == []
    assert subjects(place) == ["flights: gives way to its cost ceiling: roll_up_metrics"]
    assert report()["faults"] == []
    assert subjects(place) == []
    place.endpoint(cost=rules | {"ceiling_usd_per_month": 0.1}, **DEAR)
    report()
    (told,) = subjects(place)
    assert told.startswith("flights: predicted")
    assert "over the ceiling of 0.10" in told


def test_a_refusal_says_that_the_infrastructure_is_not_applied(place, include):
    place.endpoint(cost={"ceiling_usd_per_month": 0.1, "on_exceed": "refuse"}, **DEAR)
    report()
    (message,) = place.messages()
    assert "its infrastructure is not applied" in message["Message"]
    assert "custom_metrics:" in message["Message"]
    assert "cost_ceiling.md" in message["Message"]
    assert message["MessageAttributes"]["kind"]["Value"] == "cost"
    assert message["MessageAttributes"]["severity"]["Value"] == "critical"


def test_the_fleets_ceiling_is_told_too(place, include):
    include(ceiling_usd_per_month=0.01)
    report()
    (told,) = subjects(place)
    assert told.startswith("All endpoints: ")


def test_what_was_found_counts_although_the_prediction_fits(place, include):
    place.endpoint(cost={"ceiling_usd_per_month": 60, "assumptions": {"invocations_per_hour": 10}}, **DEAR)
    client = boto3.client("cloudwatch", region_name=REGION)
    for number in range(25):
        client.put_dashboard(DashboardName=f"watchkeeper-{number}", DashboardBody="{}")
    record(place)
    window = Window.hour_of(NOW - timedelta(hours=30))
    heavy = result(window=window, invocation_count=5e6, captured_count=1_000_000, capture_bytes=4_000_000_000)
    facts = RunFacts(run_id="r", dag_id="d", recorded_at=NOW)
    place.deployment.ledger.record([(heavy, "s3://x/")], facts)
    report()
    (message,) = place.messages()
    assert "found" in message["Subject"]
    found = place.deployment.costs.read(MONTH)
    (flights,) = found.endpoints
    assert flights.predicted_usd < 60 < flights.actual_usd
    assert any("assumed 10 invocations an hour, found 5,000,000" in note for note in flights.notes)


def test_faulty_prices_fail_the_report_with_their_faults(place, include):
    (include() / "prices.yaml").write_text("date: 2026-01-01\n")
    with pytest.raises(AirflowFailException, match=r"prices\.yaml: currency: missing"):
        report()


def test_the_log_has_a_table(place, include):
    place.endpoint("churn", cost={"ceiling_usd_per_month": 500}, **DEAR)
    report()
    table = cost_table(place.deployment.costs.read(MONTH)).splitlines()
    assert table[0].split()[:4] == ["endpoint", "predicted", "found", "ceiling"]
    assert [line.split()[0] for line in table[1:]] == ["churn", "flights", "_fleet"]
    assert "500.00" in table[1]


def test_a_bucket_that_is_gone_is_a_fault_of_its_kind(place, include):
    include(retention={"states": 7})
    for key in keys(place):
        place.deployment.reports.objects.delete(key)
    place.s3.delete_bucket(Bucket=BUCKET)
    told = run(ExpireDataOperator)
    assert "the bucket does not exist" in told["faults"][0]
