"""Merged records to measure bias with: seeded, so that every machine measures the same bytes.

A program of its own (``bias_generator.py FOLDER ROWS``), because the process that measures must stay small. A row has
12 features: three facets, a group variable, and eight numbers for the Flip Test to find neighbours by.
"""

import sys
import uuid
from pathlib import Path

import numpy as np
import polars as pl

LINES_PER_FILE = 50_000
FACETS = ("sex", "race", "region")
GROUP = "town"
NUMBERS = tuple(f"number_{position}" for position in range(8))
FEATURES = (*FACETS, GROUP, *NUMBERS)
_SEED = 2031
_LINE = (
    '{{"captureData":{{"endpointInput":{{"data":"{}","encoding":"CSV","mode":"INPUT",'
    '"observedContentType":"text/csv"}},"endpointOutput":{{"data":"{}\\n","encoding":"CSV","mode":"OUTPUT",'
    '"observedContentType":"text/csv; charset=utf-8"}}}},"eventMetadata":{{"eventId":"{}",'
    '"inferenceTime":"2026-11-02T05:00:00Z"}},"eventVersion":"0",'
    '"groundTruthData":{{"data":"{}","encoding":"CSV"}}}}'
)


def table_of(rows: int, seed: int = _SEED) -> pl.DataFrame:
    """Return features, label and prediction: women are labelled positive a little less often, and predicted so too."""
    random = np.random.default_rng(seed)
    sex, race = random.integers(0, 2, rows), random.choice(5, rows, p=(0.6, 0.15, 0.12, 0.08, 0.05))
    numbers = {name: random.normal(position, 10.0, rows).round(3) for position, name in enumerate(NUMBERS)}
    chance = 0.35 - 0.08 * (sex == 0) - 0.04 * (race == 4) + 0.01 * numbers[NUMBERS[0]] / 10
    label = (random.random(rows) < chance).astype(np.int64)
    prediction = np.where(random.random(rows) < 0.8, label, random.random(rows) < 0.3).astype(np.int64)
    columns = {"sex": sex, "race": race, "region": random.integers(0, 3, rows), GROUP: random.integers(0, 10, rows)}
    return pl.DataFrame(columns | numbers | {"label": label, "prediction": prediction})


def make_records(folder: Path, rows: int) -> list[Path]:
    """Write merged records in files of 50,000 lines; files that are there are kept."""
    if not (folder / ".ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng([_SEED, 1])
        events = [str(uuid.UUID(bytes=random.bytes(16), version=4)) for _ in range(rows)]
        frame = table_of(rows).cast(pl.String).with_columns(event=pl.Series(events))
        payload = pl.concat_str(FEATURES, separator=",")
        lines = frame.select(pl.format(_LINE, payload, "prediction", "event", "label")).to_series()
        for number, start in enumerate(range(0, rows, LINES_PER_FILE)):
            text = "\n".join(lines.slice(start, LINES_PER_FILE).to_list())
            (folder / f"{number:03d}.jsonl").write_text(text + "\n")
        (folder / ".ready").touch()
    return sorted(folder.glob("*.jsonl"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, rows]:
            make_records(Path(folder), int(rows))
        case _:
            sys.exit(__doc__)
