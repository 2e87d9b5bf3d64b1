import json

import msgspec
import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.merge_manifest import LabelSource, MergeManifest, merge_digest
from watchkeeper.aws.merged_store import MergedFolder, MergedStore
from watchkeeper.errors import CaptureError, DocumentError
from watchkeeper.registry.capture_window import HOUR, Window

FIVE = Window.parse("2026-11-20T05:00Z", "2026-11-20T06:00Z")
FOLDER = "wk/merged/flights/AllTraffic/2026/11/20/05/"


@pytest.fixture
def store(s3):
    return MergedStore(BUCKET, "wk", s3)


def manifest(hour=FIVE, **fields):
    given = {
        "endpoint": "flights",
        "endpoint_name": "flights-delay",
        "variant": "AllTraffic",
        "hour": hour.name,
        "digest": "d1",
        "capture_digest": "c1",
        "capture_object_count": 1,
        "label_objects": (LabelSource("labels/a.jsonl", '"e"'),),
        "captured_count": 4,
        "matched_count": 1,
        "unmatched_count": 3,
        "malformed_capture_count": 0,
        "duplicate_label_count": 0,
        "conflicting_label_count": 0,
        "malformed_label_count": 0,
        "coverage": 0.25,
        "merge_rules": 1,
        "code_version": "1",
        "run_id": "r",
        "merged_at": "now",
        "revision": 1,
    }
    return MergeManifest(**(given | fields))


@pytest.fixture
def files(tmp_path):
    def made(*texts):
        paths = []
        for number, text in enumerate(texts):
            path = tmp_path / f"{number}-{text[:3]}"
            path.write_text(text)
            paths.append(path)
        return paths

    return made


def read(store, there):
    return [b"".join(part.chunks).decode() for part in store.open_parts(there)]


def listed(store):
    return store.list_hours("flights", "AllTraffic", FIVE).get(FIVE, MergedFolder())


def test_parts_are_named_as_sparks_and_read_back_in_order(store, files):
    written = store.write_hour(manifest(), files("one\n", "two\n"), listed(store))
    assert [part.name[:11] for part in written.parts] == ["part-00000-", "part-00001-"]
    assert all(part.name.endswith(".c000.jsonl") for part in written.parts)
    assert store.read_manifest("flights", "AllTraffic", FIVE) == written
    assert read(store, written) == ["one\n", "two\n"]
    assert listed(store).part_names == tuple(part.name for part in written.parts)


def test_a_revision_supersedes_the_parts_before_it_even_with_the_same_content(store, files):
    store.write_hour(manifest(), files("one\n", "two\n"), listed(store))
    first = set(listed(store).part_names)
    again = store.write_hour(manifest(digest="d2", revision=2), files("one\n"), listed(store))
    assert set(listed(store).part_names) == {again.parts[0].name}
    assert again.parts[0].name not in first


def test_who_comes_second_writes_nothing_and_leaves_nothing(store, files):
    before = listed(store)
    first = store.write_hour(manifest(), files("one\n"), before)
    assert store.write_hour(manifest(digest="d2"), files("one\n", "two\n"), before) is None
    assert store.read_manifest("flights", "AllTraffic", FIVE) == first
    assert read(store, first) == ["one\n"]
    assert set(listed(store).part_names) == {first.parts[0].name}


def test_records_that_were_superseded_while_they_were_read_say_so(store, files):
    old = store.write_hour(manifest(), files("one\n"), listed(store))
    store.write_hour(manifest(digest="d2", revision=2), files("two\n"), listed(store))
    with pytest.raises(CaptureError, match="superseded"):
        read(store, old)


def test_a_window_adds_up_its_hours_and_its_digest_changes_with_any(store):
    window = Window(FIVE.start, FIVE.end + 2 * HOUR)
    empty = store.read_window("flights", "AllTraffic", window)
    assert (empty.coverage, empty.captured_count, empty.manifests) == (None, 0, ())
    store.write_hour(manifest(), [], MergedFolder())
    six = FIVE.shifted(HOUR)
    store.write_hour(manifest(six, captured_count=6, matched_count=4), [], MergedFolder())
    found = store.read_window("flights", "AllTraffic", window)
    assert (found.captured_count, found.matched_count, found.coverage) == (10, 5, 0.5)
    assert [item.hour for item in found.manifests] == [FIVE.name, six.name]
    etag = store.list_hours("flights", "AllTraffic", window)[six].manifest_etag
    store.write_hour(manifest(six, digest="d2"), [], MergedFolder(etag))
    assert len({empty.digest, found.digest, store.read_window("flights", "AllTraffic", window).digest}) == 3


def test_a_damaged_manifest_names_itself_and_the_remedy(store, s3):
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}merge.json", Body=b"{}")
    with pytest.raises(DocumentError, match="makes it anew"):
        store.read_manifest("flights", "AllTraffic", FIVE)


def test_a_failure_is_its_runs_own(store):
    store.write_failure("flights", "r1", "no such bucket")
    assert store.read_failure("flights", "r1") == "no such bucket"
    assert store.read_failure("flights", "r2") is None
    store.clear_failure("flights")
    assert store.read_failure("flights", "r1") is None


def test_the_digest_changes_with_captures_labels_and_rules():
    sources = [LabelSource("a", "1"), LabelSource("a", "2")]
    digests = {merge_digest(*given) for given in (("c", [], 1), ("d", [], 1), ("c", [], 2), ("c", sources[:1], 1))}
    assert len(digests | {merge_digest("c", sources[1:], 1)}) == 5


def test_the_manifest_is_json_that_people_can_read(store, s3):
    store.write_hour(manifest(), [], MergedFolder())
    body = s3.get_object(Bucket=BUCKET, Key=f"{FOLDER}merge.json")["Body"].read()
    assert json.loads(body)["label_objects"] == [{"key": "labels/a.jsonl", "etag": '"e"'}]
    assert msgspec.json.decode(body)["coverage"] == 0.25
