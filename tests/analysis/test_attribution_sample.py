"""Which rows of a window are explained: the same, however captures lie in files."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.attribution_samples import file_of, input_line
from tests.analysis.strategies import few
from watchkeeper.analysis.attribution_sample import SampledRows, sample_rows
from watchkeeper.analysis.feature_rows import FeatureReader

NAMES = ("size", "town")


def lines(count: int) -> list[bytes]:
    return [input_line(f"{number},t{number % 3}", f"event-{number}") for number in range(count)]


def sampled(captured: list[bytes], limit: int | None = None, seed: int = 0) -> SampledRows:
    return sample_rows([file_of(captured)], FeatureReader(NAMES), limit, seed)


def test_all_rows_are_taken_with_their_ids_and_types() -> None:
    found = sample_rows(
        [file_of([input_line("1,a\n2,b", "x", inference_id="order-7"), input_line("3,", "y")])], FeatureReader(NAMES)
    )
    rows = sorted(zip(found.event_ids, found.row_numbers, found.inference_ids, found.rows.rows(), strict=True), key=str)
    assert rows == [("x", 0, "order-7", (1, "a")), ("x", 1, "order-7", (2, "b")), ("y", 0, None, (3, None))]
    assert found.inference_times == ("2026-11-25T01:00:00Z",) * 3
    assert (found.row_count, found.line_count, found.malformed.count) == (3, 2, 0)
    assert dict(found.rows.schema) == {"size": pl.Int64, "town": pl.String}


@few
@given(st.integers(0, 300), st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_sample_does_not_depend_on_files_or_their_order(count: int, limit: int, rng: random.Random) -> None:
    whole = lines(count)
    expected = sampled(whole, limit)
    shuffled = whole.copy()
    rng.shuffle(shuffled)
    cut = rng.randint(0, count)
    files = [file_of(shuffled[:cut], "1"), file_of(shuffled[cut:], "2")]
    found = sample_rows(files, FeatureReader(NAMES), limit)
    assert found.rows.equals(expected.rows)
    assert (found.event_ids, found.row_numbers) == (expected.event_ids, expected.row_numbers)
    assert (len(found.rows), found.row_count) == (min(limit, count), count)


def test_a_long_window_is_cut_as_it_is_read_with_the_same_result() -> None:
    whole = lines(5000)
    assert sampled(whole, 50).event_ids == sampled(whole).event_ids[:50]


def test_another_seed_is_another_sample_and_every_part_of_a_window_is_met() -> None:
    first, second = sampled(lines(1000), 200), sampled(lines(1000), 200, seed=1)
    assert first.event_ids != second.event_ids
    sizes = first.rows["size"]
    assert abs(float(sizes.mean()) - 499.5) < 70


def test_an_event_captured_twice_is_sampled_alike_in_any_order() -> None:
    twice = [input_line("1,a", "same"), input_line("2,b", "same")]
    for limit in (1, None):
        assert sampled(twice, limit).rows.equals(sampled(twice[::-1], limit).rows)


def test_our_own_requests_are_no_traffic() -> None:
    own = input_line("9,z", "own", inference_id="watchkeeper-shap-1")
    found = sampled([own, *lines(2)])
    assert found.row_count == len(found.rows) == 2
    assert found.line_count == 2


def test_lines_that_cannot_be_read_are_counted_by_reason_and_place() -> None:
    captured = [
        *lines(1),
        b"no json",
        b'{"captureData": {}, "eventMetadata": {"eventId": "a"}}',
        input_line("1,2,3", "b"),
        input_line("", "c"),
        b"\xff\xfe",
    ]
    found = sampled(captured)
    assert len(found.rows) == 1
    assert found.line_count == 6
    assert found.malformed.count == 5
    assert found.malformed_share == pytest.approx(5 / 6)
    assert found.malformed.reasons == {
        "not a capture record": 2,
        "no input was captured": 1,
        "3 features, where 2 were expected": 1,
        "an empty payload": 1,
    }
    assert [sample.line for sample in found.malformed.samples] == [2, 3, 4, 5, 6]


def test_json_documents_are_read_by_their_path() -> None:
    captured = [input_line('{"instances": [{"features": [1, "a"]}, {"features": [2.5, null]}]}', "x", encoding="JSON")]
    found = sample_rows([file_of(captured)], FeatureReader(NAMES, "instances[*].features"))
    assert sorted(found.rows.rows(), key=str) == [(1.0, "a"), (2.5, None)]


def test_a_window_without_lines_is_empty() -> None:
    found = sampled([])
    assert (len(found.rows), found.rows.columns, found.row_count, found.malformed_share) == (0, list(NAMES), 0, 0.0)


def test_rows_with_text_for_a_number_do_not_fit_and_are_told() -> None:
    captured = [*lines(3), input_line("large,t1", "odd"), input_line("7,t1", "late")]
    found = sampled(captured)
    assert found.rows.schema["size"] == pl.String
    fitted = found.fitting({"size": pl.Int64(), "town": pl.String()})
    assert sorted(fitted.rows["size"]) == [0, 1, 2, 7]
    assert "odd" not in fitted.event_ids
    assert len(fitted.event_ids) == len(fitted.row_numbers) == len(fitted.inference_times) == 4
    assert fitted.misfits == {"text in feature size, where the baseline has none": 1}
    assert (fitted.misfit_count, fitted.misfit_share, fitted.row_count) == (1, 0.2, 5)


def test_numbers_where_the_baseline_has_text_become_text() -> None:
    found = sampled([input_line("1,10", "a"), input_line("2,20", "b")])
    assert found.rows.schema["town"] == pl.Int64
    fitted = found.fitting({"size": pl.Float64(), "town": pl.String()})
    assert sorted(fitted.rows["town"]) == ["10", "20"]
    assert (fitted.misfit_count, fitted.misfit_share) == (0, 0.0)
    assert len(fitted.rows) == 2
