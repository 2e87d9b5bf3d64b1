"""The lines that SageMaker data capture writes: one JSON object per invocation, payloads as text."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

INPUT_SIDE = "endpointInput"
OUTPUT_SIDE = "endpointOutput"


@dataclass(frozen=True)
class CaptureFile:
    """One captured object: its name for messages, and its bytes in order, plain or gzip."""

    name: str
    chunks: Iterable[bytes]


@dataclass(frozen=True)
class CaptureSchema:
    """What columns are called when payloads do not say so (CSV), and in which order they stand.

    ``input_columns`` and ``output_columns`` name each side's fields; ``columns`` names both sides together in the
    order of the baseline, and serves when the sides are not named. Outputs stand first unless
    ``output_columns_position`` is ``END``, as in Model Monitor's dataset format. ``sides`` are those to look at.
    """

    input_columns: tuple[str, ...] | None = None
    output_columns: tuple[str, ...] | None = None
    output_columns_position: Literal["START", "END"] = "START"
    columns: tuple[str, ...] | None = None
    sides: tuple[str, ...] = (INPUT_SIDE, OUTPUT_SIDE)

    def names_of(self, output_count: int, input_count: int) -> tuple[str, ...] | None:
        """Return the names of so many fields, in order, or ``None`` when they are not the number that was promised.

        A side without fields was not captured, which breaks no promise. With nothing promised, names are positions.
        """
        if self.input_columns is None and self.output_columns is None:
            if self.columns is None:
                return tuple(f"_c{position}" for position in range(output_count + input_count))
            return self.columns if len(self.columns) == output_count + input_count else None
        outputs = _side_names(self.output_columns, output_count, "output_")
        inputs = _side_names(self.input_columns, input_count, "input_")
        if outputs is None or inputs is None:
            return None
        return outputs + inputs if self.output_columns_position == "START" else inputs + outputs

    def positions_of(self, output_count: int, input_count: int) -> tuple[str, ...]:
        """Return names for fields that are not those promised: ``_c0``, ``_c1``, … over both sides.

        Where there are as many as promised, but divided otherwise, they are ``output_0``, … and ``input_0``, …: taken
        over both sides they would pass for the promised ones, each in another's place.
        """
        if not self._is_divided_otherwise(output_count, input_count):
            return tuple(f"_c{position}" for position in range(output_count + input_count))
        outputs = tuple(f"output_{position}" for position in range(output_count))
        inputs = tuple(f"input_{position}" for position in range(input_count))
        return outputs + inputs if self.output_columns_position == "START" else inputs + outputs

    def _is_divided_otherwise(self, output_count: int, input_count: int) -> bool:
        outputs = self._promised(self.output_columns, self.input_columns)
        inputs = self._promised(self.input_columns, self.output_columns)
        if outputs is None or inputs is None or min(outputs, inputs) < 0:
            return False
        return outputs + inputs == output_count + input_count and outputs != output_count

    def _promised(self, side: Sequence[str] | None, other: Sequence[str] | None) -> int | None:
        if side is not None:
            return len(side)
        # What is promised of one side leaves this one the rest of the baseline's.
        return None if other is None or self.columns is None else len(self.columns) - len(other)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Return ``names`` in the schema's order; names it does not know come last, as they came."""
        given = list(names)
        known = self.columns
        if known is None:
            sides = (self.output_columns or (), self.input_columns or ())
            known = sides[0] + sides[1] if self.output_columns_position == "START" else sides[1] + sides[0]
        position = {name: index for index, name in enumerate(known)}
        return sorted(given, key=lambda name: position.get(name, len(position)))


def _side_names(promised: Sequence[str] | None, count: int, prefix: str) -> tuple[str, ...] | None:
    if not count:
        return ()
    if promised is None:
        return tuple(f"{prefix}{position}" for position in range(count))
    return tuple(promised) if len(promised) == count else None


class CsvPayload(msgspec.Struct, gc=False):
    """A payload on the fast path: anything but CSV text raises, which is the signal to look closer."""

    data: str
    encoding: Literal["CSV"]


class CsvCapture(msgspec.Struct, gc=False):
    """``captureData`` on the fast path."""

    endpointInput: CsvPayload  # noqa: N815 - the format's name
    endpointOutput: CsvPayload  # noqa: N815


class CsvRecord(msgspec.Struct, gc=False):
    """A line on the fast path."""

    captureData: CsvCapture  # noqa: N815


class Payload(msgspec.Struct):
    """A payload as it stands."""

    data: str
    encoding: str = "CSV"
    content_type: str = msgspec.field(default="", name="observedContentType")


class Capture(msgspec.Struct):
    """Either side may be absent, according to the capture options."""

    input: Payload | None = msgspec.field(default=None, name="endpointInput")
    output: Payload | None = msgspec.field(default=None, name="endpointOutput")


class Record(msgspec.Struct):
    """A line as it stands."""

    capture: Capture = msgspec.field(name="captureData")


class PayloadError(ValueError):
    """A payload is malformed; the message says how without quoting it."""


@dataclass
class Rows:
    """A payload's rows: each a list of fields (CSV, positional JSON) or a mapping of names (JSON objects)."""

    fields: list[list[str | None]] = field(default_factory=list)
    objects: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.fields) or len(self.objects)


def payload_text(payload: Payload) -> tuple[str, bool]:
    """Return a payload's text and whether it is JSON (else CSV).

    BASE64 is what capture writes when the content type is in none of its lists; the observed type then decides, and
    failing that the first character.

    Raises
    ------
    PayloadError
        for other encodings, broken BASE64, or bytes that are not UTF-8 text.
    """
    match payload.encoding:
        case "CSV":
            return payload.data, False
        case "JSON":
            return payload.data, True
        case "BASE64":
            try:
                text = base64.b64decode(payload.data, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                message = "a BASE64 payload does not hold UTF-8 text"
                raise PayloadError(message) from error
            kind = payload.content_type.partition(";")[0].strip().lower()
            is_json = "json" in kind or ("csv" not in kind and text.lstrip()[:1] in {"{", "["})
            return text, is_json
        case other:
            message = f"payload encoding {other[:20]!r}; CSV, JSON or BASE64 was expected"
            raise PayloadError(message)
