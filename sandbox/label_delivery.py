"""Delivering ground truth into the bucket, step by step: all that was collected up to a moment.

Objects lie at ``ground-truth/{endpoint}/yyyy/mm/dd/hh/`` by the hour of collection, one for each quarter of an hour
that is over. What was delivered before stays as it is, so a later moment only adds.
"""

import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sandbox.aws_client import local_client
from sandbox.deployment import BUCKET
from sandbox.traffic.label_stream import Label, labels_of
from sandbox.traffic.scene import Scene

PREFIX = "ground-truth"
_SLOT = timedelta(minutes=15)
_NAMES = uuid.UUID("0f2f2b1e-4f5b-4a53-9f0a-8f5d9f6c2d77")

Progress = Callable[[str], object]


def deliver_labels(
    url: str, scenes: Sequence[Scene], *, before: datetime, until: datetime, progress: Progress
) -> dict[str, Any]:
    """Deliver the labels of the span that ends last before ``before`` and were collected until ``until``.

    Return per endpoint how many labels there are by then, how many of them are new, and when the next one comes.
    """
    s3 = local_client("s3", url)
    return {scene.endpoint: _deliver(s3, scene, before, until, progress) for scene in scenes}


def _deliver(s3: Any, scene: Scene, before: datetime, until: datetime, progress: Progress) -> dict[str, Any]:
    shift = scene.shift(before)
    slots: defaultdict[datetime, list[Label]] = defaultdict(list)
    for label in labels_of(scene):
        collected = label.collected + shift
        slots[collected - (collected - datetime.min.replace(tzinfo=collected.tzinfo)) % _SLOT].append(label)
    due = sorted(slot for slot in slots if slot + _SLOT <= until)
    ahead = min((slot + _SLOT for slot in slots if slot + _SLOT > until), default=None)
    prefix = f"{PREFIX}/{scene.endpoint}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    there = {item["Key"] for page in pages for item in page.get("Contents", ())}
    new = 0
    for slot in due:
        name = uuid.uuid5(_NAMES, f"{scene.endpoint}/{slot.isoformat()}")
        key = f"{prefix}{slot:%Y/%m/%d/%H}/{slot:%M}-{name}.jsonl"
        if key not in there:
            lines = [label.line() for label in slots[slot]]
            random.Random(key).shuffle(lines)
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"".join(lines))
            new += len(lines)
    total = sum(len(slots[slot]) for slot in due)
    progress(f"{scene.endpoint}: {total} labels collected until {until:%Y-%m-%d %H:%M}, {new} of them new")
    return {"labels": total, "new": new, "next": ahead.isoformat() if ahead else None}
