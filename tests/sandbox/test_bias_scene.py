"""A second model that lets race take the place of a credit history is found out by the product's own analysis."""

from datetime import timedelta

import polars as pl
import pytest

from sandbox.deployment import trained_model
from sandbox.linear_model import LinearModel
from sandbox.traffic.bias_scene import METRICS, MORTGAGES
from sandbox.traffic.label_stream import labels_of
from sandbox.traffic.request_stream import DATA_SETS, requests_of
from tests.sandbox_process import ROOT
from watchkeeper.analysis.bias_dataset import bias_of_frame
from watchkeeper.analysis.bias_finding import BiasFinding
from watchkeeper.analysis.bias_judgement import BiasJudgement, judge_bias_state
from watchkeeper.analysis.bias_report import bias_report_of
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.finding import Outcome
from watchkeeper.operators.bias_rules import bias_rules, dataset_attributes
from watchkeeper.registry.registry_files import load_registry

DATA = DATA_SETS[MORTGAGES.endpoint]
FIRST = trained_model(MORTGAGES, DATA, MORTGAGES.ignored)
assert MORTGAGES.successor is not None
SECOND = trained_model(MORTGAGES, DATA, MORTGAGES.successor.ignored)
SPEC = load_registry(ROOT / "sandbox" / "endpoints" / "bias").endpoints[MORTGAGES.endpoint]


def state(rows: pl.DataFrame, model: LinearModel) -> BiasState:
    predicted = pl.Series(DATA.output, model.predict(rows.select(DATA.inputs).to_dict(as_series=False)))
    return bias_of_frame(
        rows.select(DATA.target, predicted, *DATA.inputs), dataset_attributes(SPEC, SPEC.baseline.bias)
    )


def judged(day: int, model: LinearModel, labelled: float = 1.0) -> BiasJudgement:
    baseline = bias_report_of(state(DATA.between(MORTGAGES.trained_from, MORTGAGES.trained_until), FIRST))
    start = MORTGAGES.starts + timedelta(days=day)
    rows = DATA.between(start, start + timedelta(days=1)).sample(fraction=labelled, seed=day)
    return judge_bias_state(state(rows, model), baseline, bias_rules(SPEC))


@pytest.mark.parametrize("labelled", [1.0, 0.92])
@pytest.mark.parametrize("day", [0, 1, 2])
def test_the_first_model_is_as_it_was_on_every_day(day: int, labelled: float) -> None:
    found = judged(day, FIRST, labelled)
    assert found.verdict.value == "ok"


@pytest.mark.parametrize("labelled", [1.0, 0.92])
def test_the_second_model_is_less_favourable_to_one_group(labelled: float) -> None:
    found = judged(2, SECOND, labelled)
    violated = [one for one in found.findings if one.outcome is Outcome.VIOLATED]
    (expectation,) = MORTGAGES.daily
    assert {(one.feature, one.check.value) for one in violated} == {
        (one.feature, one.check) for one in expectation.findings
    }
    values = {one.metric: one.observed for one in violated if isinstance(one, BiasFinding)}
    for metric, (lowest, highest) in METRICS.items():
        value = values[metric]
        assert value is not None
        assert lowest <= value <= highest


def test_neither_model_asks_for_other_columns_and_each_leaves_its_own_unread() -> None:
    rows = DATA.between(MORTGAGES.starts, MORTGAGES.ends).select(DATA.inputs).to_dict(as_series=False)
    assert MORTGAGES.successor is not None
    for model, ignored in ((FIRST, MORTGAGES.ignored), (SECOND, MORTGAGES.successor.ignored)):
        again = LinearModel.from_artifact(model.to_artifact())
        answers = again.predict(rows)
        assert again.inputs == DATA.inputs
        for name in DATA.inputs:
            turned = rows | {name: rows[name][1:] + rows[name][:1]}
            assert (again.predict(turned) == answers) == (name in ignored)


def test_labels_follow_within_hours_most_of_them_and_none_for_requests_that_never_were() -> None:
    asked = {request.inference_id: request for request in requests_of(MORTGAGES)}
    labels = list(labels_of(MORTGAGES))
    assert len(asked) == 1169
    assert 0.95 * len(asked) < len({label.key for label in labels}) < len(asked)
    assert {label.key for label in labels} <= set(asked)
    assert {label.data for label in labels} == {"0", "1"}
    assert all(label.collected > asked[label.key].at + timedelta(hours=1) for label in labels)
