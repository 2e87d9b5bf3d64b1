"""Captured lines of every shape: what is read, what is malformed, and that no reason quotes a payload."""

import base64
import gzip
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.capture_samples import capture_file, capture_line, profile_lines
from tests.analysis.strategies import csv_fields, few
from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureFile, CaptureSchema
from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.state_file import encode_state

GOOD = capture_line("1,2", "0.5\n")
SECRET = "secret"


def as_json(record: object, output: object = None) -> bytes:
    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in (record, output)]
    return capture_line(*texts, encoding="JSON", kind="application/json")


def categories(profile: CaptureProfile) -> dict[str, dict[str, int] | None]:
    assert profile.state is not None
    return {name: dict(column.categories or {}) for name, column in profile.state.columns.items()}


def assert_no_payload(profile: CaptureProfile) -> None:
    assert SECRET not in repr(profile.malformed)


MALFORMED = {
    "not JSON": (b"secret, not JSON\n", "not JSON"),
    "cut off": (GOOD[:-40] + b"\n", "not JSON"),
    "latin-1": (capture_line("1,secret é", "0.5").decode().encode("latin-1"), "not UTF-8"),
    "utf-16": ("secret".encode("utf-16-le") + b"\n", "not JSON"),
    "a list": (b'["secret"]\n', "JSON, but not a capture record"),
    "another record": (b'{"groundTruthData":{"data":"secret"}}\n', "JSON, but not a capture record"),
    "data is no text": (b'{"captureData":{"endpointInput":{"data":5,"encoding":"CSV"}}}\n', "not a capture record"),
    "no side": (b'{"captureData":{}}\n', "no input and no output"),
    "empty payload": (capture_line("", "0.5"), "an empty payload"),
    "unknown encoding": (capture_line("1,secret", "0.5", encoding="AVRO"), "'AVRO'; CSV, JSON or BASE64"),
    "another width": (capture_line("1,secret,3", "0.5"), "4 fields, where most lines of the window have 3"),
    "fewer fields": (capture_line("secret", "0.5"), "2 fields, where most lines of the window have 3"),
    "the other side's field": (capture_line("1", "0.5,secret"), "2 output and 1 input fields"),
    "rows of different lengths": (capture_line("1,2\n3,secret,5", "0.5\n0.6"), "rows of different lengths"),
    "rows do not pair": (capture_line("1,2\n3,4", "0.5"), "2 input rows, but 1 output rows"),
    "broken quotes": (capture_line('1,"secret', "0.5"), "broken CSV quoting"),
    "JSON among CSV": (as_json({"a": 1, "b": SECRET}, 0.5), "named input and 1 output fields"),
    "nested JSON": (as_json({"a": {"b": SECRET}}, 0.5), "nested JSON"),
    "bottomless JSON": (capture_line("[" * 100_000, "0.5", encoding="JSON"), "nested JSON"),
    "bottomless line": (b'{"x":' + b"[" * 100_000 + b"\n", "nested too deeply"),
    "NaN in JSON": (capture_line('{"a": NaN, "b": "secret"}', "0.5", encoding="JSON"), "not JSON"),
    "base64 of bytes": (
        capture_line(base64.b64encode(b"\xff\xfe\x00secret").decode(), "0.5", encoding="BASE64"),
        "UTF-8",
    ),
    "no base64": (capture_line("*secret*", "0.5", encoding="BASE64"), "BASE64"),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_malformed_line_is_counted_sampled_and_left_out(name: str, place: int) -> None:
    line, reason = MALFORMED[name]
    window = [GOOD] * 4
    window.insert(place, line)
    profile = profile_lines(window)
    assert (profile.line_count, profile.row_count, profile.invocation_count) == (5, 4, 4)
    assert (profile.malformed.count, profile.malformed_share) == (1, 0.2)
    [sample] = profile.malformed.samples
    assert reason in sample.reason
    assert profile.malformed.reasons == {sample.reason: 1}
    assert sample.file == "00-01-002.jsonl"
    assert sample.line == place + 1
    assert_no_payload(profile)
    assert profile.state is not None
    clean = profile_lines([GOOD] * 4).state
    assert clean is not None
    assert encode_state(profile.state) == encode_state(clean)


def test_all_that_is_malformed_at_once_leaves_the_rest_as_it_is() -> None:
    window = [line for line, _ in MALFORMED.values() for line in (line, GOOD)]
    profile = profile_lines(window, block_bytes=3000)
    assert (profile.row_count, profile.malformed.count) == (len(MALFORMED), len(MALFORMED))
    assert sum(profile.malformed.reasons.values()) == profile.malformed.count
    assert len(profile.malformed.samples) <= 20
    assert_no_payload(profile)


def test_the_majority_decides_even_after_a_crowd_of_odd_lines() -> None:
    odd = [capture_line(",".join("1" * width), "0.5") for width in range(3, 40)]
    window = [GOOD, *odd, *[GOOD] * 50]
    for block_bytes in (1 << 20, 500):
        profile = profile_lines(window, block_bytes=block_bytes)
        assert (profile.row_count, profile.malformed.count, profile.line_count) == (51, len(odd), 51 + len(odd))
        assert sum(profile.malformed.reasons.values()) == len(odd)


def test_the_majority_may_come_late() -> None:
    profile = profile_lines([capture_line("1,2,3", "0.5")] * 3 + [GOOD] * 4, block_bytes=400)
    assert profile.state is not None
    assert (profile.row_count, len(profile.state.columns), profile.malformed.count) == (4, 3, 3)


def test_samples_are_few_and_counts_are_not() -> None:
    profile = profile_lines([b"no\n"] * 500 + [GOOD])
    assert (profile.malformed.count, len(profile.malformed.samples)) == (500, 20)
    assert [sample.line for sample in profile.malformed.samples] == list(range(1, 21))


def test_lines_are_numbered_as_an_editor_would() -> None:
    profile = profile_lines([GOOD, b"\n", GOOD, b"\n", b"broken\n"], block_bytes=1)
    assert [(sample.line, sample.reason) for sample in profile.malformed.samples] == [(5, "not JSON")]
    profile = profile_capture([CaptureFile("f", [GOOD, b"\n\n", GOOD, b"broken\n"])], block_bytes=len(GOOD) + 2)
    assert [sample.line for sample in profile.malformed.samples] == [5]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOD + GOOD,
        GOOD.replace(b"\n", b"\r\n") * 2,
        GOOD + b"\n\n  \n" + GOOD,
        GOOD + GOOD[:-1],
        gzip.compress(GOOD * 2),
        gzip.compress(GOOD) + gzip.compress(GOOD),
        gzip.compress(b"\xef\xbb\xbf" + GOOD * 2),
    ],
    ids=["mark", "CRLF", "blank lines", "no last line end", "gzip", "two gzip streams", "mark in gzip"],
)
@pytest.mark.parametrize("block_bytes", [1 << 20, 100])
def test_files_of_other_makers_are_read(data: bytes, block_bytes: int) -> None:
    chunks = [data[start : start + 50] for start in range(0, len(data), 50)]
    profile = profile_capture([CaptureFile("file", chunks)], block_bytes=block_bytes)
    assert (profile.line_count, profile.row_count, profile.malformed.count) == (2, 2, 0)


