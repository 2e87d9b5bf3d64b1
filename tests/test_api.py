"""The Python API, as a notebook would use it."""

from datetime import UTC, datetime

import boto3
import numpy as np
import pandas as pd
import pytest
from moto import mock_aws

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from tests.aws.result_samples import HOUR, finding, result
from watchkeeper import api
from watchkeeper.aws.baseline_store import BaselineManifest, BaselineStore
from watchkeeper.aws.ledger import Ledger, RunFacts
from watchkeeper.errors import BaselineMissingError, DatasetError

RUN = RunFacts(run_id="r", dag_id="monitor_hourly", recorded_at=datetime(2026, 11, 20, 7, tzinfo=UTC))


def frame(rows=500, shift=0.0, seed=1):
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "delay": chance.normal(10 + shift, 5, rows),
            "distance": chance.integers(100, 3000, rows),
            "carrier": chance.choice(["AA", "UA", "DL"], rows),
        }
    )


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("WATCHKEEPER_BUCKET", "verdicts")
    monkeypatch.setenv("WATCHKEEPER_PREFIX", "wk")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="verdicts")
        yield client


def test_a_frame_is_ok_against_itself_and_violated_once_it_drifts():
    reference = api.baseline(frame())
    same = api.check(frame(seed=2), reference)
    assert same.attrs["verdict"] == "ok"
    assert list(same.columns) == ["feature", "check", "outcome", "reason", "observed", "limit", "severity"]
    drifted = api.check(frame(shift=20, seed=2), reference)
    assert drifted.attrs["verdict"] == "violated"
    assert tuple(drifted.iloc[0][["feature", "check", "outcome"]]) == ("delay", "baseline_drift_check", "violated")


def test_a_gap_in_an_integer_column_is_a_missing_value_and_no_other_type():
    today = frame(seed=2).assign(distance=lambda found: found["distance"].astype(float))
    today.loc[0, "distance"] = float("nan")
    found = api.check(today, frame()).set_index(["feature", "check"])
    assert found.loc[("distance", "data_type_check"), "outcome"] == "satisfied"


def test_a_frame_may_stand_for_its_baseline_and_rules_are_laid_over_it():
    rules = {"features": {"delay": {"comparison_threshold": 2.0}}}
    assert api.check(frame(shift=20), frame(), **rules).attrs["verdict"] == "ok"
    assert api.check(frame(shift=20), frame(), exclude=["delay"]).attrs["verdict"] == "ok"


def test_the_documents_of_a_baseline_are_model_monitors():
    import json

    reference = api.baseline(frame())
    assert json.loads(reference.statistics)["dataset"] == {"item_count": 500}
    names = [feature["name"] for feature in json.loads(reference.constraints)["features"]]
    assert names == ["delay", "distance", "carrier"]


def test_a_profile_has_the_figures_of_every_column():
    data = frame()
    data.loc[:49, "delay"] = np.nan
    table = api.profile(data)
    assert list(table.index) == ["delay", "distance", "carrier"]
    assert table["inferred_type"].to_list() == ["Fractional", "Integral", "String"]
    assert table.loc["delay", "num_missing"] == 50
    assert table.loc["delay", "completeness"] == pytest.approx(0.9)
    assert table.loc["delay", "mean"] == pytest.approx(data["delay"].mean())
    assert table.loc["carrier", "distinct_count"] == 3


def test_an_empty_frame_is_refused():
    with pytest.raises(DatasetError, match="no row"):
        api.profile(frame().iloc[:0])


def test_verdicts_come_back_as_a_frame(bucket):
    empty = api.read_verdicts(start="2026-11-20T00:00Z", end="2026-11-21T00:00Z")
    assert empty.empty
    assert "verdict" in empty.columns
    violated = result(verdict="violated", findings=(finding(),), violated_count=1)
    Ledger("verdicts", "wk", bucket).record([(violated, "s3://r/"), (result(endpoint="churn"), "s3://r/")], RUN)
    verdicts = api.read_verdicts(start="2026-11-20T00:00Z", end="2026-11-21T00:00Z")
    assert verdicts["endpoint"].to_list() == ["churn", "flights"]
    assert verdicts["window_start"].to_list() == [pd.Timestamp(HOUR.start)] * 2
    assert str(verdicts["window_start"].dtype.tz) == "UTC"
    assert verdicts.iloc[1]["findings"][0]["feature"] == "dep_delay"
    one = api.read_verdicts(start=HOUR.start, end=HOUR.end, endpoints=["flights"], period="hourly")
    assert one["verdict"].to_list() == ["violated"]


def test_an_endpoints_baseline_is_loaded_from_the_store(bucket):
    with pytest.raises(BaselineMissingError, match="airflow dags trigger baseline"):
        api.load_baseline("flights")
    reference = api.baseline(frame())
    manifest = BaselineManifest(
        endpoint="flights", monitor="data_quality", source="notebook", row_count=500, code_version="1", dialect="exact"
    )
    documents = {"statistics.json": reference.statistics, "constraints.json": reference.constraints}
    BaselineStore("verdicts", "wk", bucket).publish(manifest, documents, datetime.now(UTC))
    assert api.load_baseline("flights") == reference
