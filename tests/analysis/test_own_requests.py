"""Every reader of captured or merged lines says the same with our own requests among them as without."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.quality_samples import merged_line
from tests.analysis.strategies import quick
from tests.analysis.test_ground_truth_join import captured, join, label, text_of
from tests.analysis.test_training_table import SCHEMA, line
from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.key_index import index_captures
from watchkeeper.analysis.merged_profile import profile_merged
from watchkeeper.analysis.own_requests import CaptureBlocks, is_own, own_inference_id, without_own
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_state_file import encode_quality_state
from watchkeeper.analysis.state_file import encode_state
from watchkeeper.analysis.training_table import read_labelled

ATTRIBUTES = QualityAttributes(ProblemType.BINARY, "1", "0", None)
OWN = own_inference_id("attribution", "0123456789abcdef", 7)


def own(text: bytes, inference_id: str = OWN) -> bytes:
    """Return a captured or merged line as one of ours."""
    record = json.loads(text)
    record["eventMetadata"] = {"eventId": "own", "inferenceId": inference_id, "inferenceTime": "2026-11-20T05:00:00Z"}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def capture(text: str, answer: str | None = "0.5\n", inference_id: str | None = None, encoding: str = "CSV") -> bytes:
    record = captured("e" + text, inference_id, text)
    record["captureData"]["endpointInput"]["encoding"] = encoding
    if answer is not None:
        output = {"observedContentType": "text/csv", "mode": "OUTPUT", "data": answer, "encoding": encoding}
        record["captureData"]["endpointOutput"] = output
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


LINES = st.lists(
    st.sampled_from(
        [
            capture("1,2"),
            capture('"3",4'),
            capture("5,6", None),
            capture("1,2,3"),
            capture('{"a":"watchkeeper-x","b":2}', '{"c":1}', encoding="JSON"),
            capture("7,8", inference_id="a"),
            capture("9,10", inference_id="the-watchkeeper-1"),
            b'{"eventMetadata":{"inferenceId":"watchkeeper-',
            b"not JSON\n",
            b"\n",
        ]
    ).map(lambda text: text if text.endswith(b"\n") else text + b"\n"),
    max_size=12,
)


@st.composite
def with_ours(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return lines of a file, and the same with some of ours in between, blank lines in their places."""
    lines = draw(LINES)
    mixed, blanked = [], []
    for text in lines:
        ours = draw(st.integers(0, 2))
        mixed += [own(capture("900,900"))] * ours + [text]
        blanked += [b"\n"] * ours + [text]
    ours = draw(st.integers(0, 2))
    return b"".join(mixed + [own(capture("900", None))] * ours), b"".join(blanked + [b"\n"] * ours)


def said(profile: CaptureProfile) -> tuple[object, ...]:
    state = None if profile.state is None else encode_state(profile.state)
    return state, profile.line_count, profile.invocation_count, profile.malformed


@quick
@given(with_ours(), st.sampled_from([1, 300, 8 << 20]))
def test_the_profile_of_captures_has_no_row_of_ours_and_no_other_line_number(bodies, block_bytes):
    # A block ends with a chunk, so that short ones make short blocks.
    def profile(body: bytes) -> CaptureProfile:
        chunks = [body[start : start + 97] for start in range(0, len(body), 97)]
        return profile_capture([CaptureFile("c", chunks)], block_bytes=block_bytes)

    mixed, blanked = bodies
    assert said(profile(mixed)) == said(profile(blanked))


@quick
@given(with_ours())
def test_neither_index_nor_join_knows_a_request_of_ours(bodies):
    mixed, blanked = bodies
    found, expected = (index_captures([CaptureFile("c", [body])]) for body in bodies)
    assert found.hashes.tolist() == expected.hashes.tolist()
    assert (found.captured_count, found.malformed) == (expected.captured_count, expected.malformed)
    labels = [text_of([label("a"), label("e1,2"), label(OWN)])]
    assert join([[mixed]], labels) == join([[blanked]], labels)


def test_hours_of_nothing_but_ours_were_not_captured():
    body = own(capture("1,2")) * 3
    assert said(profile_capture([CaptureFile("c", [body])])) == said(profile_capture([]))
    assert index_captures([CaptureFile("c", [body])]).captured_count == 0


def test_merged_readers_leave_ours_out():
    merged = [merged_line("0.9,1", "1"), merged_line("0.2,0", "1"), merged_line('"0.2","0"', "1"), b"broken\n"]
    ours = own(merged_line("0.9,0,5", "1"))
    found, expected = (
        profile_merged([CaptureFile("m", [b"".join(lines)])], ATTRIBUTES)
        for lines in ([ours, merged[0], ours, *merged[1:], ours], [b"\n", merged[0], b"\n", *merged[1:], b"\n"])
    )
    assert found.state is not None
    assert expected.state is not None
    assert encode_quality_state(found.state) == encode_quality_state(expected.state)
    assert (found.line_count, found.record_count) == (expected.line_count, expected.record_count) == (4, 3)
    assert found.malformed == expected.malformed


def test_training_tables_have_no_row_of_ours():
    lines = [line(event="e1"), line("BB,7", event="e2"), line(request=None)]
    ours = [own(line("900,900")), own(line(request=None)), own(line(label=None))]
    assert read_labelled([*ours, *lines], SCHEMA) == read_labelled(lines, SCHEMA)


def test_a_block_without_ours_is_the_very_same_bytes():
    block = capture("1,2") + capture("3,4")
    assert without_own(block) is block
    assert without_own(block + own(block.split(b"\n")[0]) + b"tail") == block + b"\ntail"
    assert list(CaptureBlocks([own(capture("1,2")) + block])) == [b"\n" + block]


def test_only_the_metadata_tells_ours():
    payload = capture('{"inferenceId":"watchkeeper-bias-1-1"}', encoding="JSON")
    custom = captured("e") | {"customAttributes": ["watchkeeper-a-1-1"]}
    for text in (payload, text_of([custom]), own(capture("1,2"), "mine-watchkeeper-1")):
        assert without_own(text) == text
    spaced = json.dumps(json.loads(own(capture("1,2")))).encode() + b"\n"
    assert b'"inferenceId": "watchkeeper-' in spaced
    assert without_own(spaced) == b"\n"


def test_the_id_of_a_request_of_ours():
    assert OWN == "watchkeeper-attribution-0123456789abcdef-7"
    assert is_own(OWN)
    assert not is_own(None)
    with pytest.raises(ValueError, match="68 characters, where SageMaker takes 64"):
        own_inference_id("a" * 37, "0123456789abcdef", 1)
