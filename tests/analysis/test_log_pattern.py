"""Laws and examples of grouping log messages."""

import re
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchkeeper.analysis.log_pattern import (
    FILTER_PATTERN,
    PATTERN_LENGTH,
    LogLine,
    error_kind,
    group_errors,
    inference_ids,
    log_pattern,
    most_frequent,
)

START = datetime(2026, 11, 25, 4, tzinfo=UTC)
WORDS = (
    "ERROR|error|failed|ValueError:|'|\"|{|}|[|]|,|:|5|3.14|1e9|-2|0xff|deadbeef01|2026-11-25T04:00:00Z|word|b'|a1-b2|<number>|"
    " inferenceId=abc-1 |s3://bucket/key|me@example.com|…|é| |\n|Traceback (most recent call last):\n| no errors "
)
PIECES = st.sampled_from(WORDS.split("|"))
MESSAGES = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=300)
LINES = st.lists(
    st.builds(
        LogLine,
        st.integers(0, 3600).map(lambda seconds: START + timedelta(seconds=seconds)),
        st.sampled_from(["AllTraffic/i-1", "AllTraffic/i-2", ""]),
        MESSAGES,
    ),
    max_size=20,
)


@given(MESSAGES)
@example("5'a' '5' \"5\"")
def test_the_pattern_of_a_pattern_is_itself(message: str) -> None:
    pattern = log_pattern(message)
    assert log_pattern(pattern) == pattern
    assert len(pattern) <= PATTERN_LENGTH
    assert not re.search(r"\d", pattern)
    assert "\n" not in pattern


@given(LINES)
def test_counts_add_up_to_the_lines_that_tell_of_errors(lines: list[LogLine]) -> None:
    groups = group_errors(lines)
    telling = [line for line in lines if error_kind(line.message) is not None]
    assert sum(group.count for group in groups.values()) == len(telling)
    assert all(group.first_seen <= group.last_seen for group in groups.values())
    if telling:
        assert min(group.first_seen for group in groups.values()) == min(line.at for line in telling)


@given(LINES, st.data())
def test_two_parts_of_a_log_add_up_to_the_whole(lines: list[LogLine], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(lines)))
    left, right = group_errors(lines[:cut]), group_errors(lines[cut:])
    whole = group_errors(lines)
    assert left.keys() | right.keys() == whole.keys()
    for pattern, group in whole.items():
        parts = [side[pattern] for side in (left, right) if pattern in side]
        added = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        assert (added.count, added.first_seen, added.last_seen) == (group.count, group.first_seen, group.last_seen)
        assert (added.streams, added.inference_ids) == (group.streams, group.inference_ids)


@given(MESSAGES)
def test_what_counts_as_an_error_passes_cloudwatchs_filter(message: str) -> None:
    if error_kind(message) is not None:
        assert re.search(FILTER_PATTERN.strip("%"), message)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("2026-11-25 04:00:01,123 ERROR boom", "error"),
        ("ValueError: could not convert string to float: 'Smith'", "exception"),
        ("java.lang.IllegalStateException: x", "exception"),
        ("worker failed to start", "failed"),
        ("Error: no such column", "error"),
        ("CRITICAL out of memory", "error"),
        ("processed 10 rows, 0 errors", None),
        ("finished without errors", None),
        ("a terror of a day", None),
        ("the mirror is clean", None),
        ("INFO ready", None),
    ],
)
def test_kinds_of_lines(message: str, kind: str | None) -> None:
    assert error_kind(message) == kind


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("ERROR row 17 of 2,000: 3.5e-7", "ERROR row <number> of <number>: <number>"),
        ("ValueError: could not convert to float: 'John Smith'", "ValueError: could not convert to float: <text>"),
        ('KeyError: "age"', "KeyError: <text>"),
        ("bad record {'name': 'x', 'income': 5} given: error", "bad record <values> given: error"),
        ("Error in [1.5, 2, 3]", "Error in <values>"),
        ("[ERROR] at 2026-11-25T04:00:01.123Z", "[ERROR] at <time>"),
        ("error 7f3c1a2b9d for 123e4567-e89b-12d3-a456-426614174000", "error <hex> for <id>"),
        ("error at 0x7f21 of i-0abc12", "error at <hex> of <id>"),
        ("failed to mail jane.doe@example.com", "failed to mail <address>"),
        ("cannot open s3://bucket/a/b.csv: failed", "cannot open <address> failed"),
        ("error: column x5 is int64, not utf-8", "error: column x<number> is int<number>, not <id>"),
        ("don't panic, it's an error", "don't panic, it's an error"),
        ('Traceback (most recent call last):\n  File "x.py", line 3\nValueError: bad 3', "ValueError: bad <number>"),
        ("INFO first\nERROR second 2", "ERROR second <number>"),
    ],
)
def test_patterns_of_messages(message: str, pattern: str) -> None:
    assert log_pattern(message) == pattern


def test_inference_ids_are_found_however_they_are_written() -> None:
    message = 'ERROR inferenceId=ab-1, {"inference_id": "ab-2"} X-Amzn-SageMaker-Inference-Id: ab-3 inferenceId=ab-1'
    assert inference_ids(message) == ("ab-1", "ab-2", "ab-3")
    assert inference_ids("ERROR inference took long") == ()


def test_the_largest_group_comes_first_whatever_the_order() -> None:
    lines = [LogLine(START, "s", text) for text in ("ERROR a", "ERROR b", "ERROR b")]
    for order in permutations(lines):
        assert [group.pattern for group in most_frequent(group_errors(order).values())] == ["ERROR b", "ERROR a"]


def test_a_groups_names_are_bounded() -> None:
    lines = [LogLine(START, f"s{number:02}", f"ERROR inferenceId=id{number:02}") for number in range(50)]
    (group,) = group_errors(lines).values()
    assert group.count == 50
    assert group.streams == ("s00", "s01", "s02", "s03", "s04")
    assert len(group.inference_ids) == 5
