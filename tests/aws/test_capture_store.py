import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.capture_store import CaptureStore, capture_digest
from watchkeeper.errors import CaptureError
from watchkeeper.registry.capture_window import Window

WINDOW = Window.parse("2026-11-20T05:00Z", "2026-11-20T07:00Z")
FOLDER = "capture/flights/AllTraffic/2026/11/20"


@pytest.fixture
def store(s3):
    for name in ("05/10-00-000-b.jsonl", "05/02-00-000-a.jsonl", "06/01-00-000-c.jsonl", "07/00-00-000-d.jsonl"):
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}", Body=name.encode())
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/05/", Body=b"")
    return CaptureStore(f"s3://{BUCKET}/capture/", s3)


def listed(store):
    return store.list_window("flights", "AllTraffic", WINDOW)


def test_the_files_of_a_windows_hours_in_key_order(store):
    assert [item.key.removeprefix(f"{FOLDER}/") for item in listed(store)] == [
        "05/02-00-000-a.jsonl",
        "05/10-00-000-b.jsonl",
        "06/01-00-000-c.jsonl",
    ]
    assert store.list_window("flights", "Other", WINDOW) == ()


def test_a_name_that_is_another_ones_beginning_is_not_mixed_up(store, s3):
    s3.put_object(Bucket=BUCKET, Key=FOLDER.replace("AllTraffic", "AllTraffic2") + "/05/x.jsonl", Body=b"x")
    assert len(listed(store)) == 3


def test_a_file_is_read_as_it_was_listed(store, s3):
    first = listed(store)[0]
    assert b"".join(store.open(first).chunks) == b"05/02-00-000-a.jsonl"
    assert store.first_bytes(first, 5) == b"05/02"
    s3.put_object(Bucket=BUCKET, Key=first.key, Body=b"rewritten")
    with pytest.raises(CaptureError, match="changed or vanished"):
        list(store.open(first).chunks)
    s3.delete_object(Bucket=BUCKET, Key=first.key)
    with pytest.raises(CaptureError, match="changed or vanished"):
        list(store.open(first).chunks)


def test_the_digest_changes_with_any_file(store, s3):
    before = capture_digest(listed(store))
    assert capture_digest(listed(store)) == before
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/05/30-00-000-late.jsonl", Body=b"late")
    late = capture_digest(listed(store))
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/05/30-00-000-late.jsonl", Body=b"other")
    assert len({before, late, capture_digest(listed(store)), capture_digest(())}) == 4


def test_hours_are_listed_a_day_at_a_time_and_what_is_no_capture_is_left_out(store, s3):
    for name in ("stray.jsonl", "5/odd.jsonl"):
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}", Body=b"x")
    hours = store.list_hours("flights", "AllTraffic", WINDOW)
    assert [hour.start_path[-2:] for hour in hours] == ["05", "06"]
    assert tuple(item for items in hours.values() for item in items) == listed(store)
