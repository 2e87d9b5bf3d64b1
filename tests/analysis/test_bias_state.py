"""Laws of bias states: any split and any way of reading gives the same counts, report and bytes."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.bias_samples import attributes_of, counted, merged_line, profile_of, state_of
from tests.analysis.strategies import few, quick
from watchkeeper.analysis import row_sample
from watchkeeper.analysis.bias_dataset import bias_of_csv, bias_of_frame, bias_of_json_lines, bias_of_parquet
from watchkeeper.analysis.bias_definition import BiasAttributes, Facet
from watchkeeper.analysis.bias_profile import merge_bias_profiles, profile_bias
from watchkeeper.analysis.bias_report import bias_report_of, encode_bias_report
from watchkeeper.analysis.bias_state import FacetTable, merge_bias_states
from watchkeeper.analysis.bias_state_file import decode_bias_state, encode_bias_state
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.facet_group import facet_groups, same_value
from watchkeeper.analysis.profile_file import decode_bias_profile, encode_bias_profile
from watchkeeper.errors import CaptureError, DatasetError, DocumentError

FACETS = (Facet("sex", ("F",)), Facet("race"), Facet("age", (40,)))
ALL = attributes_of(*FACETS, labels=(1,), group_variable="town", intersections=(("sex", "race"), ("sex", "age")))
NAMES = ("sex", "race", "age", "town")
MERGED = replace(ALL, input_columns=NAMES, inference_attribute="0", ground_truth_attribute=None)

bits = st.sampled_from(["0", "1"])
rows = st.lists(
    st.tuples(
        st.sampled_from(["F", "M", "X", None]),
        st.sampled_from(["a", "b", "c", "1"]),
        st.integers(20, 60).map(str) | st.none(),
        st.sampled_from(["7", "8.5", "north", None]),
        bits,
        bits,
    ),
    min_size=1,
    max_size=40,
)


def frame_of(found: list) -> pl.DataFrame:
    return pl.DataFrame(found, schema=dict.fromkeys((*NAMES, "label", "prediction"), pl.String), orient="row")


def lines_of(found: list, *, encoding: str = "CSV") -> list[bytes]:
    lines = []
    for number, (*features, label, prediction) in enumerate(found):
        if encoding == "CSV":
            texts = ",".join("" if value is None else value for value in features), prediction, label
        else:
            texts = json.dumps(dict(zip(NAMES, features, strict=True))), prediction, label
        lines.append(merged_line(*texts, encoding=encoding, event=f"event-{number}"))
    return lines


@quick
@given(rows, st.integers(0, 40))
def test_a_state_of_parts_is_the_state_of_the_whole(found: list, cut: int) -> None:
    cut = min(cut, len(found))
    whole = bias_of_frame(frame_of(found), ALL)
    parts = [bias_of_frame(frame_of(part), ALL) for part in (found[:cut], found[cut:]) if part]
    merged = merge_bias_states(parts)
    assert merged is not None
    assert merged.tables == whole.tables
    assert bias_report_of(merged) == bias_report_of(whole)


@quick
@given(rows)
def test_a_state_comes_back_from_its_bytes(found: list) -> None:
    state = bias_of_frame(frame_of(found), ALL)
    body = encode_bias_state(state)
    again = decode_bias_state(body)
    assert encode_bias_state(again) == body
    assert bias_report_of(again) == bias_report_of(state)
    assert again.attributes == state.attributes


@pytest.mark.parametrize(
    ("body", "found"),
    [(b"nothing", "no bias state"), (b"WKBS\x00\x09", "format 9"), (b"WKBS\x00\x01\x00", "damaged")],
)
def test_bytes_that_are_no_state_are_told(body: bytes, found: str) -> None:
    with pytest.raises(DocumentError, match=found):
        decode_bias_state(body)


@few
@given(rows)
def test_all_shapes_of_merged_records_give_the_report_of_the_table(found: list) -> None:
    table = bias_report_of(bias_of_frame(frame_of(found), ALL))
    fast = profile_of(MERGED, lines_of(found))
    slow = profile_of(MERGED, [*lines_of(found[:-1]), lines_of(found[-1:])[0].replace(b'"CSV"', b'"CSV" ')])
    by_name = profile_of(MERGED, lines_of(found, encoding="JSON"))
    for profile in (fast, slow, by_name):
        assert profile.malformed.count == 0
        assert profile.state is not None
        shown = replace(bias_report_of(profile.state))
        assert shown == table
    halves = [profile_of(MERGED, lines_of(found)[:1]), profile_of(MERGED, lines_of(found)[1:])]
    day = merge_bias_profiles(halves)
    assert day.state is not None
    assert day.record_count == len(found)
    assert bias_report_of(day.state) == table
    assert encode_bias_profile(decode_bias_profile(encode_bias_profile(day))) == encode_bias_profile(day)


def test_many_rows_in_a_request_and_batch_transforms_joined_output_are_read() -> None:
    request = merged_line("F,a,30,7\nM,b,50,7", "1\n0", "0\n1")
    joined = [
        merged_line(None, "F,a,30,7,1", "0", batch=True),
        merged_line(None, "M,b,50,7,0", "1", batch=True),
    ]
    attributes = replace(MERGED, inference_attribute="4")
    documents = merged_line(
        None,
        json.dumps({"SageMakerOutput": {"answer": [1, 0]}, "rows": [["F", "a", 30, 7], ["M", "b", 50, 7]]}),
        json.dumps([{"label": 0}, {"label": 1}]),
        encoding="JSON",
        batch=True,
    )
    paths = replace(MERGED, inference_attribute="SageMakerOutput.answer", features_attribute="rows")
    paths = replace(paths, ground_truth_attribute="[*].label")
    states = [
        profile_of(MERGED, [request]).state,
        profile_of(attributes, joined).state,
        profile_of(paths, [documents]).state,
    ]
    assert all(state is not None and state.row_count == 2 for state in states)
    assert len({encode_bias_report(bias_report_of(state)) for state in states if state}) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (merged_line("F,a,30,7", "1", None), "no ground truth"),
        (merged_line("F,a,30,7", None, "1"), "no output was captured"),
        (merged_line(None, None, "1"), "no input was captured"),
        (merged_line("F,a", "1", "1"), "2 features, where 4 were expected"),
        (merged_line("F,a,30,7", "1\n0", "1"), "1 rows of features, but 2 predictions"),
        (merged_line("F,a,30,7\nM,a,30,7", "1\n0", "1"), "2 rows of features, but 1 labels"),
        (merged_line(None, "F,a", "1", batch=True), "2 fields, where 4 features were expected"),
        (b"{}\n", "JSON, but not a merged record"),
        (b"secret\n", "not JSON"),
    ],
)
def test_malformed_lines_are_counted_with_their_reason(line: bytes, reason: str) -> None:
    good = merged_line("F,a,30,7", "1", "1")
    profile = profile_of(MERGED, [good, line, good])
    assert profile.malformed.reasons == {reason: 1}
    assert [(sample.line, sample.reason) for sample in profile.malformed.samples] == [(2, reason)]
    assert (profile.line_count, profile.record_count, profile.row_count) == (3, 2, 2)


def test_probabilities_are_compared_strictly_and_rows_without_answers_are_left_out() -> None:
    attributes = attributes_of(inference_attribute=None, probability_attribute="p", probability_threshold=0.7)
    state = state_of(
        attributes,
        {"sex": ["F"] * 7, "label": [1, 1, None, 1, 1, 0, 1], "p": [0.7, 0.71, 0.9, None, 1.5, "high", "nan"]},
    )
    assert state.row_count == 2
    assert state.rejected == {"no label": 1, "no probability": 2, "a probability that is no number from 0 to 1": 2}
    assert facet_groups(state)[0].cells[1, 1].tolist() == [1, 1]


def test_values_are_found_however_they_are_spelled() -> None:
    for values, texts in (
        ((1,), ["1", "1.0", " 1 ", "true", "True"]),
        (("1", "2"), ["1", "2.0"]),
        ((True,), ["true", "1", "TRUE"]),
        (("F",), ["F", " F"]),
    ):
        state = state_of(attributes_of(Facet("sex", values)), {
            "sex": [*texts, "0", "M"], "label": [1, 0] * (len(texts) // 2 + 1) + [1] * (len(texts) % 2),
            "prediction": [1] * (len(texts) + 2),
        })  # fmt: skip
        assert facet_groups(state)[0].facet_rows == len(texts), values


def test_an_intersection_is_clarifys_report_of_the_joint_column() -> None:
    rng = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], 300).astype(object),
            "race": rng.choice(["a", "b", "c"], 300).astype(object),
            "age": rng.integers(20, 60, 300),
            "label": rng.choice(["yes", "no"], 300).astype(object),
            "prediction": rng.choice(["yes", "no"], 300).astype(object),
        }
    )
    attributes = attributes_of(
        Facet("sex", ("F",)), Facet("race"), labels=("yes",), intersections=(("race", "sex"),), group_variable="age"
    )
    report = bias_report_of(bias_of_frame(table, attributes))
    joint = table.drop(columns=["sex", "race"]).assign(both=table["race"] + " & " + table["sex"])
    alone = attributes_of(Facet("both"), labels=("yes",), group_variable="age")
    expected = bias_report_of(bias_of_frame(joint, alone))
    for stage, other in zip(report.stages, expected.stages, strict=True):
        wanted = {entry.value_or_threshold: entry for entry in other.facets["both"]}
        found = stage.facets["race & sex"]
        assert {entry.value_or_threshold for entry in found} == {"a & F", "b & F", "c & F"}
        assert all(entry == wanted[entry.value_or_threshold] for entry in found)


def test_datasets_of_every_format_give_one_state(tmp_path) -> None:
    frame = frame_of(
        [("F", "a", "30", "7", "1", "0"), ("M", "b", "50", "8.5", "0", "1"), ("F", "c", "41", "7", "1", "1")]
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    lines = "\n".join(json.dumps(row) for row in frame.to_dicts()).encode()
    states = [
        bias_of_csv([CaptureFile("rows.csv", [frame.write_csv().encode()])], ALL),
        bias_of_json_lines([CaptureFile("rows.jsonl", [lines])], ALL),
        bias_of_parquet([tmp_path / "rows.parquet"], ALL),
        bias_of_parquet([io.BytesIO((tmp_path / "rows.parquet").read_bytes())], ALL),
        bias_of_frame(frame, ALL),
    ]
    assert len({encode_bias_state(state) for state in states}) == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"facets": (Facet("hair"),), "intersections": ()}, "facet: no feature 'hair'"),
        ({"group_variable": "9"}, "group_variable: no feature '9'"),
        ({"ground_truth_attribute": "truth"}, "ground_truth_attribute: no column 'truth'"),
        ({"inference_attribute": "answer"}, "inference_attribute: no column 'answer'"),
        ({"input_columns": ("sex", "iq")}, "input_columns: no column iq"),
        ({"ground_truth_attribute": None}, "no ground_truth_attribute"),
    ],
)
def test_a_dataset_that_lacks_a_column_is_told(change: dict, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        bias_of_frame(frame_of([("F", "a", "30", "7", "1", "0")]), replace(ALL, **change))


def test_a_dataset_without_a_row_that_can_be_judged_is_told() -> None:
    with pytest.raises(DatasetError, match="it holds no row"):
        bias_of_frame(frame_of([]), ALL)
    with pytest.raises(DatasetError, match="none of its 1 rows can be judged: 1 with no label"):
        bias_of_frame(frame_of([("F", "a", "30", "7", None, "0")]), ALL)


def test_states_read_by_other_attributes_are_not_merged_but_shown_names_do_not_matter() -> None:
    state = counted((1, 1, 1, 1), (1, 1, 1, 1))
    renamed = replace(state, attributes=replace(state.attributes, label_name="income"))
    assert merge_bias_states([state, renamed]) is not None
    assert merge_bias_states([]) is None
    other = replace(state, attributes=replace(state.attributes, group_variable="age"))
    with pytest.raises(CaptureError, match="different attributes"):
        merge_bias_states([state, other])


def test_a_sample_is_the_same_rows_however_files_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "SAMPLE_CEILING", 50)
    monkeypatch.setattr("watchkeeper.analysis.bias_profiler.SAMPLE_CEILING", 50)
    rng = np.random.default_rng(3)
    found = [
        (rng.choice(["F", "M"]), "a", str(rng.integers(20, 60)), "7", str(rng.integers(2)), str(rng.integers(2)))
        for _ in range(400)
    ]
    lines = lines_of(found)
    whole = profile_of(MERGED, lines).state
    blocks = profile_bias([CaptureFile("a", [b"".join(lines)])], MERGED, block_bytes=4096).state
    backwards = merge_bias_profiles([profile_of(MERGED, lines[at : at + 90]) for at in (360, 270, 180, 90, 0)]).state
    samples = [state.sample for state in (whole, blocks, backwards) if state is not None and state.sample is not None]
    assert len(samples) == 3
    assert {len(sample) for sample in samples} == {50}
    assert np.array_equal(samples[0].hashes, samples[1].hashes)
    assert set(samples[0].hashes.tolist()) == set(samples[2].hashes.tolist())


def test_tables_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.analysis.bias_state.CELL_CEILING", 6)
    attributes = attributes_of(Facet("sex", ("F",)), group_variable="town")
    columns = {"sex": ["F", "M"] * 5, "town": list(range(10)), "label": [1, 0] * 5, "prediction": [1] * 10}
    state = state_of(attributes, columns)
    assert state.tables[0].grouped is False
    entry = bias_report_of(state).stages[0].facets["sex"][0]
    assert entry.metric("CDDPL").error == "the group variable has too many values to count rows by it"
    assert entry.metric("DPPL").value == 0.0
    many = bias_report_of(state_of(attributes_of(Facet("town")), columns)).stages[0].facets["town"]
    assert [m.error for m in many[0].metrics] == ["the facet has too many values to count rows by it"] * 13
    assert FacetTable(None).merge(state.tables[0]).cells is None


def test_a_continuous_facet_needs_a_threshold() -> None:
    columns = {"age": [20.5, 30.5, 40.5], "label": [1, 0, 1], "prediction": [1, 1, 0]}
    entry = bias_report_of(state_of(attributes_of(Facet("age")), columns)).stages[0].facets["age"][0]
    assert {metric.error for metric in entry.metrics} == {"Threshold values must be provided for continuous features"}


def test_intervals_match_by_their_lower_end() -> None:
    assert same_value("(100, 225]", "(100, 232]")
    assert same_value("0 & (100, 225]", "0 & (100, 232]")
    assert not same_value("(100, 225]", "(101, 225]")
    assert not same_value("0", "1")
    assert not same_value("0 & 1", "0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"facets": ()}, "no facet"),
        ({"facets": (Facet("a"), Facet("a"))}, "named twice: a"),
        ({"label_values_or_threshold": ()}, "no label_values_or_threshold"),
        ({"intersections": (("sex", "hair"),)}, "hair, which are no facets"),
        ({"intersections": (("sex",),)}, "two facets or more"),
        ({"post_training_metrics": ("XX",)}, "post_training_metrics has XX"),
        ({"inference_attribute": "a[["}, "a\\[\\["),
    ],
)
def test_attributes_that_make_no_sense_are_told(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(BiasAttributes((1,), (Facet("sex"),)), **change)


def test_digests_differ_where_rows_would_be_counted_differently() -> None:
    changes = ({}, {"facets": (Facet("sex", (1,)),)}, {"probability_threshold": 0.6}, {"group_variable": "age"})
    assert len({replace(attributes_of(), **change).digest() for change in changes}) == len(changes)
