"""JSON payloads to rows: flat objects, arrays of plain values, lists of either, and JSON Lines.

Numbers keep the text they were written with: distinct counts and type inference look at the text.
"""

from typing import Any

import msgspec

from watchkeeper.analysis.capture_records import PayloadError, Rows

_Object = dict[str, msgspec.Raw]
_objects = msgspec.json.Decoder(list[_Object])
_one_object = msgspec.json.Decoder(_Object)
_rows = msgspec.json.Decoder(list[list[msgspec.Raw]])
_one_row = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_value = msgspec.json.Decoder(msgspec.Raw)

_NESTED = "nested JSON: values must be plain; flatten them at the endpoint"


def parse_json(text: str) -> Rows:
    """Return the rows of one payload.

    Raises
    ------
    PayloadError
        when it is no JSON, is nested, or has no row.
    """
    try:
        return _documents(text.strip())
    except RecursionError:
        raise PayloadError(_NESTED) from None


def json_documents(text: str, side: str) -> list[Any]:
    """Return the decoded documents of one payload: one, or one a line.

    Raises
    ------
    PayloadError
        when it is neither; ``side`` names the payload.
    """
    try:
        return [msgspec.json.decode(text)]
    except (msgspec.DecodeError, RecursionError):
        lines = [line for line in text.split("\n") if line.strip()]
    try:
        if len(lines) > 1:
            return [msgspec.json.decode(line) for line in lines]
    except (msgspec.DecodeError, RecursionError):
        pass
    message = f"the {side} is neither JSON nor JSON Lines"
    raise PayloadError(message)


def _documents(data: str) -> Rows:
    try:
        return _document(data)
    except msgspec.DecodeError:
        lines = [line for line in data.split("\n") if line.strip()]
        if len(lines) < 2:
            message = "not JSON, or not made of flat objects"
            raise PayloadError(message) from None
    rows = Rows()
    try:
        for line in lines:
            part = _document(line)
            rows.fields += part.fields
            rows.objects += part.objects
    except msgspec.DecodeError:
        message = "not JSON Lines, or not made of flat objects"
        raise PayloadError(message) from None
    if rows.fields and rows.objects:
        message = "objects and arrays mixed in one payload"
        raise PayloadError(message)
    return rows


def _document(data: str) -> Rows:
    if data[:1] == "{":
        return Rows(objects=[_flat(_one_object.decode(data))])
    if data[:1] == "[":
        first = data[1:].lstrip()[:1]
        if first == "{":
            return Rows(objects=[_flat(item) for item in _objects.decode(data)])
        if first == "[":
            return Rows(fields=[_row(row) for row in _rows.decode(data)])
        return Rows(fields=[_row(_one_row.decode(data))])
    # A bare number or text is a row of one field: what many endpoints answer.
    return Rows(fields=[[_cell(_value.decode(data))]])


def _row(values: list[msgspec.Raw]) -> list[str | None]:
    if not values:
        message = "an empty list"
        raise PayloadError(message)
    return [_cell(value) for value in values]


def _flat(record: _Object) -> dict[str, str | None]:
    if not record:
        message = "an empty object"
        raise PayloadError(message)
    return {name: _cell(value) for name, value in record.items()}


def _cell(raw: msgspec.Raw) -> str | None:
    """Return a value's text: numbers and booleans as written, ``None`` for null and empty text."""
    data = bytes(raw)
    head = data[:1]
    if head == b'"':
        return _text.decode(data) or None
    if head == b"n":
        return None
    if head in {b"{", b"["}:
        raise PayloadError(_NESTED)
    return data.decode().strip()
