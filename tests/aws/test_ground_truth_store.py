import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.ground_truth_store import GroundTruthStore
from watchkeeper.errors import CaptureError
from watchkeeper.registry.capture_window import Window

SPAN = Window.parse("2026-11-20T23:00Z", "2026-11-21T02:00Z")
NAMES = (
    "2026/11/20/22/early.jsonl",
    "2026/11/20/23/a.jsonl",
    "2026/11/21/00/b/c.jsonl.gz",
    "2026/11/21/00/a.jsonl",
    "2026/11/21/01/_SUCCESS",
    "2026/11/21/01/",
    "2026/11/21/2/odd.jsonl",
    "2026/11/21/stray.jsonl",
    "2026/11/21/02/late.jsonl",
)


@pytest.fixture
def store(s3):
    for name in NAMES:
        s3.put_object(Bucket=BUCKET, Key=f"labels/{name}", Body=name.encode())
    return GroundTruthStore(f"s3://{BUCKET}/labels", s3)


def test_labels_are_listed_by_their_collection_hour(store):
    listing = store.list_hours(SPAN)
    found = {hour.start_path: [item.key for item in items] for hour, items in listing.hours.items()}
    assert found == {
        "2026/11/20/23": ["labels/2026/11/20/23/a.jsonl"],
        "2026/11/21/00": ["labels/2026/11/21/00/a.jsonl", "labels/2026/11/21/00/b/c.jsonl.gz"],
    }
    assert listing.strays == ("labels/2026/11/21/01/_SUCCESS",)


def test_a_label_object_is_read_as_it_was_listed_and_knows_its_hour(store, s3):
    ((hour, (item,)), *_) = store.list_hours(SPAN).hours.items()
    file = store.open(item, hour)
    assert (file.name, file.collected_at, b"".join(file.chunks)) == (item.key, hour.start, b"2026/11/20/23/a.jsonl")
    s3.put_object(Bucket=BUCKET, Key=item.key, Body=b"rewritten")
    with pytest.raises(CaptureError, match="changed or vanished"):
        list(store.open(item, hour).chunks)