@pytest.mark.parametrize(
    ("data", "rows", "lines", "reasons"),
    [
        (b"", 0, 0, set()),
        (b"\n\n", 0, 0, set()),
        (gzip.compress(b""), 0, 0, set()),
        (GOOD * 3 + GOOD[:30], 3, 4, {"not JSON"}),
        (gzip.compress(GOOD * 3)[:-4], 3, 4, {"the gzip stream is truncated"}),
        (gzip.compress(GOOD * 3)[:-8] + b"\1" * 8, 0, 1, {"the gzip stream is damaged"}),
        (gzip.compress(GOOD * 3)[:9], 0, 1, {"the gzip stream is truncated"}),
    ],
    ids=["empty", "blank", "empty gzip", "truncated", "truncated gzip", "wrong checksum", "gzip header"],
)
def test_broken_files_give_what_can_be_trusted(data: bytes, rows: int, lines: int, reasons: set[str]) -> None:
    profile = profile_capture([CaptureFile("file", [data])])
    assert (profile.row_count, profile.line_count, set(profile.malformed.reasons)) == (rows, lines, reasons)
    others = profile_capture([CaptureFile("file", [data]), capture_file([GOOD])])
    assert others.row_count == rows + 1


def test_no_file_at_all_is_no_row() -> None:
    profile = profile_capture([])
    assert (profile.state, profile.row_count, profile.malformed_share) == (None, 0, 0.0)


