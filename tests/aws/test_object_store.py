import pytest
from botocore.stub import Stubber

from tests.aws.conftest import BUCKET
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import PermissionMissingError, StoreError


@pytest.fixture
def store(s3):
    return ObjectStore(BUCKET, "/wk/", s3)


def test_what_is_written_is_read_with_its_metadata(store):
    assert store.write("a/b.json", b"{}", metadata={"row-count": "3"})
    stored = store.read("a/b.json")
    assert (stored.body, dict(stored.metadata)) == (b"{}", {"row-count": "3"})
    assert store.metadata("a/b.json") == {"row-count": "3"}
    assert store.uri("a/b.json") == f"s3://{BUCKET}/wk/a/b.json"


def test_nothing_there_is_none_and_deleting_it_no_fault(store):
    assert store.read("missing") is None
    assert store.metadata("missing") is None
    store.delete("missing")


def test_only_the_first_of_two_writers_wins_an_absent_key(store):
    assert store.write("k", b"1", only_if_absent=True)
    assert not store.write("k", b"2", only_if_absent=True)
    assert store.read("k").body == b"1"


def test_a_write_on_a_stale_etag_does_nothing(store):
    store.write("k", b"1")
    etag = store.read("k").etag
    assert store.write("k", b"2", only_if_etag=etag)
    assert not store.write("k", b"3", only_if_etag=etag)
    assert store.read("k").body == b"2"


def test_a_write_on_the_etag_of_a_vanished_object_does_nothing(store):
    store.write("k", b"1")
    etag = store.read("k").etag
    store.delete("k")
    assert not store.write("k", b"2", only_if_etag=etag)


@pytest.mark.parametrize(("prefix", "count"), [("", 3), ("a/b", 3), ("wk", 1002)])
def test_a_listing_gives_keys_below_the_prefix_in_order_over_pages(s3, prefix, count):
    store = ObjectStore(BUCKET, prefix, s3)
    for number in range(count):
        s3.put_object(Bucket=BUCKET, Key=store.full_key(f"many/{number:05d}"), Body=b"")
    assert [item.key for item in store.list("many/")] == [f"many/{number:05d}" for number in range(count)]


def test_a_missing_bucket_is_told_with_the_setting_to_correct(s3):
    store = ObjectStore("no-such-bucket", "", s3)
    for act in (lambda: store.read("k"), lambda: store.write("k", b""), lambda: list(store.list("k"))):
        with pytest.raises(StoreError, match=r"bucket does not exist.*WATCHKEEPER_BUCKET"):
            act()


@pytest.mark.parametrize(
    ("operation", "act", "needed"),
    [
        ("get_object", lambda store: store.read("k"), f"s3:GetObject on s3://{BUCKET}/wk/k"),
        ("head_object", lambda store: store.metadata("k"), f"s3:GetObject on s3://{BUCKET}/wk/k"),
        ("put_object", lambda store: store.write("k", b""), f"s3:PutObject on s3://{BUCKET}/wk/k"),
        ("delete_object", lambda store: store.delete("k"), f"s3:DeleteObject on s3://{BUCKET}/wk/k"),
        ("list_objects_v2", lambda store: list(store.list("k")), f"s3:ListBucket on s3://{BUCKET}"),
    ],
)
def test_a_refusal_names_action_and_resource(store, operation, act, needed):
    code = "403" if operation == "head_object" else "AccessDenied"
    with Stubber(store.client) as stub:
        stub.add_client_error(operation, code, http_status_code=403)
        with pytest.raises(PermissionMissingError) as caught:
            act(store)
    assert caught.value.subject == needed
    assert f"Allow {needed}" in str(caught.value)


def test_objects_that_are_put_together_meanwhile_are_listed_again(store):
    for name in "ab":
        store.write(f"parts/{name}", name.encode())
    listings = []

    def keys():
        found = [item.key for item in store.list("parts/")]
        if not listings:
            # Somebody writes the whole and deletes the parts, after they were listed.
            store.write("parts/whole", b"ab")
            for key in found:
                store.delete(key)
        listings.append(found)
        return found

    assert store.read_listed(keys) == [b"ab"]
    assert listings == [["parts/a", "parts/b"], ["parts/whole"]]


def test_folders_are_told_apart_from_what_lies_deeper(store):
    for key in ("x/a/1", "x/a/2/3", "x/b/4", "x/5"):
        store.write(key, b"")
    assert list(store.folders("x/")) == ["x/a/", "x/b/"]
