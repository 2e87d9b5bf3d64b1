"""The join equals a brute-force join, however captures and labels are cut, parted and ordered."""

import gzip
import json
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import few, quick
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.ground_truth_join import HourCaptures, join_labels
from watchkeeper.analysis.ground_truth_labels import LabelFile
from watchkeeper.analysis.key_spill import PART_BYTES, KeySpill, key_hashes, part_count

COLLECTED = datetime(2026, 11, 20, 5, tzinfo=UTC)
IDS = st.sampled_from(["a", "b", "c", "é\n", '"\\', "0"])


def captured(event_id, inference_id=None, text="1,2", **extra):
    metadata = {"eventId": event_id, "inferenceTime": "2026-11-20T05:00:00Z"}
    if inference_id is not None:
        metadata["inferenceId"] = inference_id
    side = {"observedContentType": "text/csv", "mode": "INPUT", "data": text, "encoding": "CSV"}
    return {"captureData": {"endpointInput": side}, "eventMetadata": metadata, "eventVersion": "0", **extra}


def label(event_id, data="1", moment=None, encoding="CSV"):
    metadata = {"eventId": event_id} | ({"eventTime": moment} if moment else {})
    ground_truth = {"data": data, "encoding": encoding}
    return {"groundTruthData": ground_truth, "eventMetadata": metadata, "eventVersion": "0"}


def text_of(records):
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


def join(hours, label_objects, *, parts=None, waiting_bytes=1 << 20, collected=None):
    """Return the merged records of each hour as bytes, and the counts."""
    written = [b""] * len(hours)

    def write(place, block):
        written[place] += block

    with tempfile.TemporaryDirectory() as folder:
        counts = join_labels(
            [
                HourCaptures(str(number), [CaptureFile(f"c{place}", [body]) for place, body in enumerate(files)])
                for number, files in enumerate(hours)
            ],
            [
                LabelFile(f"l{place}", (collected or [COLLECTED] * len(label_objects))[place], [body])
                for place, body in enumerate(label_objects)
            ],
            write,
            folder=Path(folder),
            total_bytes=0,
            parts=parts,
            waiting_bytes=waiting_bytes,
        )
    return written, counts


def brute_force(hours, labels):
    """Return what the rules say, in the plainest way: merged records per hour, in any order."""
    chosen = {}
    for _, _, item in sorted(labels, key=lambda found: found[:2]):
        chosen[item["eventMetadata"]["eventId"]] = item["groundTruthData"]
    merged = []
    for records in hours:
        keys = [
            (record["eventMetadata"].get("inferenceId") or record["eventMetadata"]["eventId"]) for record in records
        ]
        merged.append(
            [
                record | {"groundTruthData": chosen[key]}
                for key, record in zip(keys, records, strict=True)
                if key in chosen
            ]
        )
    return merged


def plain(records):
    return sorted(json.dumps(record, sort_keys=True) for record in records)


@quick
@given(data=st.data())
def test_it_is_the_brute_force_join_under_any_split_and_order(data):
    hours = data.draw(
        st.lists(st.lists(st.builds(captured, IDS, st.none() | IDS, st.text(max_size=3)), max_size=8), max_size=3)
    )
    moments = st.none() | st.sampled_from(["2026-11-20T04:00:00Z", "2026-11-20T06:00:00+00:00", "not a time"])
    labels = data.draw(st.lists(st.builds(label, IDS, st.sampled_from(["0", "1", "x"]), moments), max_size=12))
    ends = sorted(data.draw(st.lists(st.integers(0, len(labels)), max_size=3)))
    cuts = [0, *ends, len(labels)]
    objects = [labels[start:end] for start, end in pairwise(cuts)]
    collected = [COLLECTED + timedelta(hours=number) for number in range(len(objects))]
    timed = []
    for number, group in enumerate(objects):
        for item in group:
            text = item["eventMetadata"].get("eventTime")
            moment = datetime.fromisoformat(text) if text and text != "not a time" else collected[number]
            timed.append((moment, len(timed), item))
    expected = brute_force(hours, timed)
    results = []
    for parts in (1, data.draw(st.sampled_from([2, 8, 64]))):
        cut = data.draw(st.integers(0, 3))
        files = [[text_of(records[:cut]), gzip.compress(text_of(records[cut:]))] for records in hours]
        bodies = [text_of(group) for group in objects]
        waiting = data.draw(st.sampled_from([0, 200, 1 << 20]))
        results.append(join(files, bodies, parts=parts, waiting_bytes=waiting, collected=collected))
    written, counts = results[0]
    assert results[1] == results[0]
    for block, records, count, hour in zip(written, expected, counts, hours, strict=True):
        assert plain(map(json.loads, block.splitlines())) == plain(records)
        assert (count.captured_count, count.matched_count) == (len(hour), len(records))
        assert count.unmatched_count == len(hour) - len(records)
        keys = {
            (record["eventMetadata"].get("inferenceId") or record["eventMetadata"]["eventId"]) for record in records
        }
        values = {key: [item["groundTruthData"]["data"] for *_, item in timed if _key(item) == key] for key in keys}
        assert count.duplicate_label_count == sum(len(found) - len(set(found)) for found in values.values())
        assert count.conflicting_label_count == sum(len(set(found)) > 1 for found in values.values())