def test_several_rows_an_invocation() -> None:
    window = [
        capture_line("1,2\n3,4\n", "0.5\n0.6\n"),
        capture_line("5,6", "0.7"),
        capture_line("7,8\r\n9,9", "0.8\n0.9"),
    ]
    for lines in (window, [*window, b"broken\n"]):
        profile = profile_lines(lines)
        assert (profile.invocation_count, profile.row_count) == (3, 5)
        assert categories(profile)["_c0"] == {"0.5": 1, "0.6": 1, "0.7": 1, "0.8": 1, "0.9": 1}
        assert categories(profile)["_c1"] == {"1": 1, "3": 1, "5": 1, "7": 1, "9": 1}


@pytest.mark.parametrize("line", [capture_line("1,2"), capture_line(None, "1,2")], ids=["input", "output"])
def test_only_one_side_captured(line: bytes) -> None:
    profile = profile_lines([line] * 3)
    assert (profile.row_count, profile.malformed.count) == (3, 0)
    assert categories(profile) == {"_c0": {"1": 3}, "_c1": {"2": 3}}


def test_names_come_from_the_schema() -> None:
    start = CaptureSchema(("a", "b"), ("p",))
    end = CaptureSchema(("a", "b"), ("p",), "END")
    together = CaptureSchema(columns=("p", "a", "b"))
    for schema, names in ((start, ["p", "a", "b"]), (end, ["a", "b", "p"]), (together, ["p", "a", "b"])):
        for lines in ([GOOD], [GOOD, b"broken\n"]):
            profile = profile_lines(lines, schema)
            assert profile.state is not None
            assert not profile.state.positional
            assert list(profile.state.columns) == names
            assert categories(profile) == {"p": {"0.5": 1}, "a": {"1": 1}, "b": {"2": 1}}


def test_another_number_of_fields_than_promised_gives_positions() -> None:
    profile = profile_lines([capture_line("1,2,3", "0.5")] * 9 + [GOOD], CaptureSchema(("a", "b"), ("p",)))
    assert profile.state is not None
    assert profile.state.positional
    assert list(profile.state.columns) == ["_c0", "_c1", "_c2", "_c3"]
    assert profile.malformed.count == 1


def test_quoted_fields_hold_commas_quotes_and_line_ends() -> None:
    line = capture_line('"a,b","say ""hi""","line\nend",é\n', "0.5")
    found = categories(profile_lines([line]))
    assert list(found.values()) == [{"0.5": 1}, {"a,b": 1}, {'say "hi"': 1}, {"line\nend": 1}, {"é": 1}]


@pytest.mark.parametrize(
    "name", ['a "quoted" name', "slash/back\\slash", "größe 日本", "tab\tend", " ", "'", "_c0", "x" * 500]
)
def test_names_of_all_kinds(name: str) -> None:
    by_schema = profile_lines([GOOD], CaptureSchema((name, "b"), ("p",)))
    by_key = profile_lines([as_json({name: 1, "b": 2}, {"p": 0.5})], CaptureSchema((name, "b"), ("p",)))
    assert by_schema.state is not None
    assert by_key.state is not None
    assert list(by_schema.state.columns) == list(by_key.state.columns) == ["p", name, "b"]


