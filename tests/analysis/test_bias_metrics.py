"""All metrics against smclarify, the open core of Clarify, on generated tables of every kind."""

import json
import logging
import math

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smclarify.bias.report import (
    FacetColumn,
    LabelColumn,
    StageType,
    _interval_index,
    bias_report,
    label_value_or_threshold,
)

from tests.analysis.bias_samples import attributes_of, counted
from tests.analysis.strategies import quick
from watchkeeper.analysis.bias_dataset import bias_of_frame
from watchkeeper.analysis.bias_definition import Facet
from watchkeeper.analysis.bias_report import bias_report_of, decode_bias_report, encode_bias_report
from watchkeeper.analysis.column_reading import ColumnReading
from watchkeeper.analysis.facet_group import interval_text

logging.getLogger("smclarify").setLevel(logging.CRITICAL)
pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")

TEXTS = st.sampled_from(["F", "M", "X"])
FLOATS = st.sampled_from([0.5, 1.0, 2.25, 3.0, 7.5])
KINDS = {
    "one value": (TEXTS, ["F"]),
    "several values": (TEXTS, ["F", "X"]),
    "each value": (TEXTS, None),
    "threshold of fractions": (FLOATS, [1.0]),
    "whole threshold of fractions": (FLOATS, [2]),
    "threshold of integers": (st.integers(0, 9), [4]),
    "several integers": (st.integers(0, 3), [1, 2]),
    "value that never occurs": (TEXTS, ["Q"]),
}


def series(values: list) -> pd.Series:
    # smclarify does not know the text type of pandas 3.
    return pd.Series(values, dtype=object if isinstance(values[0], str) else None)


@st.composite
def tables(draw: st.DrawFn, facet: st.SearchStrategy) -> pd.DataFrame:
    rows = draw(st.integers(1, 24))
    column = lambda values: draw(st.lists(values, min_size=rows, max_size=rows))  # noqa: E731
    answers = st.sampled_from(["yes", "no"])
    values = {
        "facet": column(facet),
        "group": column(st.integers(0, 3)),
        "height": column(st.integers(0, 5)),
        "weight": column(FLOATS),
        "label": column(answers),
        "prediction": column(answers),
    }
    texts = {
        name: pd.Series(found, dtype=object if isinstance(found[0], str) else None) for name, found in values.items()
    }
    return pd.DataFrame(texts)


def clarify(table: pd.DataFrame, values: list | None, stage: StageType, labels: list) -> list | None:
    """Return smclarify's report, ``None`` where it gives up on the whole table."""
    label = LabelColumn("label", table["label"], labels)
    prediction = LabelColumn("prediction", table["prediction"])
    try:
        return bias_report(
            table.copy(),
            FacetColumn("facet", list(values) if values else None),
            label,
            stage,
            prediction,
            ["all"],
            table["group"],
        )
    except ValueError:
        return None


def ours(table: pd.DataFrame, values: list | None, labels: tuple = ("yes",)) -> dict:
    attributes = attributes_of(Facet("facet", tuple(values or ())), labels=labels, group_variable="group")
    return json.loads(encode_bias_report(bias_report_of(bias_of_frame(table, attributes))))


def assert_same(ours: list, theirs: list) -> None:
    assert [entry["value_or_threshold"] for entry in ours] == [entry["value_or_threshold"] for entry in theirs]
    for entry, expected in zip(ours, theirs, strict=True):
        for metric, wanted in zip(entry["metrics"], expected["metrics"], strict=True):
            assert (metric["name"], metric["description"]) == (wanted["name"], wanted["description"])
            if isinstance(wanted["value"], float):
                assert isinstance(metric["value"], float), metric
                assert math.isclose(metric["value"], wanted["value"], rel_tol=1e-12, abs_tol=1e-14), (metric, wanted)
            else:
                assert (metric["value"], type(metric["value"])) == (wanted["value"], type(wanted["value"])), wanted
            assert ("error" in metric) == ("error" in wanted)


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(data=st.data())
def test_every_metric_is_clarifys(kind: str, data: st.DataObject) -> None:
    facet, values = KINDS[kind]
    table = data.draw(tables(facet))
    report = ours(table, values)
    for stage, key in (
        (StageType.PRE_TRAINING, "pre_training_bias_metrics"),
        (StageType.POST_TRAINING, "post_training_bias_metrics"),
    ):
        theirs = clarify(table, values, stage, ["yes"])
        # Nothing is above its own maximum: there the value itself is looked for, where Clarify finds an empty facet.
        if theirs and theirs[0]["value_or_threshold"]:
            assert_same(report[key]["facets"]["facet"], theirs)


