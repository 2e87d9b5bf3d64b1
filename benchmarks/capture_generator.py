"""Captured data to measure with: seeded, so that every machine measures the same bytes.

A program of its own (``capture_generator.py window FOLDER ROWS`` or ``… reference FILE``), because the process that
measures must stay small.
"""

import sys
import uuid
from pathlib import Path

import numpy as np
import polars as pl

LINES_PER_FILE = 50_000
REFERENCE_ROWS = 50_000
DISTINCT_FILES = 20
FRACTIONAL_COUNT = 15
INTEGRAL_COUNT = 5
BLANK_SHARE = 0.01
CATEGORIES = (
    ("red", "green", "blue", "teal"),
    tuple(f"city{number}" for number in range(60)),
    ("returning", "new"),
)
INPUT_COLUMNS = (
    *(f"fraction_{number}" for number in range(FRACTIONAL_COUNT)),
    *(f"whole_{number}" for number in range(INTEGRAL_COUNT)),
    *(f"category_{number}" for number in range(len(CATEGORIES))),
)
OUTPUT_COLUMN = "prediction"

_WINDOW_SEED = 2026
_REFERENCE_SEED = 2025
_LINE = (
    '{{"captureData":{{"endpointInput":{{"observedContentType":"text/csv","mode":"INPUT","data":"{}",'
    '"encoding":"CSV"}},"endpointOutput":{{"observedContentType":"text/csv; charset=utf-8","mode":"OUTPUT",'
    '"data":"{}\\n","encoding":"CSV"}}}},"eventMetadata":{{"eventId":"{}","inferenceTime":"2026-11-02T05:{}:{}Z"}},'
    '"eventVersion":"0"}}'
)


def rows_of_text(rows: int, seed: int) -> pl.DataFrame:
    """Return 20 numbers with blanks, 3 categories and a prediction (first) as text, one row per invocation."""
    random = np.random.default_rng([seed, 0])
    columns = [pl.Series(OUTPUT_COLUMN, random.random(rows).round(6)).cast(pl.String)]
    numbers: list[np.ndarray] = [
        random.normal(100.0 + number, 25.0, rows).round(3) for number in range(FRACTIONAL_COUNT)
    ]
    numbers += [random.integers(0, 500, rows) for _ in range(INTEGRAL_COUNT)]
    for values in numbers:
        blank = pl.Series(random.random(rows) < BLANK_SHARE)
        texts = pl.Series(values).cast(pl.String)
        columns.append(pl.select(pl.when(blank).then(pl.lit("")).otherwise(texts)).to_series())
    columns += [pl.Series(random.choice(names, rows)) for names in CATEGORIES]
    names = (OUTPUT_COLUMN, *INPUT_COLUMNS)
    return pl.DataFrame([series.alias(name) for name, series in zip(names, columns, strict=True)])


def capture_lines(rows: int, seed: int) -> list[str]:
    """Return so many captured invocations of one row each, without line ends."""
    random = np.random.default_rng([seed, 1])
    seconds = np.arange(rows) * 3600 // rows
    frame = rows_of_text(rows, seed).with_columns(
        event=pl.Series([str(uuid.UUID(bytes=random.bytes(16), version=4)) for _ in range(rows)]),
        minute=pl.Series(seconds // 60).cast(pl.String).str.zfill(2),
        second=pl.Series(seconds % 60).cast(pl.String).str.zfill(2),
    )
    payload = pl.concat_str(INPUT_COLUMNS, separator=",")
    return frame.select(pl.format(_LINE, payload, OUTPUT_COLUMN, "event", "minute", "second")).to_series().to_list()


def make_window(folder: Path, rows: int) -> list[Path]:
    """Make a window of ``rows`` invocations in files of 50,000 lines and return their paths.

    Files that are there are kept. From a million rows on, the same twenty files are listed again and again.
    """
    paths = []
    for number, start in enumerate(range(0, rows, LINES_PER_FILE)):
        lines, distinct = min(LINES_PER_FILE, rows - start), number % DISTINCT_FILES
        original = folder / "files" / f"{distinct:02d}-{lines}.jsonl"
        if not original.exists():
            _write(original, capture_lines(lines, _WINDOW_SEED + distinct))
        path = folder / "windows" / str(rows) / "2026/11/02/05" / f"{number:03d}.jsonl"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(original)
        paths.append(path)
    return paths


def make_reference(path: Path) -> None:
    """Write the training data that baseline and reference are made of: a CSV file with a header, the output first."""
    if not path.exists():
        frame = rows_of_text(REFERENCE_ROWS, _REFERENCE_SEED)
        _write(path, [",".join(frame.columns), *(",".join(row) for row in frame.iter_rows())])


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes("".join(f"{line}\n" for line in lines).encode())
    draft.rename(path)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["window", folder, rows]:
            make_window(Path(folder), int(rows))
        case ["reference", path]:
            make_reference(Path(path))
        case _:
            sys.exit(__doc__)
