"""The bytes of a stored profile: what was counted and what could not be read, around the state."""

import msgspec

from watchkeeper.analysis.bias_profile import BiasProfile
from watchkeeper.analysis.bias_state_file import decode_bias_state, encode_bias_state
from watchkeeper.analysis.capture_profile import CaptureProfile, MalformedLines, MalformedSample
from watchkeeper.analysis.merged_profile import QualityProfile
from watchkeeper.analysis.quality_state_file import decode_quality_state, encode_quality_state
from watchkeeper.analysis.state_file import decode_state, encode_state
from watchkeeper.errors import DocumentError

# Raise this when the meaning of a stored field changes: profiles of another format are rebuilt from captures.
PROFILE_FORMAT = 1
_MAGIC = b"WKPF"


class _Profile(msgspec.Struct):
    line_count: int
    read_count: int
    malformed_count: int
    reasons: dict[str, int]
    samples: list[tuple[str, int, str]]
    state: bytes | None


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_PROFILES = msgspec.msgpack.Decoder(_Profile)


def encode_profile(profile: CaptureProfile) -> bytes:
    """Return ``profile`` as bytes; equal profiles give equal bytes."""
    state = None if profile.state is None else encode_state(profile.state)
    return _encode(profile.line_count, profile.invocation_count, profile.malformed, state)


def decode_profile(data: bytes, source: str = "state") -> CaptureProfile:
    """Return the profile that `encode_profile` wrote.

    Raises
    ------
    DocumentError
        when the bytes are no profile, are damaged, or are of another format version; ``source`` names them.
    """
    body = _decode(data, source)
    state = None if body.state is None else decode_state(body.state, source)
    return CaptureProfile(state, body.line_count, body.read_count, _malformed(body))


def encode_quality_profile(profile: QualityProfile) -> bytes:
    """Return ``profile`` as bytes; equal profiles give equal bytes."""
    state = None if profile.state is None else encode_quality_state(profile.state)
    return _encode(profile.line_count, profile.record_count, profile.malformed, state)


def decode_quality_profile(data: bytes, source: str = "state") -> QualityProfile:
    """Return the profile that `encode_quality_profile` wrote.

    Raises
    ------
    DocumentError
        as `decode_profile` does.
    """
    body = _decode(data, source)
    state = None if body.state is None else decode_quality_state(body.state, source)
    return QualityProfile(state, body.line_count, body.read_count, _malformed(body))


def encode_bias_profile(profile: BiasProfile) -> bytes:
    """Return ``profile`` as bytes; equal profiles give equal bytes."""
    state = None if profile.state is None else encode_bias_state(profile.state)
    return _encode(profile.line_count, profile.record_count, profile.malformed, state)


def decode_bias_profile(data: bytes, source: str = "state") -> BiasProfile:
    """Return the profile that `encode_bias_profile` wrote.

    Raises
    ------
    DocumentError
        as `decode_profile` does.
    """
    body = _decode(data, source)
    state = None if body.state is None else decode_bias_state(body.state, source)
    return BiasProfile(state, body.line_count, body.read_count, _malformed(body))


def _encode(line_count: int, read_count: int, malformed: MalformedLines, state: bytes | None) -> bytes:
    samples = [(sample.file, sample.line, sample.reason) for sample in malformed.samples]
    body = _Profile(line_count, read_count, malformed.count, malformed.reasons, samples, state)
    return _MAGIC + PROFILE_FORMAT.to_bytes(2, "big") + msgspec.msgpack.encode(body)


def _decode(data: bytes, source: str) -> _Profile:
    remedy = "Delete it: it is rebuilt by the next run"
    if data[:4] != _MAGIC:
        raise DocumentError(source, "this is no stored profile", remedy)
    found = int.from_bytes(data[4:6], "big")
    if found != PROFILE_FORMAT:
        raise DocumentError(source, f"profile format {found}, expected {PROFILE_FORMAT}", remedy)
    try:
        return _PROFILES.decode(data[6:])
    except msgspec.MsgspecError as error:
        raise DocumentError(source, f"the profile is damaged ({error})", remedy) from error


def _malformed(body: _Profile) -> MalformedLines:
    samples = tuple(MalformedSample(*sample) for sample in body.samples)
    return MalformedLines(body.malformed_count, body.reasons, samples)