def _key(item):
    return item["eventMetadata"]["eventId"]


def test_the_last_by_event_time_wins_then_the_last_as_it_came():
    early, late = "2026-11-20T01:00:00Z", "2026-11-20T09:00:00Z"
    labels = [label("a", "late", late), label("a", "early", early), label("b", "first"), label("b", "second")]
    (block,), (counts,) = join([[text_of([captured("a"), captured("b")])]], [text_of(labels)])
    found = {item["eventMetadata"]["eventId"]: item["groundTruthData"]["data"] for item in _read(block)}
    assert found == {"a": "late", "b": "second"}
    assert (counts.duplicate_label_count, counts.conflicting_label_count) == (0, 2)


def _read(block):
    return [json.loads(line) for line in block.splitlines()]


def test_an_hour_is_written_the_same_whichever_hours_are_joined_with_it():
    hours = [[text_of([captured(f"{hour}-{number}") for number in range(50)])] for hour in range(3)]
    labels = [text_of([label(f"{hour}-{number}") for hour in range(3) for number in range(0, 50, 2)])]
    together, _ = join(hours, labels, parts=8)
    alone, _ = join(hours[1:2], labels, parts=2)
    assert together[1] == alone[0]


def test_a_merged_record_is_compact_ordered_at_every_level_and_keeps_what_it_does_not_know():
    record = captured("a", text='{"b": 1.50, "a": "é"}\n')
    record["captureData"]["endpointInput"] |= {"zeta": {"b": 1, "a": 2}}
    item = label("a", '{"label": 0}', encoding="JSON")
    item["groundTruthData"] |= {"note": {"y": 1, "x": 2}}
    (block,), _ = join([[text_of([record])]], [text_of([item])])
    assert block.decode() == (
        '{"captureData":{"endpointInput":{"data":"{\\"b\\": 1.50, \\"a\\": \\"é\\"}\\n","encoding":"CSV",'
        '"mode":"INPUT","observedContentType":"text/csv","zeta":{"a":2,"b":1}}},"eventMetadata":{"eventId":"a","inferenceTime":'
        '"2026-11-20T05:00:00Z"},"eventVersion":"0","groundTruthData":{"data":"{\\"label\\": 0}","encoding":"JSON",'
        '"note":{"x":2,"y":1}}}\n'
    )


def test_lines_that_cannot_be_read_are_counted_and_left_out():
    bad = [
        b"no json",
        b"[1]",
        b'{"captureData":{},"eventMetadata":{}}',
        b'{"captureData":1,"eventMetadata":2}',
        b"\xff",
    ]
    body = b"\n".join([*bad, b"", text_of([captured("a")])])
    damaged = gzip.compress(text_of([captured("b")]))[:-9]
    (block,), (counts,) = join([[body, damaged]], [b"what\n" + text_of([label("a")])])
    assert [item["eventMetadata"]["eventId"] for item in _read(block)] == ["a"]
    assert (counts.captured_count, counts.malformed_count) == (2, 6)


def test_parts_are_chosen_by_weight():
    assert [part_count(size) for size in (0, PART_BYTES, PART_BYTES + 1, 1 << 60)] == [1, 1, 2, 256]


@few
@given(st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=30), st.sampled_from([1, 4]))
def test_a_part_that_is_too_large_to_be_read_at_once_gives_the_same_lines(items, parts):
    lines = [f"{key.encode()!r} {number}".encode() for number, (key, _) in enumerate(items)]
    found = []
    for waiting, whole in ((1 << 20, PART_BYTES), (0, 0)):
        with tempfile.TemporaryDirectory() as folder:
            spill = KeySpill(Path(folder) / "s", parts, waiting_bytes=waiting, whole_bytes=whole)
            for (key, tag), line in zip(items, lines, strict=True):
                spill.add(key_hashes([key]), [line], tag)
            blocks = [list(zip(*block, strict=True)) for part in range(parts) for block in spill.sorted_blocks(part)]
            found.append([item for block in blocks for item in block])
    assert found[0] == found[1]
    assert sorted(found[0]) == sorted(zip(lines, [tag for _, tag in items], strict=True))
