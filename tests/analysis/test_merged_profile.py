import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.quality_samples import merged_line, profile_of, state_of
from tests.analysis.strategies import few
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.merged_profile import merge_quality_profiles, profile_merged
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_metrics import measure


def binary(
    inference: str | None, probability: str | None = None, truth: str | None = None, **more
) -> QualityAttributes:
    return QualityAttributes(ProblemType.BINARY, inference, probability, truth, **more)


CSV = binary("1", "0")
NAMED = binary("predicted_label", "score")


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        (CSV, merged_line("0.9,1", "1")),
        (CSV, merged_line("0.9,1\n", "1\n")),
        (CSV, merged_line('"0.9","1"', '"1"')),
        (CSV, merged_line("MC45LDEK", "MQ==", encoding="BASE64")),
        (CSV, merged_line("0.9,1", '{"label": 1}', truth_encoding="JSON")),
        (CSV, merged_line("x,0.9,1".partition(",")[2], "1", batch=True)),
        (CSV, merged_line("[[0.9, 1]]", "1", encoding="JSON", truth_encoding="CSV")),
        (CSV, merged_line("[0.9, 1]", "1.0", encoding="JSON")),
        (binary("label", "p", output_columns=("p", "label")), merged_line("0.9,1", "1")),
        (NAMED, merged_line('{"predicted_label":1,"score":0.9}\n', '{"label": 1}', encoding="JSON")),
        (NAMED, merged_line('[{"predicted_label":1,"score":0.9}]', "[1]", encoding="JSON")),
        (
            binary("$.SageMakerOutput.predicted_label", "SageMakerOutput['score']", "label"),
            merged_line(
                '{"SageMakerOutput":{"predicted_label":true,"score":"0.9"},"features":[1,2]}',
                '{"label": 1, "by": "hand"}',
                encoding="JSON",
                batch=True,
            ),
        ),
        (
            binary("predictions[*].predicted_label", "$.predictions[*].score", "instances[*].label"),
            merged_line(
                '{"predictions":[{"score":0.9,"predicted_label":1}]}', '{"instances":[{"label":1}]}', encoding="JSON"
            ),
        ),
        (
            binary("out.labels", "out.scores", "y"),
            merged_line('{"out":{"labels":[1],"scores":[0.9]}}', '{"y":[1]}', encoding="JSON"),
        ),
    ],
)
def test_every_shape_of_one_row_is_read(attributes: QualityAttributes, line: bytes) -> None:
    profile = profile_of(attributes, [line, line])
    assert profile.malformed.reasons == {}
    assert profile.state is not None
    assert profile.state.confusion is not None
    assert profile.state.confusion.cells == {("1", "1"): 2}
    assert profile.state.scores is not None
    assert profile.state.scores.scores.tolist() == [0.9]
    assert (profile.line_count, profile.record_count, profile.row_count) == (2, 2, 2)


@pytest.mark.parametrize(
    "line",
    [
        merged_line("0.9,1\n0.2,0\n", "1\n1\n"),
        merged_line("0.9,1\n0.2,0", "1,1"),
        merged_line("0.9,1\n0.2,0", "[1, 1]", truth_encoding="JSON"),
        merged_line("0.9,1\n0.2,0", '[{"label":1},{"label":"1"}]', truth_encoding="JSON"),
        merged_line("0.9,1\n0.2,0", '{"label":1}\n{"label":1}\n', truth_encoding="JSON"),
        merged_line("[[0.9,1],[0.2,0]]", "1\n1", encoding="JSON", truth_encoding="CSV"),
    ],
)
def test_a_record_of_several_rows(line: bytes) -> None:
    profile = profile_of(CSV, [line])
    assert profile.malformed.reasons == {}
    assert profile.state is not None
    assert profile.state.confusion is not None
    assert profile.state.confusion.cells == {("1", "0"): 1, ("1", "1"): 1}
    assert (profile.record_count, profile.row_count) == (1, 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{secret", "not JSON"),
        (b'{"secret": 1}', "JSON, but not a merged record"),
        (b'{"captureData": {"endpointOutput": {"data": "\xff"}}}', "not UTF-8"),
        (merged_line("0.9,1", None), "no ground truth"),
        (merged_line(None, "1"), "no output was captured"),
        (merged_line("0.9,1", "1\n0"), "1 output rows, but 2 labels"),
        (merged_line("0.9,1\n0.8,1", "1"), "2 output rows, but 1 labels"),
        (merged_line("secret", "1"), "1 output fields, where column 1 was expected"),
        (merged_line("0.9,1", "1,secret,2"), "3 ground truth fields; give a ground_truth_attribute"),
        (merged_line("0.9,1", '{"secret":1,"b":2}', truth_encoding="JSON"), "2 keys; give a ground_truth_attribute"),
        (merged_line("0.9,1", '{"secret":{"b":2}}', truth_encoding="JSON"), "a list or an object where a plain value"),
        (merged_line("0.9,1", "{secret", truth_encoding="JSON"), "the ground truth is neither JSON nor JSON Lines"),
        (merged_line('{"secret":1}', "1", encoding="JSON", truth_encoding="CSV"), "an index can only count the fields"),
        (merged_line("secret", "1", encoding="PROTOBUF", truth_encoding="CSV"), "CSV, JSON or BASE64 was expected"),
        (merged_line("", "1"), "an empty payload"),
    ],
)
def test_a_line_that_cannot_be_read_is_counted_with_its_reason(line: bytes, reason: str) -> None:
    good = merged_line("0.9,1", "1")
    profile = profile_of(CSV, [good, line.rstrip(b"\n") + b"\n", good])
    assert profile.malformed.count == 1
    assert reason in next(iter(profile.malformed.reasons))
    assert "secret" not in str(profile.malformed)
    sample = profile.malformed.samples[0]
    assert (sample.file, sample.line) == ("part-00000.jsonl", 2)
    assert profile.row_count == 2
    assert profile.malformed_share == 1 / 3


