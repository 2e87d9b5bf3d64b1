"""What was counted and what could not be read is kept with the state."""

import pytest

from tests.analysis.capture_samples import capture_line, profile_lines
from watchkeeper.analysis.capture_profile import SAMPLE_LIMIT
from watchkeeper.analysis.profile_file import PROFILE_FORMAT, decode_profile, encode_profile
from watchkeeper.errors import DocumentError

LINES = [capture_line("0.5", "1,2"), b"no JSON\n", capture_line("0.5", "1,2,3"), *[capture_line("0.1", "3,4")] * 5]


def test_reasons_and_samples_of_malformed_lines_survive():
    profile = profile_lines([*LINES, *[b"{}\n"] * (SAMPLE_LIMIT + 5)])
    again = decode_profile(encode_profile(profile))
    assert again.malformed == profile.malformed
    assert len(again.malformed.samples) == SAMPLE_LIMIT
    assert (again.row_count, again.line_count, again.invocation_count) == (6, 33, 6)
    assert encode_profile(again) == encode_profile(profile)


def test_a_window_of_malformed_lines_alone_is_kept_too():
    profile = profile_lines([b"no JSON\n"])
    again = decode_profile(encode_profile(profile))
    assert again.state is None
    assert again.malformed.reasons == profile.malformed.reasons


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: b"", "no stored profile"),
        (lambda data: b"WKST" + data[4:], "no stored profile"),
        (lambda data: data[:4] + (PROFILE_FORMAT + 1).to_bytes(2, "big") + data[6:], f"expected {PROFILE_FORMAT}"),
        (lambda data: data[:-9], "damaged"),
    ],
)
def test_what_cannot_be_read_says_so_and_what_to_do(damage, told):
    with pytest.raises(DocumentError, match=told) as caught:
        decode_profile(damage(encode_profile(profile_lines(LINES))), "05.state")
    assert "05.state" in str(caught.value)
    assert "rebuilt by the next run" in str(caught.value)
