"""The ground truth of a scene's requests, as the labels' feed brings it: hours late, out of order, not all of it."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.traffic.request_stream import DATA_SETS, DataSet, requests_of
from sandbox.traffic.scene import LabelFeed, Scene

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Label:
    """One line of ground truth, at the moment of the data's own time at which it was collected."""

    key: str
    data: str
    encoding: str
    collected: datetime

    def line(self) -> bytes:
        """Return it in Model Monitor's format, with its newline."""
        document = {
            "groundTruthData": {"data": self.data, "encoding": self.encoding},
            "eventMetadata": {"eventId": self.key},
            "eventVersion": "0",
        }
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def labels_of(scene: Scene) -> Iterator[Label]:
    """Yield the scene's labels in the order of their requests; the same scene gives the same labels and moments."""
    data, feed = DATA_SETS[scene.endpoint], scene.labels
    for number, request in enumerate(requests_of(scene)):
        values = [value for value in request.truth if value is not None]
        draw = random.Random(request.event_id)
        if request.known_at is None or len(values) < len(request.truth) or draw.random() < feed.missing_share:
            continue
        key = request.inference_id or request.event_id
        collected = request.known_at + _delay(feed, draw)
        text, encoding = _payload(values, data)
        if number == feed.conflicting:
            wrong, _encoding = _payload([1 - values[0] if data.order is None else values[0] * 10, *values[1:]], data)
            yield Label(key, wrong, encoding, collected)
            yield Label(key, text, encoding, collected + 6 * _HOUR)
            continue
        yield Label(key, text, encoding, collected)
        if number == feed.duplicated:
            yield Label(key, text, encoding, collected + _HOUR)


def _delay(feed: LabelFeed, draw: random.Random) -> timedelta:
    place = draw.random()
    if place < feed.late_share:
        return feed.late_by
    return _HOUR * draw.uniform(1, 4) if place < feed.late_share + feed.slipped_share else timedelta()


def _payload(values: Sequence[float], data: DataSet) -> tuple[str, str]:
    """Return the labels of one request: CSV, or a JSON object a line for a request of JSON Lines."""
    if data.order is None:
        return "\n".join(f"{value:g}" for value in values), "CSV"
    return "\n".join(json.dumps({data.target: value}) for value in values), "JSON"
