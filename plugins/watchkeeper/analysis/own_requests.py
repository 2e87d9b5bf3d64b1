"""Requests that Watchkeeper itself sends to models, told by their inference id; they are not the model's traffic."""

from collections.abc import Iterator

import msgspec

from watchkeeper.analysis.line_blocks import LineBlocks

#: Every request of ours has an inference id that begins so, and no other request may.
OWN_PREFIX = "watchkeeper-"
#: SageMaker's limit for inference ids.
_ID_LIMIT = 64
# Compact or not, in a payload's text or not: a block without this holds none of ours, and most blocks do not.
_MARK = f'"{OWN_PREFIX}'.encode()


class _Metadata(msgspec.Struct, gc=False):
    inferenceId: str | None = None  # noqa: N815 - the format's name


class _Record(msgspec.Struct, gc=False):
    eventMetadata: _Metadata  # noqa: N815


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_records = msgspec.json.Decoder(_Record)


def own_inference_id(purpose: str, digest: str, number: int) -> str:
    """Return the inference id of a request of ours: what it is for, which run sends it, and its number there.

    Raises
    ------
    ValueError
        when it would be longer than SageMaker takes (64 characters).
    """
    text = f"{OWN_PREFIX}{purpose}-{digest}-{number}"
    if len(text) > _ID_LIMIT:
        message = f"an inference id of {len(text)} characters, where SageMaker takes {_ID_LIMIT}; shorten the purpose"
        raise ValueError(message)
    return text


def is_own(inference_id: str | None) -> bool:
    """Return whether a request with this inference id was sent by Watchkeeper."""
    return inference_id is not None and inference_id.startswith(OWN_PREFIX)


def without_own(block: bytes) -> bytes:
    """Return lines of capture or merged records with ours blanked: line numbers stay, and readers skip blank lines."""
    if _MARK not in block:
        return block
    return b"\n".join(b"" if _MARK in line and _is_own_line(line) else line for line in block.split(b"\n"))


def _is_own_line(line: bytes) -> bool:
    try:
        return is_own(_records.decode(line).eventMetadata.inferenceId)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # whoever reads it says what is wrong with it


class CaptureBlocks(LineBlocks):
    """Blocks of captured or merged lines, those of our own requests blanked."""

    def __iter__(self) -> Iterator[bytes]:
        return map(without_own, super().__iter__())
