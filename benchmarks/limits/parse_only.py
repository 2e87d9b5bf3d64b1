"""The next limit: read the files and take the two payloads out of every line, in blocks, with msgspec alone."""

import sys
from pathlib import Path

import msgspec


class Payload(msgspec.Struct, gc=False):
    """One side's payload as text."""

    data: str


class Capture(msgspec.Struct, gc=False):
    """Both sides."""

    endpointInput: Payload  # noqa: N815
    endpointOutput: Payload  # noqa: N815


class Record(msgspec.Struct, gc=False):
    """A captured line."""

    captureData: Capture  # noqa: N815


decoder = msgspec.json.Decoder(Record)
count = 0
for path in sorted(Path(sys.argv[1]).rglob("*.jsonl")):
    with path.open("rb", buffering=0) as file:
        rest = b""
        while chunk := file.read(8 * 1024 * 1024):
            block, found, rest = (rest + chunk).rpartition(b"\n")
            if not found:
                continue
            records = decoder.decode_lines(block)
            texts = [
                (record.captureData.endpointInput.data, record.captureData.endpointOutput.data) for record in records
            ]
            count += len(texts)
        if rest:
            count += len(decoder.decode_lines(rest))
print(count)
