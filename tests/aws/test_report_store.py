import msgspec
import pytest

from tests.aws.conftest import BUCKET
from tests.aws.result_samples import HOUR, result
from watchkeeper.aws.report_store import ReportStore, StateFacts
from watchkeeper.aws.window_result import verdict_digest

DOCUMENTS = {"statistics.json": b"{1}", "constraints.json": b"{2}", "constraint_violations.json": b"{3}"}
FOLDER = "reports/flights/AllTraffic/flights-data_quality-hourly/2026/11/20/06/"


@pytest.fixture
def store(s3):
    return ReportStore(BUCKET, "wk", s3)


def keys(store):
    return sorted(item.key for item in store.objects.list("reports/"))


def read(store):
    return store.read_result("flights", "AllTraffic", "data_quality", "hourly", HOUR)


def test_a_window_never_analysed_has_no_result(store):
    assert read(store) is None


def test_a_result_comes_back_with_its_documents_at_the_windows_end_hour(store):
    written = store.write_result(result(verdict="violated"), DOCUMENTS, HOUR)
    assert written.revision == 1
    assert read(store) == written
    names = ["constraint_violations.json", "constraints.json", "result.json", "statistics.json"]
    assert keys(store) == [FOLDER + name for name in names[:2]] + [FOLDER + "result.json"] + [
        FOLDER + "rev=1/" + name for name in names
    ] + [FOLDER + "statistics.json"]


def test_the_same_digest_writes_nothing_again(store, s3):
    store.write_result(result(), DOCUMENTS, HOUR)
    before = {item.key: (item.etag, item.last_modified) for item in store.objects.list("")}
    again = store.write_result(result(analysis_seconds=9.0, run_id="another"), DOCUMENTS, HOUR)
    assert again.revision == 1
    assert {item.key: (item.etag, item.last_modified) for item in store.objects.list("")} == before


def test_another_digest_is_a_new_revision_and_old_violations_stop_being_said(store):
    store.write_result(result(verdict="violated"), DOCUMENTS, HOUR)
    quiet = {name: body for name, body in DOCUMENTS.items() if name != "constraint_violations.json"}
    second = store.write_result(result(digest="e" * 32), quiet, HOUR)
    assert second.revision == 2
    assert read(store).verdict == "ok"
    assert FOLDER + "constraint_violations.json" not in keys(store)
    assert FOLDER + "rev=1/constraint_violations.json" in keys(store)
    assert FOLDER + "rev=2/result.json" in keys(store)


def test_a_killed_run_is_taken_up_where_it_died(store):
    store.objects.write(FOLDER + "rev=1/statistics.json", DOCUMENTS["statistics.json"])
    assert store.write_result(result(), DOCUMENTS, HOUR).revision == 1


def test_another_runs_leftovers_are_not_overwritten(store):
    store.objects.write(FOLDER + "rev=1/statistics.json", b"of another run")
    assert store.write_result(result(), DOCUMENTS, HOUR).revision == 2
    assert store.objects.read(FOLDER + "rev=1/statistics.json").body == b"of another run"


def test_two_runs_at_once_each_keep_their_revision(store, s3):
    """A rival writes its result between this run's read and write: this one comes after it, nothing is lost."""
    put = s3.put_object
    rival = []

    def put_after_a_rival(**request):
        if request["Key"].endswith("06/result.json") and not rival:
            rival.append(True)
            ReportStore(BUCKET, "wk", s3).write_result(
                result(digest="r" * 32, verdict="violated"), {"statistics.json": b"rival"}, HOUR
            )
        return put(**request)

    s3.put_object = put_after_a_rival
    written = store.write_result(result(), DOCUMENTS, HOUR)
    assert read(store) == written
    assert written.revision == 3
    digests = {
        number: msgspec.json.decode(store.objects.read(f"{FOLDER}rev={number}/result.json").body)["digest"]
        for number in (1, 2, 3)
    }
    assert digests == {1: "d" * 32, 2: "r" * 32, 3: "d" * 32}


def test_a_writer_that_knows_an_old_state_still_comes_after_the_newest(store):
    known = store.read_newest(FOLDER)
    store.write_result(result(digest="r" * 32), {}, HOUR)
    assert store.write_result(result(), DOCUMENTS, HOUR, known).revision == 2


def test_what_could_not_be_judged_never_replaces_what_was(store):
    store.write_result(result(), DOCUMENTS, HOUR)
    failed = result(verdict="failed", reason="AWS was down", could_not_judge=True, digest="f" * 32)
    assert store.write_result(failed, {}, HOUR).verdict == "ok"
    assert read(store).verdict == "ok"


def test_a_failure_is_replaced_by_a_judgement(store):
    store.write_result(result(verdict="failed", could_not_judge=True, digest="f" * 32), {}, HOUR)
    assert store.write_result(result(), DOCUMENTS, HOUR).revision == 2
    assert read(store).verdict == "ok"


def test_a_state_comes_back_with_what_it_was_made_from(store):
    facts = StateFacts("c" * 32, "0.1.0", "s", row_count=10, captured_count=8, malformed_count=1, line_count=9)
    assert store.read_state("flights", "AllTraffic", "data_quality", HOUR) is None
    store.write_state("flights", "AllTraffic", "data_quality", HOUR, b"state", facts)
    assert store.read_state("flights", "AllTraffic", "data_quality", HOUR) == (b"state", facts)
    assert store.objects.read("states/flights/AllTraffic/data_quality/2026/11/20/05.state") is not None


def test_every_input_of_a_verdict_changes_its_digest():
    inputs = {"capture_digest": "c", "baseline_version": "b", "spec_digest": "s", "code_version": "1"}
    digests = {verdict_digest(**inputs)}
    for name in [*inputs, "traffic", "failure"]:
        digests.add(verdict_digest(**(inputs | {name: "other"})))
    assert len(digests) == 7
