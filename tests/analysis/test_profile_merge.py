"""A day from its hours."""

from tests.analysis.capture_samples import capture_line, profile_lines
from watchkeeper.analysis.capture_profile import CaptureProfile, MalformedLines
from watchkeeper.analysis.capture_records import CaptureSchema
from watchkeeper.analysis.profile_merge import merge_profiles

SCHEMA = CaptureSchema(("a", "b"), ("p",))


def hour(rows: int, *extra: bytes, width: int = 2) -> CaptureProfile:
    payload = ",".join("7" * width)
    return profile_lines([*[capture_line(payload, "0.5")] * rows, *extra], SCHEMA)


def test_a_day_is_the_sum_of_its_hours() -> None:
    day = merge_profiles([hour(5), hour(3, b"broken\n"), hour(0), hour(2, b"broken\n", b"\xff\n")])
    assert (day.row_count, day.invocation_count, day.line_count, day.malformed.count) == (10, 10, 13, 3)
    assert sum(day.malformed.reasons.values()) == 3
    assert len(day.malformed.samples) == 3
    assert day.state is not None
    assert list(day.state.columns) == ["p", "a", "b"]


def test_an_hour_of_another_width_is_malformed_unless_it_holds_most_rows() -> None:
    day = merge_profiles([hour(5), hour(3, width=3), hour(4)])
    assert (day.row_count, day.malformed.count, day.line_count) == (9, 3, 12)
    broken = merge_profiles([hour(5), hour(30, width=3), hour(4)])
    assert broken.state is not None
    assert broken.state.positional
    assert (broken.row_count, len(broken.state.columns), broken.malformed.count) == (30, 4, 9)


def test_hours_divided_otherwise_between_the_sides_are_not_merged_as_one() -> None:
    def divided(rows: int, data: str, output: str) -> CaptureProfile:
        return profile_lines([capture_line(data, output)] * rows, CaptureSchema(("a", "b", "c"), ("p", "q")))

    day = merge_profiles([divided(5, "1", "2,3,4,5"), divided(3, "1,2,3,4", "5")])
    assert day.state is not None
    assert (day.row_count, day.malformed.count, day.state.is_divided_otherwise) == (5, 3, True)


def test_hours_without_rows_make_a_day_without_rows() -> None:
    nothing = CaptureProfile(None, 0, 0, MalformedLines())
    for hours in ([], [nothing], [nothing, nothing]):
        day = merge_profiles(hours)
        assert (day.state, day.row_count, day.malformed.count, day.line_count) == (None, 0, 0, 0)
    only_broken = merge_profiles([nothing, hour(0, b"broken\n")])
    assert (only_broken.state, only_broken.malformed.count) == (None, 1)


def test_samples_stay_few() -> None:
    day = merge_profiles([hour(1, *[b"broken\n"] * 15) for _ in range(4)])
    assert (day.malformed.count, len(day.malformed.samples)) == (60, 20)
