"""JSON text as Model Monitor's container writes it: Jackson's pretty printer and Java's double notation.

Readers compare these documents byte for byte, so field order, number text and white space are part of the format.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal


def java_double(value: float) -> str:
    """Return ``value`` as Java's ``Double.toString`` writes it, with the fewest digits that read back the same.

    Plain notation from 1e-3 up to 1e7, else ``d.dddE±n``; not-a-number and infinities as Java names them, which
    Jackson puts in quotes (see `encode`).
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = repr(float(value))
        return text if "e" not in text else f"{Decimal(text):f}"
    sign, digits, exponent = Decimal(repr(float(value))).as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - only NaN and infinities have none, and those are gone
    text = "".join(map(str, digits))
    power = len(text) - 1 + exponent
    fraction = text[1:].rstrip("0") or "0"
    return f"{'-' if sign else ''}{text[0]}.{fraction}E{power}"


def _string(text: str) -> str:
    # Jackson leaves non-ASCII as it is and escapes like JSON; a lone surrogate cannot be written as UTF-8.
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace").decode()


def _scalar(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return java_double(value) if math.isfinite(value) else f'"{java_double(value)}"'
        case str():
            return _string(value)
        case _:
            message = f"a document may hold text, numbers, booleans, lists and objects; got {type(value).__name__}"
            raise TypeError(message)


def _write(value: object, indent: str, out: list[str]) -> None:
    if isinstance(value, Mapping):
        if not value:
            out.append("{ }")
            return
        inner = indent + "  "
        separator = "{\n"
        for key, item in value.items():
            out.append(f"{separator}{inner}{_string(key)} : ")
            _write(item, inner, out)
            separator = ",\n"
        out.append(f"\n{indent}}}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            out.append("[ ]")
            return
        if all(type(item) is float for item in value):
            out.append(f"[ {', '.join(_floats(value))} ]")
            return
        separator = "[ "
        for item in value:
            out.append(separator)
            _write(item, indent, out)
            separator = ", "
        out.append(" ]")
    else:
        out.append(_scalar(value))


def _floats(values: Iterable[float]) -> list[str]:
    # A sketch holds thousands of numbers and nearly all are in plain range, where repr is already Java's text.
    return [repr(v) if 1e-3 <= v < 1e7 or v == 0 else _scalar(v) for v in values]


def encode(document: Mapping[str, object]) -> bytes:
    """Return ``document`` as UTF-8 JSON in the container's layout: two spaces, ``"name" : value``, lists in a line."""
    out: list[str] = []
    _write(document, "", out)
    return "".join(out).encode()