LABELS = {
    "threshold of fractions": (FLOATS, [1.0], 1),
    "whole threshold of fractions": (FLOATS, [2], 1),
    "threshold of integers": (st.integers(0, 40), [7], 1),
    "two integers": (st.integers(0, 1), [1], 48),
    "several integers": (st.integers(0, 3), [1, 2], 1),
    "several texts": (st.sampled_from(["a", "b", "c"]), ["a", "c"], 1),
}


@pytest.mark.parametrize("kind", LABELS)
@quick
@given(data=st.data())
def test_labels_are_read_as_clarify_reads_them(kind: str, data: st.DataObject) -> None:
    answers, values, repeats = LABELS[kind]
    table = data.draw(tables(TEXTS))
    for name in ("label", "prediction"):
        found = data.draw(st.lists(answers, min_size=len(table), max_size=len(table)))
        table[name] = series(found)
    table = pd.concat([table] * repeats, ignore_index=True)
    report = ours(table, ["F"], tuple(values))
    theirs = clarify(table, ["F"], StageType.POST_TRAINING, list(values))
    if theirs is None:  # no positive prediction, or labels and predictions of two kinds
        return
    assert_same(report["post_training_bias_metrics"]["facets"]["facet"], theirs)
    before = report["pre_training_bias_metrics"]
    assert before["label_value_or_threshold"] == label_value_or_threshold(table["label"], list(values))
    assert_same(before["facets"]["facet"], clarify(table, ["F"], StageType.PRE_TRAINING, list(values)) or [])


def test_an_interval_is_written_as_pandas_writes_it() -> None:
    for maximum, threshold in ((225, 100), (225.5, 100), (-5, 3), (1e7, 2.5), (0.1, 0.3), (12, 12)):
        column = pd.Series([maximum, maximum - 1, maximum - 2])
        reading = ColumnReading.of(*_texts(column), with_distinct=True)
        intervals = _interval_index(column, [threshold])
        assert interval_text(float(threshold), reading) == ",".join(map(str, intervals))


def _texts(column: pd.Series) -> tuple[pl.Series, pl.Series]:
    return pl.Series(column.astype(str).to_list()), pl.Series(column.astype(float).to_list())


def test_a_small_table_of_ones_and_zeros_keeps_its_labels() -> None:
    """Clarify takes integers of a few rows for continuous, and finds nothing above 1."""
    table = pd.DataFrame({"facet": list("FFMM"), "group": 1, "label": [1, 0, 1, 1], "prediction": [1, 0, 1, 0]})
    assert clarify(table.astype({"facet": object}), ["F"], StageType.POST_TRAINING, [1]) is None
    report = ours(table.astype({"facet": object}), ["F"], (1,))["pre_training_bias_metrics"]
    assert report["label_value_or_threshold"] == "1"
    assert {m["name"]: m["value"] for m in report["facets"]["facet"][0]["metrics"]}["DPL"] == 0.5


def test_without_a_group_variable_two_metrics_say_so() -> None:
    attributes = attributes_of(Facet("sex", ("F",)))
    report = bias_report_of(counted((5, 2, 3, 4), (6, 1, 1, 9), attributes))
    errors = {m.name: m.error for stage in report.stages for m in stage.facets["sex"][0].metrics if m.error}
    assert errors == dict.fromkeys(("CDDPL", "CDDL"), "Group variable is empty or not provided")


@pytest.mark.parametrize(
    ("facet", "others", "expected"),
    [
        ((3, 2, 0, 5), (4, 1, 2, 3), {"TE": math.inf}),
        ((3, 2, 0, 5), (4, 1, 0, 3), {"TE": 0.0}),
        ((0, 4, 0, 5), (0, 3, 0, 3), {"DCA": 0, "DI": 0.0, "DPPL": 0.0}),
        ((0, 0, 0, 5), (0, 0, 0, 3), {"DPL": 0.0, "KL": 0.0, "CDDL": None, "GE": 0.0}),
        ((0, 5, 0, 0), (0, 3, 0, 0), {"GE": None, "DCA": 0}),
        ((0, 0, 0, 0), (4, 1, 2, 3), {"CI": None, "DPL": None, "DI": None, "FT": None}),
        ((5, 0, 0, 0), (0, 0, 0, 5), {"KL": None, "TVD": None, "DPL": -1.0, "DI": math.inf}),
    ],
)
def test_edges_have_a_value_or_a_reason(facet: tuple, others: tuple, expected: dict) -> None:
    report = bias_report_of(counted(facet, others, attributes_of(Facet("sex", ("F",)), group_variable="age")))
    found = {m.name: m for stage in report.stages for m in stage.facets["sex"][0].metrics}
    assert {name: found[name].value for name in expected} == expected
    assert all(metric.error for metric in found.values() if metric.value is None)
    document = json.loads(encode_bias_report(report))
    again = decode_bias_report(encode_bias_report(report))
    assert again == report
    assert document["version"] == "1.0"
