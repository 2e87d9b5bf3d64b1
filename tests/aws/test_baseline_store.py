from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.aws.baseline_store import BaselineManifest, BaselineStore
from watchkeeper.errors import BaselineMissingError, StoreError
from watchkeeper.registry.capture_window import Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MANIFEST = BaselineManifest(
    endpoint="flights",
    monitor="data_quality",
    source="s3://b/train.csv",
    row_count=5,
    code_version="0.1.0",
    dialect="exact",
)


@pytest.fixture
def store(s3):
    return BaselineStore(BUCKET, "wk", s3)


def publish(store, text, when):
    return store.publish(MANIFEST, {"statistics.json": text, "constraints.json": text}, when)


def test_no_baseline_names_the_command_that_makes_one(store):
    with pytest.raises(BaselineMissingError, match=r"airflow dags trigger baseline --conf '\{\"endpoints\"") as caught:
        store.choose("flights", "data_quality", None)
    assert "flights" in caught.value.subject
    assert not store.has_any("flights", "data_quality")


def test_a_version_keeps_documents_and_manifest(store):
    manifest, new = publish(store, b"1", NOON)
    assert new
    assert manifest.version.startswith("20261120T120000Z-")
    assert store.manifest("flights", "data_quality", manifest.version) == manifest
    assert store.document("flights", "data_quality", manifest.version, "statistics.json") == b"1"
    assert store.has_any("flights", "data_quality")


def test_the_same_content_is_no_new_version(store):
    first, _ = publish(store, b"1", NOON)
    again, new = publish(store, b"1", NOON + timedelta(hours=1))
    assert (again, new) == (first, False)


def test_a_replay_uses_the_version_that_was_in_force(store):
    first, _ = publish(store, b"1", NOON)
    second, _ = publish(store, b"2", NOON + timedelta(hours=2))

    def at(hour):
        return Window.hour_of(NOON + timedelta(hours=hour))

    assert store.choose("flights", "data_quality", at(0)).version == first.version
    assert store.choose("flights", "data_quality", at(1)).version == second.version
    assert store.choose("flights", "data_quality", None).version == second.version
    early = store.choose("flights", "data_quality", at(-30))
    assert early.version == first.version
    assert "after this window" in early.note
    assert store.choose("flights", "data_quality", at(0)).note is None


def test_an_earlier_version_is_in_force_again_from_now_on(store):
    first, _ = publish(store, b"1", NOON)
    second, _ = publish(store, b"2", NOON + timedelta(hours=2))

    def back(hour):
        return store.use("flights", "data_quality", first.version, NOON + timedelta(hours=hour))

    assert back(4) == (first, True)
    pointer = store.pointer("flights", "data_quality")
    assert back(5) == (first, False)
    assert store.pointer("flights", "data_quality") == pointer
    chosen = [
        store.choose("flights", "data_quality", window).version
        for window in (None, Window.hour_of(NOON + timedelta(hours=2)), Window.hour_of(NOON + timedelta(hours=3)))
    ]
    assert chosen == [first.version, second.version, first.version]


def test_what_was_rolled_away_can_be_published_again(store):
    first, _ = publish(store, b"1", NOON)
    publish(store, b"2", NOON + timedelta(hours=2))
    store.use("flights", "data_quality", first.version, NOON + timedelta(hours=4))
    assert publish(store, b"1", NOON + timedelta(hours=5)) == (first, False)
    again, new = publish(store, b"2", NOON + timedelta(hours=6))
    assert new
    assert store.choose("flights", "data_quality", None).version == again.version


def test_the_digest_that_counts_is_that_of_the_version_in_force(store):
    first, _ = publish(store, b"1", NOON)
    publish(store, b"2", NOON + timedelta(hours=2))
    edited = msgspec.structs.replace(store.pointer("flights", "data_quality"), current=first.version)
    store.objects.write("baselines/flights/data_quality/current.json", msgspec.json.encode(edited))
    again, new = publish(store, b"2", NOON + timedelta(hours=4))
    assert new
    assert store.choose("flights", "data_quality", None).version == again.version


def test_a_version_that_never_was_cannot_be_used(store):
    first, _ = publish(store, b"1", NOON)
    with pytest.raises(BaselineMissingError, match=rf"no version v9 was ever in force. The newest are {first.version}"):
        store.use("flights", "data_quality", "v9", NOON)
    with pytest.raises(BaselineMissingError, match="no baseline yet"):
        store.use("other", "data_quality", first.version, NOON)


def test_two_writers_at_once_both_stay_in_the_history(store, s3):
    """The second writer moves the pointer between the first one's read and write."""
    publish(store, b"1", NOON)
    put = s3.put_object
    rival = []

    def put_after_a_rival(**request):
        if request["Key"].endswith("current.json") and not rival:
            rival.append(True)
            publish(BaselineStore(BUCKET, "wk", s3), b"rival", NOON + timedelta(minutes=1))
        return put(**request)

    s3.put_object = put_after_a_rival
    publish(store, b"2", NOON + timedelta(minutes=2))
    pointer = msgspec.json.decode(store.objects.read("baselines/flights/data_quality/current.json").body)
    assert [entry["since"][11:16] for entry in pointer["history"]] == ["12:00", "12:01", "12:02"]
    assert pointer["current"] == pointer["history"][-1]["version"]


def test_a_version_whose_document_is_gone_says_so(store):
    manifest, _ = publish(store, b"1", NOON)
    store.objects.delete(f"baselines/flights/data_quality/{manifest.version}/statistics.json")
    with pytest.raises(StoreError, match=r"statistics\.json: a baseline names this object"):
        store.document("flights", "data_quality", manifest.version, "statistics.json")
