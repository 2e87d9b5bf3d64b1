"""Model Monitor's merged record: a captured line and its label, keys in alphabetical order at every level.

``groundTruthData`` comes last in that order, so a captured line is put in order once and its label appended to it.
Payloads are texts within the record and stay as they are.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

Text = str | msgspec.UnsetType


class OrderedPayload(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One side's payload, its fields in the merged record's order."""

    data: str
    encoding: str
    mode: Text = msgspec.UNSET
    observedContentType: Text = msgspec.UNSET  # noqa: N815 - the format's name


class OrderedCapture(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``captureData``: either side may be absent; batch transform has one of its own."""

    batchTransformOutput: OrderedPayload | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    endpointInput: OrderedPayload | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    endpointOutput: OrderedPayload | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class OrderedMetadata(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``eventMetadata`` of a captured line."""

    customAttributes: list[str] | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    eventId: Text = msgspec.UNSET  # noqa: N815
    inferenceId: Text = msgspec.UNSET  # noqa: N815
    inferenceTime: Text = msgspec.UNSET  # noqa: N815


class OrderedRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A captured line as SageMaker writes it; any other shape raises, which is the signal to look closer."""

    captureData: OrderedCapture  # noqa: N815
    eventMetadata: OrderedMetadata  # noqa: N815
    eventVersion: str  # noqa: N815


class KeyMetadata(msgspec.Struct, gc=False):
    """The two ids of a captured line."""

    eventId: str | None = None  # noqa: N815
    inferenceId: str | None = None  # noqa: N815


class KeyRecord(msgspec.Struct, gc=False):
    """A captured line of which only the ids are looked at."""

    eventMetadata: KeyMetadata  # noqa: N815


_fast = msgspec.json.Decoder(OrderedRecord)
_keys = msgspec.json.Decoder(KeyRecord)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_TOP = ("captureData", "eventMetadata", "eventVersion")


class RecordError(ValueError):
    """A line is no capture or no label record; the message says why without quoting it."""


@dataclass
class CapturedBlock:
    """The captured lines of a block: the key of each, its record in merged order, and what could not be read.

    ``malformed`` holds the number of a line within the block, from 0, and the reason.
    """

    keys: list[str] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    malformed: list[tuple[int, str]] = field(default_factory=list)


def read_captured(block: bytes, *, with_records: bool = True) -> CapturedBlock:
    """Return the captured lines of a block; ``with_records`` false leaves their records out (keys are enough)."""
    try:
        found = _fast.decode_lines(block)
        keys = [record.eventMetadata.inferenceId or record.eventMetadata.eventId for record in found]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_slowly(block, with_records)
    if not all(keys):
        return _read_slowly(block, with_records)
    return CapturedBlock(keys, [_encode(record) for record in found] if with_records else [])  # type: ignore[arg-type]


def keys_of(records: bytes) -> list[str]:
    """Return the keys of records that ``read_captured`` has made, one a line."""
    return [
        record.eventMetadata.inferenceId or record.eventMetadata.eventId or "" for record in _keys.decode_lines(records)
    ]


def merged_line(record: bytes, label: bytes) -> bytes:
    """Return a record with its label's ``groundTruthData`` (JSON text), as a line."""
    return b'%s,"groundTruthData":%s}\n' % (record[:-1], label)


def _read_slowly(block: bytes, with_records: bool) -> CapturedBlock:
    """Take lines one by one: fields that SageMaker does not write today are kept, in order."""
    read = CapturedBlock()
    for number, line in enumerate(block.split(b"\n")):
        if not line.strip():
            continue
        try:
            key, record = _read_line(line)
        except RecordError as error:
            read.malformed.append((number, str(error)))
            continue
        read.keys.append(key)
        if with_records:
            read.records.append(record)
    return read


def _read_line(line: bytes) -> tuple[str, bytes]:
    document = decoded_object(line, "capture")
    capture, metadata = document.get("captureData"), document.get("eventMetadata")
    if not isinstance(capture, dict) or not isinstance(metadata, dict):
        message = "JSON, but not a capture record"
        raise RecordError(message)
    return event_key(metadata), ordered_json({name: document[name] for name in _TOP if name in document})


def decoded_object(line: bytes, kind: str) -> dict[str, Any]:
    """Return a line's JSON object; RecordError says why there is none."""
    try:
        document = _anything.decode(line)
    except UnicodeDecodeError:
        message = "not UTF-8"
        raise RecordError(message) from None
    except RecursionError:
        message = f"nested too deeply to be a {kind} record"
        raise RecordError(message) from None
    except msgspec.DecodeError as error:
        message = "not UTF-8" if "utf-8" in str(error).lower() else "not JSON"
        raise RecordError(message) from None
    if not isinstance(document, dict):
        message = f"JSON, but not a {kind} record"
        raise RecordError(message)
    return document


def event_key(metadata: dict[str, Any]) -> str:
    """Return what captured lines are joined by: ``inferenceId``, else ``eventId``; RecordError if there is neither."""
    ids = (metadata.get("inferenceId"), metadata.get("eventId"))
    if any(value is not None and not isinstance(value, str) for value in ids):
        message = "eventId or inferenceId is not text"
        raise RecordError(message)
    key = ids[0] or ids[1]
    if not key:
        message = "neither inferenceId nor eventId"
        raise RecordError(message)
    return str(key)


def ordered_json(document: dict[str, Any]) -> bytes:
    """Return compact JSON with keys in alphabetical order at every level."""
    try:
        return _encode_sorted(document)
    except (msgspec.MsgspecError, OverflowError, RecursionError):
        message = "a number or a nesting that cannot be written again"
        raise RecordError(message) from None
