"""Labels to measure with: one for every captured line of a window, in another order.

A program of its own (``label_generator.py CAPTURES LABELS``), because the process that measures must stay small.
"""

import random
import re
import sys
from pathlib import Path

LABELS_PER_FILE = 50_000
POSITIVE_SHARE = 0.3
_SEED = 2027
_EVENT_ID = re.compile(r'"eventId":"([^"]+)"')
_LINE = '{{"groundTruthData":{{"data":"{}","encoding":"CSV"}},"eventMetadata":{{"eventId":"{}"}},"eventVersion":"0"}}\n'


def make_labels(captures: Path, labels: Path) -> list[Path]:
    """Write a label for every line of the capture files below a folder, shuffled; files that are there are kept."""
    done = labels / ".ready"
    if not done.exists():
        ids = [key for path in sorted(captures.rglob("*.jsonl")) for key in _EVENT_ID.findall(path.read_text())]
        chance = random.Random(_SEED)
        chance.shuffle(ids)
        labels.mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, len(ids), LABELS_PER_FILE)):
            lines = (
                _LINE.format(int(chance.random() < POSITIVE_SHARE), key) for key in ids[start : start + LABELS_PER_FILE]
            )
            (labels / f"{number:03d}.jsonl").write_text("".join(lines))
        done.touch()
    return sorted(labels.glob("*.jsonl"))


if __name__ == "__main__":
    make_labels(*map(Path, sys.argv[1:]))
