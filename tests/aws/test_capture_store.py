import json

import pytest

from tests.aws.conftest import BUCKET
from tests.golden.capture_lines import capture_line
from watchkeeper.analysis.capture_profile import profile_capture
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


@pytest.mark.parametrize("inference_time", ["2026-11-20T04:59:58Z", "2026-11-20T07:00:03Z", "1999-12-31T23:00:00Z"])
def test_the_folder_decides_the_hour_and_no_clock(s3, inference_time):
    """As in Model Monitor: an endpoint's clock that is slow or fast moves nothing into another hour."""
    hours = {"05": "2026-11-20T05:30:00Z", "06": inference_time}
    for hour, moment in hours.items():
        line = json.loads(capture_line(f"{int(hour)},x", "0.5"))
        line["eventMetadata"] = {"eventId": hour, "inferenceTime": moment}
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{hour}/00-00-000-a.jsonl", Body=json.dumps(line))
    store = CaptureStore(f"s3://{BUCKET}/capture", s3)
    for hour in hours:
        window = Window.parse(f"2026-11-20T{hour}:00Z", f"2026-11-20T{int(hour) + 1:02}:00Z")
        profile = profile_capture(map(store.open, store.list_window("flights", "AllTraffic", window)))
        assert (profile.row_count, profile.malformed.count) == (1, 0)
        assert dict(profile.state.columns["_c1"].categories) == {str(int(hour)): 1}
    for hour in ("04", "07"):
        window = Window.parse(f"2026-11-20T{hour}:00Z", f"2026-11-20T{int(hour) + 1:02}:00Z")
        assert store.list_window("flights", "AllTraffic", window) == ()


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
