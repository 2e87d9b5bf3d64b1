"""Labels to measure with: one for every captured line of a window, in another order.

A positive label is the likelier, the higher the captured prediction: a model worth measuring, and no perfect one.

A program of its own (``label_generator.py window CAPTURES LABELS``, or ``… reference REFERENCE FILE`` for the labelled
rows of a baseline), because the process that measures must stay small.
"""

import csv
import random
import re
import sys
from pathlib import Path

LABELS_PER_FILE = 50_000
POSITIVE_SHARE = 0.3
_LOWEST_CHANCE = 0.05
_SEED = 2027
_REFERENCE_SEED = 2028
_RULES = "positive by the square of the prediction"
_CAPTURED = re.compile(r'"mode":"OUTPUT","data":"([0-9.eE+-]+).*?"eventId":"([^"]+)"')
_LINE = '{{"groundTruthData":{{"data":"{}","encoding":"CSV"}},"eventMetadata":{{"eventId":"{}"}},"eventVersion":"0"}}\n'


def make_labels(captures: Path, labels: Path) -> list[Path]:
    """Write a label for every line of the capture files below a folder, shuffled; files that are there are kept."""
    done = labels / ".ready"
    if not done.exists() or done.read_text() != _RULES:
        found = [line for path in sorted(captures.rglob("*.jsonl")) for line in _CAPTURED.findall(path.read_text())]
        chance = random.Random(_SEED)
        chance.shuffle(found)
        labels.mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, len(found), LABELS_PER_FILE)):
            lines = (
                _LINE.format(_label(chance, prediction), key)
                for prediction, key in found[start : start + LABELS_PER_FILE]
            )
            (labels / f"{number:03d}.jsonl").write_text("".join(lines))
        done.write_text(_RULES)
    return sorted(labels.glob("*.jsonl"))


def make_labelled_reference(reference: Path, path: Path) -> None:
    """Write prediction and label of the reference's rows as CSV: what a baseline of the model's quality is made of."""
    chance = random.Random(_REFERENCE_SEED)
    with reference.open() as file:
        predictions = [row["prediction"] for row in csv.DictReader(file)]
    rows = (f"{prediction},{_label(chance, prediction)}\n" for prediction in predictions)
    path.write_text("prediction,label\n" + "".join(rows))


def _label(chance: random.Random, prediction: str) -> int:
    # Predictions are even over 0..1, where a square's mean is a third.
    span = 3 * (POSITIVE_SHARE - _LOWEST_CHANCE)
    return int(chance.random() < _LOWEST_CHANCE + span * float(prediction) ** 2)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["window", captures, labels]:
            make_labels(Path(captures), Path(labels))
        case ["reference", reference, path]:
            make_labelled_reference(Path(reference), Path(path))
        case _:
            sys.exit(__doc__)
