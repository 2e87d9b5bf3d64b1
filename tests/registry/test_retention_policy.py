"""What is past its retention: each kind's day, floors of what runs look for, and what can never be deleted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.fleet_cost_spec import RetentionSpec
from watchkeeper.registry.retention_policy import DATA_KINDS, expiry

TODAY = date(2026, 11, 25)
WRITTEN = datetime(2026, 11, 21, 3, tzinfo=UTC)


def endpoint(**changes: Any) -> EndpointSpec:
    document = {"endpoint_name": "churn", "owner": "me", "capture": {"s3_uri": "s3://bucket/x"}}
    return EndpointSpec.model_validate(document | changes)


@pytest.mark.parametrize(
    ("kind", "key", "day"),
    [
        ("reports", "reports/e/v/e-bias-daily/2026/11/20/00/rev=1/result.json", date(2026, 11, 20)),
        ("states", "states/e/v/data_quality/2026/11/20/05.state", date(2026, 11, 20)),
        ("merged", "merged/2026/11/2026/10/20/05/part-0.jsonl", date(2026, 10, 20)),
        ("explanations", "explanations/e/v/2026/11/20/05/20261120T05-20261120T06.parquet", date(2026, 11, 20)),
        ("probes", "probes/e/v/2026/11/20/05/aa.json", date(2026, 11, 20)),
        ("alerts", "alerts/e/v/bias/20261120T00-20261121T00/ab.json", date(2026, 11, 20)),
        ("notices", "notices/0123.json", WRITTEN.date()),
        ("ledger", "ledger/monitor=bias/date=2026-11-20/day-0-a.parquet", date(2026, 11, 20)),
        ("ledger_events", "ledger_events/kind=job/date=2026-11-20/a.parquet", date(2026, 11, 20)),
        ("events", "events/archive/2026/11/20/id.json", date(2026, 11, 20)),
        ("cost", "cost/2026/11.json", date(2026, 11, 28)),
        ("events", "events/archive/malformed/ab.json", None),
        ("reports", "reports/e/v/e-bias-daily/2026/13/45/00/result.json", None),
    ],
)
def test_each_kind_knows_the_day_of_its_keys(kind: str, key: str, day: date | None) -> None:
    assert DATA_KINDS[kind].day_of(key, WRITTEN) == day


def test_every_kind_has_a_retention_and_baselines_and_actions_have_none() -> None:
    assert set(DATA_KINDS) == set(RetentionSpec.model_fields)
    for kept in ("baselines/", "actions/", "pipelines/", "events/inbox/", "ledger/../baselines"):
        assert not any(kind.folder.startswith(kept) for kind in DATA_KINDS.values())


def test_without_a_retention_nothing_expires() -> None:
    assert expiry(RetentionSpec(), [endpoint()], TODAY).before == {}


def test_what_labels_and_training_look_for_is_kept() -> None:
    labelled = endpoint(
        ground_truth={"s3_uri": "s3://labels/x", "horizon_days": 40, "waiting_hours": 24},
        retraining={"pipeline_name": "p", "model_package_group": "g", "definition": None, "training_days": 90},
    )
    found = expiry(RetentionSpec(merged=7, states=7, reports=200), [labelled], TODAY)
    assert found.before["states"] == TODAY - timedelta(days=7)
    assert found.before["merged"] == TODAY - timedelta(days=90 + 3 + 2)
    assert found.before["reports"] == TODAY - timedelta(days=200)
    assert found.notes == ("merged: kept for 95 days in place of 7, as runs look for it so far back",)


def test_a_verdict_never_goes_before_its_report() -> None:
    kept = expiry(RetentionSpec(ledger=30), [], TODAY)
    assert "ledger" not in kept.before
    assert "no verdict goes before its report" in kept.notes[0]
    both = expiry(RetentionSpec(ledger=30, reports=100), [], TODAY)
    assert both.before["ledger"] == both.before["reports"] == TODAY - timedelta(days=100)


DAYS = st.none() | st.integers(1, 4000)


@given(st.fixed_dictionaries(dict.fromkeys(RetentionSpec.model_fields, DAYS)), st.integers(1, 180))
def test_nothing_goes_sooner_than_declared_or_looked_for(declared: dict[str, int | None], horizon: int) -> None:
    spec = endpoint(ground_truth={"s3_uri": "s3://labels/x", "horizon_days": horizon, "waiting_hours": 1})
    found = expiry(RetentionSpec.model_validate(declared), [spec], TODAY).before
    for name, limit in found.items():
        days = declared[name]
        assert days is not None
        assert limit <= TODAY - timedelta(days=days)
    if "ledger" in found:
        assert found["ledger"] <= found["reports"] <= TODAY - timedelta(days=horizon)