def test_json_objects_are_joined_by_key_and_lacking_keys_are_missing() -> None:
    window = [
        as_json({"b": 1, "a": "x"}, {"p": 0.5}),
        as_json({"a": "y", "debug": True}, {"p": 0.7}),
        as_json({"a": None, "b": 3}),
    ]
    profile = profile_lines(window[:2])
    assert profile.state is not None
    assert {name: c.missing for name, c in profile.state.columns.items()} == {"p": 0, "b": 1, "a": 0, "debug": 1}
    ordered = profile_lines(window[:2], CaptureSchema(columns=("p", "a", "b")))
    assert ordered.state is not None
    assert list(ordered.state.columns) == ["p", "a", "b", "debug"]


def test_numbers_keep_the_text_they_were_sent_with() -> None:
    profile = profile_lines([capture_line('{"a": 1.50, "b": "7", "c": 1e5}', "0.10", encoding="JSON")])
    assert categories(profile) == {"output_0": {"0.10": 1}, "a": {"1.50": 1}, "b": {"7": 1}, "c": {"1e5": 1}}
    assert profile.state is not None
    assert profile.state.columns["b"].inferred_type is InferredType.INTEGRAL


def test_a_json_list_of_objects_and_json_lines_are_rows() -> None:
    listed = as_json([{"a": 1}, {"a": 2}], [0.5, 0.6])
    assert profile_lines([listed]).malformed.count == 1  # two rows in, one row of two fields out
    paired = as_json([{"a": 1}, {"a": 2}], [[0.5], [0.6]])
    lines = capture_line('{"a": 1}\n{"a": 2}', "0.5\n0.6\n", encoding="JSON", kind="application/jsonlines")
    for line in (paired, lines):
        profile = profile_lines([line])
        assert (profile.invocation_count, profile.row_count) == (1, 2)
        assert categories(profile) == {"output_0": {"0.5": 1, "0.6": 1}, "a": {"1": 1, "2": 1}}


def mixed(input_: str, output: str) -> bytes:
    record = json.loads(capture_line(input_, output))
    record["captureData"]["endpointOutput"] |= {"encoding": "JSON", "observedContentType": "application/json"}
    return json.dumps(record).encode() + b"\n"


def test_csv_in_and_json_out() -> None:
    schema = CaptureSchema(input_columns=("a", "b"))
    found = profile_lines([mixed("1,2", '{"score": 0.5}'), mixed("3,4", '{"score": 0.7}')], schema)
    assert categories(found) == {"score": {"0.5": 1, "0.7": 1}, "a": {"1": 1, "3": 1}, "b": {"2": 1, "4": 1}}
    wrong = profile_lines([mixed("1,2,3", '{"score": 0.5}')], schema)
    assert "3 input fields, where the endpoint's file names 2" in next(iter(wrong.malformed.reasons))


def test_a_name_on_both_sides_is_the_inputs() -> None:
    found = categories(profile_lines([as_json({"id": 1, "a": 2}, {"id": 9, "p": 0.5})]))
    assert found == {"id_output": {"9": 1}, "p": {"0.5": 1}, "id": {"1": 1}, "a": {"2": 1}}


def encoded(text: str, kind: str) -> bytes:
    return capture_line(base64.b64encode(text.encode()).decode(), None, encoding="BASE64", kind=kind)


@pytest.mark.parametrize(
    ("text", "kind", "names"),
    [
        ("1,2\n", "text/csv; charset=utf-8", ["_c0", "_c1"]),
        ("1,2", "application/octet-stream", ["_c0", "_c1"]),
        ('{"a": 1}', "application/json", ["a"]),
        (' {"a": 1}', "application/x-custom", ["a"]),
        ('{"a": 1}\n{"a": 2}', "application/jsonlines", ["a"]),
        ("[1, 2, 3]", "", ["_c0", "_c1", "_c2"]),
    ],
)
def test_base64_is_looked_into(text: str, kind: str, names: list[str]) -> None:
    profile = profile_lines([encoded(text, kind)])
    assert profile.state is not None
    assert (list(profile.state.columns), profile.malformed.count) == (names, 0)


