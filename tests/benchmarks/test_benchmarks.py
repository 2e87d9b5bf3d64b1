"""The benchmark's data are what its page says, and its table is arithmetic on what was measured. Never speed."""

import resource
import sys
from pathlib import Path

import pytest

from benchmarks.capture_generator import (
    BLANK_SHARE,
    INPUT_COLUMNS,
    OUTPUT_COLUMN,
    capture_lines,
    make_reference,
    make_window,
)
from benchmarks.contenders import EVIDENTLY_DRIFT, HUGE, LARGE, OURS, SMALL, WHYLOGS
from benchmarks.process_meter import Measurement, measure, median_of
from benchmarks.result_page import BEGIN, END, result_tables, target_list, write_page
from watchkeeper.analysis.capture_profile import profile_capture
from watchkeeper.analysis.capture_records import CaptureFile, CaptureSchema
from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.dataset_profile import profile_csv

MIB = 2**20


def test_generated_capture_is_read_whole_and_has_the_columns_that_the_page_tells(tmp_path: Path) -> None:
    (path,) = make_window(tmp_path, 3000)
    schema = CaptureSchema(INPUT_COLUMNS, (OUTPUT_COLUMN,))
    profile = profile_capture([CaptureFile(path.name, [path.read_bytes()])], schema)
    assert profile.row_count == 3000
    assert not profile.malformed.count
    assert profile.state is not None
    columns = profile.state.columns
    kinds = [column.inferred_type for column in columns.values()]
    assert kinds == [InferredType.FRACTIONAL] * 16 + [InferredType.INTEGRAL] * 5 + [InferredType.STRING] * 3
    blanks = sum(column.missing for column in columns.values())
    assert blanks == pytest.approx(20 * 3000 * BLANK_SHARE, rel=0.2)
    assert path.stat().st_size / 3000 == pytest.approx(504, rel=0.02)


def test_generated_capture_is_the_same_every_time() -> None:
    assert capture_lines(50, 1) == capture_lines(50, 1)
    assert capture_lines(50, 1) != capture_lines(50, 2)


def test_windows_share_files_instead_of_copying_them(tmp_path: Path) -> None:
    first = make_window(tmp_path, 100)
    assert make_window(tmp_path, 100) == first
    assert [path.stat().st_nlink for path in first] == [2]


def test_reference_names_the_columns_in_the_order_in_which_capture_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    make_reference(path)
    state = profile_csv([CaptureFile(path.name, [path.read_bytes()])], header=True)
    assert tuple(state.columns) == (OUTPUT_COLUMN, *INPUT_COLUMNS)


def test_a_process_is_charged_for_its_work_and_memory(tmp_path: Path) -> None:
    # A child starts with its parent's peak, and this one's parent is large: see `process_meter`.
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 64 * MIB
    hold = f"data = bytearray({held}); data[::4096] = b'x' * len(data[::4096])"
    found = measure([sys.executable, "-c", hold], {}, tmp_path, tmp_path / "log")
    idle = measure([sys.executable, "-c", "import time; time.sleep(0.3)"], {}, tmp_path, tmp_path / "log")
    assert held < found.peak_bytes < held + 64 * MIB
    assert idle.wall_seconds >= 0.3
    assert idle.cpu_seconds < idle.wall_seconds


def test_a_process_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"status 3:\nno such thing"):
        measure(
            [sys.executable, "-c", "import sys; print('no such thing'); sys.exit(3)"], {}, tmp_path, tmp_path / "log"
        )


def test_medians_are_taken_figure_by_figure() -> None:
    runs = [Measurement(1.0, 9.0, 30), Measurement(2.0, 7.0, 10), Measurement(3.0, 8.0, 20)]
    assert median_of(runs) == Measurement(2.0, 8.0, 20)


def test_table_compares_with_ours_at_the_same_size() -> None:
    results = {
        (OURS, LARGE): [Measurement(4.5, 4.0, 120 * MIB)],
        (WHYLOGS, LARGE): [Measurement(wall, wall - 2.0, 1500 * MIB) for wall in (26.0, 25.0, 40.0)],
        (WHYLOGS, SMALL): [Measurement(1.0, 0.8, 90 * MIB)],
    }
    table = result_tables(results)
    assert "| whylogs profile | 26.00 | 24.00 | 23.00 | 1,500 | 41,667 | 6.00× |" in table
    assert "| whylogs profile | 1.00 | 0.80 | 0.80 | 90 | 1,250 |  |" in table
    assert table.index("### 1,000 rows") < table.index("### 1,000,000 rows")


def test_targets_say_whether_they_are_met() -> None:
    results = {
        (OURS, SMALL): [Measurement(0.6, 0.5, 80 * MIB)],
        (OURS, LARGE): [Measurement(4.5, 4.0, 120 * MIB)],
        (OURS, HUGE): [Measurement(20.0, 19.0, 200 * MIB)],
        (WHYLOGS, LARGE): [Measurement(26.0, 24.0, 1500 * MIB)],
        (EVIDENTLY_DRIFT, LARGE): [Measurement(40.0, 40.0, 2000 * MIB)],
    }
    verdicts = [line.partition(":")[0] for line in target_list(results).splitlines()]
    not_met, met = "- **not met**", "- met"
    assert verdicts == [not_met, met, met, met, not_met, met, not_met]


def test_page_keeps_what_stands_around_the_measured_part(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n\n{BEGIN}\nold\n{END}\nbelow\n")
    write_page(page, ["new"])
    write_page(page, ["newer"])
    assert page.read_text() == f"above\n\n{BEGIN}\n\nnewer\n\n{END}\nbelow\n"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="were expected"):
        write_page(page, ["new"])
