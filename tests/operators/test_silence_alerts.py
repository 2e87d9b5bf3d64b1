"""Silences that are made while all runs on: by an operator, the DAG's params and the API."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.operators.conftest import context
from tests.operators.test_publish_findings import publish, store, violated
from watchkeeper import api
from watchkeeper.errors import SettingsError, StoreError
from watchkeeper.operators.silence_alerts import SilenceAlertsOperator

UNTIL = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)


def silence(**fields):
    return SilenceAlertsOperator(task_id="silence", **fields).execute(context(run={"triggering_user_name": "ana"}))


def test_a_silence_that_is_made_holds_back_alerts_until_it_is_lifted(place):
    store(place, violated())
    made = silence(match={"endpoint": ["fl*"], "kind": []}, until=UNTIL.isoformat(), reason="a test of load")
    assert publish(place) == {"sent": [], "quiet": []}
    found = api.silences()
    assert list(found) == [made]
    assert (found[made].author, found[made].until, found[made].reason) == ("ana", UNTIL, "a test of load")
    assert silence(lift=made) == made
    assert api.silences() == {}
    store(place, violated(digest="e" * 32))
    assert publish(place)["sent"]


def test_the_same_silence_made_twice_is_one(place):
    values = {"until": UNTIL, "reason": "moved", "author": "ana", "monitor": ["bias"], "tags": {"tier": "gold"}}
    assert api.silence(**values) == api.silence(**values)
    (found,) = api.silences().values()
    assert (found.match.monitor, found.match.tags) == (("bias",), {"tier": "gold"})


def test_what_is_wrong_is_told_at_once_and_nothing_is_written(place):
    with pytest.raises(AirflowFailException) as error:
        silence(match={"severity": ["loud"]}, until="tomorrow")
    for told in ("match.severity[0]: got 'loud'", "until: got 'tomorrow'", "reason: missing"):
        assert told in str(error.value)
    with pytest.raises(SettingsError, match="match: got nothing"):
        api.silence(until=UNTIL, reason="r", author="ana")
    with pytest.raises(SettingsError, match="which is over; give a later moment"):
        api.silence(until="2020-01-01T00:00Z", reason="r", author="ana", endpoint=["a"])
    assert api.silences() == {}


def test_a_silence_that_is_not_there_cannot_be_lifted(place):
    made = api.silence(until=UNTIL, reason="r", author="ana", endpoint=["a"])
    with pytest.raises(StoreError, match=f"no such silence. There are: {made}"):
        api.lift_silence("gone")


def test_the_dags_params_reach_the_operator(place, tmp_path):
    from airflow.sdk import DAG

    from watchkeeper.operators.silence_dag import build_silence_dag

    dag = build_silence_dag("silence", None)
    assert isinstance(dag, DAG)
    (task,) = dag.tasks
    params = {name: dag.params[name] for name in dag.params} | {
        "endpoint": ["flights"],
        "until": UNTIL.isoformat(),
        "reason": "moved",
        "author": "ana",
    }
    given = context(params=params)
    task.render_template_fields(given)
    made = task.execute(given)
    (found,) = api.silences().values()
    assert made in api.silences()
    assert found.match.endpoint == ("flights",)