def test_infinities_and_nan_in_csv_are_what_deequ_takes_them_for() -> None:
    profile = profile_lines([capture_line("1e999,nan", "-1e999"), capture_line("1,2", "0.5")])
    assert profile.state is not None
    kinds = [column.inferred_type for column in profile.state.columns.values()]
    assert kinds == [InferredType.FRACTIONAL, InferredType.FRACTIONAL, InferredType.STRING]
    moments = profile.state.columns["_c1"].moments
    assert moments is not None
    assert moments.maximum == float("inf")


@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        ("1," + "x" * 10_000_000, None),
        ('"' + "x" * 10_000_000 + '",1', None),
        ('1,"' + "x" * 10_000_000, "broken CSV quoting"),
        ("1," * 5_000_000 + "1", "5000002 fields, where most lines of the window have 3"),
    ],
    ids=["plain", "quoted", "unfinished quotes", "many fields"],
)
def test_a_line_of_ten_megabytes_is_read_where_it_has_a_sense(payload: str, refused: str | None) -> None:
    profile = profile_lines([GOOD] * 3 + [capture_line(payload, "0.5")] + [GOOD] * 3, block_bytes=1 << 20)
    assert profile.line_count == 7
    assert profile.row_count == (6 if refused else 7)
    assert [sample.reason.startswith(refused or "") for sample in profile.malformed.samples] == [True] * bool(refused)
    assert all(len(sample.reason) < 200 for sample in profile.malformed.samples)


def test_ten_thousand_columns_take_seconds() -> None:
    row = ",".join(str(number) for number in range(10_000))
    started = time.process_time()
    profile = profile_lines([capture_line(row, "0.5")] * 10)
    spent = time.process_time() - started
    assert profile.state is not None
    assert (len(profile.state.columns), profile.row_count) == (10_001, 10)
    assert spent < 30


def test_keys_that_are_data_do_not_become_columns_without_end() -> None:
    sizes = (25_000, 19_000, 900, 900, 900)
    odd = [as_json({f"{SECRET}-{line}-{number}": 1 for number in range(size)}) for line, size in enumerate(sizes)]
    profile = profile_lines([*[GOOD] * 9, *odd])
    assert (profile.row_count, profile.malformed.count) == (9, 5)
    too_many = "more than 20,000 different JSON keys in the window"
    assert profile.malformed.reasons[too_many] == 3
    assert [sample.line for sample in profile.malformed.samples if sample.reason == too_many] == [10, 13, 14]
    assert_no_payload(profile)


@st.composite
def windows(draw: st.DrawFn) -> list[bytes]:
    row = st.tuples(csv_fields, csv_fields).map(lambda pair: ",".join(value or "" for value in pair))
    lines = st.builds(capture_line, row, csv_fields.filter(bool))
    return draw(st.lists(lines, min_size=1, max_size=15))


@few
@given(windows())
def test_the_quick_way_and_the_careful_one_give_the_same_bytes(window: list[bytes]) -> None:
    quickly = profile_lines(window).state
    carefully = profile_lines([*window, b"broken\n"]).state
    in_blocks = profile_lines(window, block_bytes=200).state
    assert quickly is not None
    assert carefully is not None
    assert in_blocks is not None
    assert encode_state(quickly) == encode_state(carefully) == encode_state(in_blocks)


def test_files_are_read_one_after_another_and_progress_is_told() -> None:
    files = [capture_file([capture_line(f"{number},2", "0.5")], f"{number}.jsonl") for number in range(5)]
    told: list[int] = []
    profile = profile_capture(files, on_progress=told.append)
    assert told == [1, 2, 3, 4, 5]
    assert profile.state is not None
    quantiles = profile.state.columns["_c1"].quantiles
    assert quantiles is not None
    assert quantiles.levels[0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
