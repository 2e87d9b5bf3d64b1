import json
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from tests.analysis.test_ground_truth_join import captured, label, text_of
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.ground_truth_labels import LabelFile, LabelReader
from watchkeeper.analysis.key_index import (
    are_among,
    decode_hashes,
    distinct_hashes,
    encode_hashes,
    index_captures,
    index_labels,
)
from watchkeeper.analysis.key_spill import key_hashes
from watchkeeper.analysis.merged_parts import MergedParts

COLLECTED = datetime(2026, 11, 20, 5, tzinfo=UTC)
HASHES = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5)).map(lambda found: np.array(found, np.uint64))


def label_file(body):
    return LabelFile("labels.jsonl", COLLECTED, [body])


@quick
@given(HASHES, HASHES)
def test_membership_is_that_of_sets_and_hashes_survive_the_file(wanted, known):
    ordered = distinct_hashes([known])
    assert are_among(wanted, ordered).tolist() == [value in set(known.tolist()) for value in wanted.tolist()]
    assert np.array_equal(decode_hashes(encode_hashes(ordered)), ordered)


def test_captures_are_indexed_by_what_they_are_joined_by():
    body = text_of([captured("a"), captured("b", "x"), captured("c", "x")]) + b"not json\n"
    keys = index_captures([CaptureFile("c.jsonl", [body])])
    assert (keys.captured_count, keys.malformed.count) == (3, 1)
    assert keys.hashes.tolist() == sorted(key_hashes(["a", "x"]).tolist())
    (sample,) = keys.malformed.samples
    assert (sample.file, sample.line, sample.reason) == ("c.jsonl", 4, "not JSON")


def test_malformed_labels_are_counted_and_sampled_without_their_payload():
    nameless = label("a")
    del nameless["eventMetadata"]["eventId"]
    number, odd = label("a", data=1), label("a", encoding="XML")
    lines = [label("a"), label("a"), nameless, number, odd, {"x": "secret"}, [1]]
    keys = index_labels(label_file(text_of(lines) + b'secret\n{"x":"\xff"}\n\n'))
    assert (keys.label_count, keys.malformed.count, len(keys.hashes)) == (2, 7, 1)
    assert dict(keys.malformed.reasons) == {
        "no eventMetadata.eventId": 1,
        "groundTruthData.data is not text": 1,
        "groundTruthData.encoding is none of CSV, JSON, BASE64": 1,
        "JSON, but not a label record": 2,
        "not JSON": 1,
        "not UTF-8": 1,
    }
    assert [sample.line for sample in keys.malformed.samples] == [3, 4, 5, 6, 7, 8, 9]
    assert "secret" not in json.dumps([vars(sample) for sample in keys.malformed.samples])


def test_a_label_without_an_encoding_is_csv():
    item = label("a")
    del item["groundTruthData"]["encoding"]
    (block,) = LabelReader().read(label_file(text_of([item])))
    assert block.ground_truths == [b'{"data":"1","encoding":"CSV"}']


def test_no_labels_are_an_empty_index():
    keys = index_labels(label_file(b""))
    assert (keys.label_count, keys.malformed.count, keys.hashes.tolist()) == (0, 0, [])


@quick
@given(st.lists(st.integers(1, 12), max_size=20), st.integers(1, 30), st.integers(1, 5))
def test_parts_do_not_depend_on_the_blocks_that_lines_come_in(tmp_path_factory, lengths, part_bytes, step):
    lines = [b"x" * (length - 1) + b"\n" for length in lengths]
    found = []
    for size in (1, step):
        parts = MergedParts(tmp_path_factory.mktemp("parts") / "p", part_bytes)
        for start in range(0, len(lines), size):
            parts.write(b"".join(lines[start : start + size]))
        found.append([path.read_bytes() for path in parts.paths])
    assert found[0] == found[1]
    assert b"".join(found[0]) == b"".join(lines)
    assert all(len(part) <= part_bytes or part.count(b"\n") == 1 for part in found[0])