@pytest.mark.parametrize(
    ("attributes", "output", "reason"),
    [
        (NAMED, '{"score": 0.9}', "output: nothing stands where the path leads"),
        (NAMED, '{"predicted_label": [1, 0], "score": 0.9}', "2 predictions, but 1 probabilities"),
        (binary("a[*].b"), '{"a": {"b": 1}}', "no list where the path says [*]"),
        (binary("a[*].b"), '{"a": [{"b": [1]}, {"b": 2}]}', "a list or an object where a plain value"),
    ],
)
def test_a_path_that_leads_nowhere_is_said(attributes: QualityAttributes, output: str, reason: str) -> None:
    profile = profile_of(attributes, [merged_line(output, "1", encoding="JSON", truth_encoding="CSV")])
    assert profile.state is None
    assert reason in next(iter(profile.malformed.reasons))


def test_a_name_on_csv_without_names_says_what_to_give() -> None:
    profile = profile_of(NAMED, [merged_line("1,0.9", "1")])
    assert "give an index, or name output_columns" in next(iter(profile.malformed.reasons))


@few
@given(st.lists(st.tuples(st.sampled_from(["0", "1"]), st.integers(0, 100), st.booleans()), min_size=1, max_size=60))
def test_fast_and_slow_reading_agree(rows: list[tuple[str, int, bool]]) -> None:
    fast = [merged_line(f"{p / 100},{int(h)}", y) for y, p, h in rows]
    slow = [merged_line(f'"{p / 100}",{int(h)}', y) for y, p, h in rows]
    one, two = profile_of(CSV, fast, block_bytes=400), profile_of(CSV, slow)
    assert one.state is not None
    assert two.state is not None
    assert one.line_count == two.line_count == len(rows)
    assert measure(one.state) == measure(two.state)


def test_hours_merge_to_the_day() -> None:
    lines = [merged_line(f"0.{i % 10},{i % 2}", str(i // 2 % 2)) for i in range(100)] + [b"{broken\n"]
    hours = [profile_of(CSV, part) for part in (lines[:30], lines[30:31], lines[31:])]
    day = merge_quality_profiles(hours)
    whole = profile_of(CSV, lines)
    assert (day.line_count, day.record_count, day.malformed.count) == (101, 100, 1)
    assert day.state is not None
    assert whole.state is not None
    assert measure(day.state) == measure(whole.state)
    assert merge_quality_profiles([]).state is None


def test_a_broken_file_is_a_malformed_line() -> None:
    profile = profile_merged([CaptureFile("x.gz", [b"\x1f\x8bnothing"])], CSV)
    assert profile.malformed.count == 1
    assert profile.state is None


def test_memory_does_not_grow_with_the_window() -> None:
    def chunks(count: int):
        for i in range(count):
            yield merged_line(f"{(i * 7919) % 1000 / 1000},{i % 2}", str(i % 3 % 2))

    peaks = []
    for count in (20_000, 80_000):
        tracemalloc.start()
        profile = profile_merged([CaptureFile("x", chunks(count))], CSV, block_bytes=1 << 20)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert profile.row_count == count
    assert peaks[1] < peaks[0] * 1.5


def test_a_dataset_gives_what_the_same_rows_merged_give() -> None:
    rows = [(i % 2, i % 7 / 7, i % 3 % 2) for i in range(50)]
    merged = profile_of(
        CSV, [merged_line(json.dumps([p, h]), str(y), encoding="JSON", truth_encoding="CSV") for y, p, h in rows]
    )
    table = binary("h", "p", "y")
    dataset = state_of(table, y=[y for y, _, _ in rows], p=[p for _, p, _ in rows], h=[h for _, _, h in rows])
    assert merged.state is not None
    assert measure(merged.state) == measure(dataset)
