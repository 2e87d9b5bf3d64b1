"""Universal Binary JSON, as XGBoost writes its models: bytes to the same values that its JSON text holds.

The format is that of https://ubjson.org, draft 12, big-endian. Arrays of one number type come back as numpy arrays.
"""

import struct
from typing import Any

import numpy as np

_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"u": ">u2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_STRUCTS = {b"i": ">b", b"U": ">B", b"I": ">h", b"u": ">H", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_DEPTH = 64


class UbjsonError(ValueError):
    """The bytes are no UBJSON; the message says where."""


def decode_ubjson(data: bytes) -> Any:
    """Return the value that ``data`` holds.

    Raises
    ------
    UbjsonError
        when the bytes end too soon, hold an unknown marker, are nested too deeply, or go on after the value.
    """
    reader = _Reader(data)
    value = reader.value(reader.marker(), 0)
    if reader.place != len(data):
        message = f"bytes follow the value, from {reader.place} on"
        raise UbjsonError(message)
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def _take(self, count: int) -> bytes:
        if count < 0 or self.place + count > len(self._data):
            message = f"the bytes end within a value, at {self.place}"
            raise UbjsonError(message)
        self.place += count
        return self._data[self.place - count : self.place]

    def marker(self) -> bytes:
        """Return the next marker; no-operations are skipped."""
        marker = self._take(1)
        while marker == b"N":
            marker = self._take(1)
        return marker

    def _next_is(self, marker: bytes) -> bool:
        if self._data[self.place : self.place + 1] != marker:
            return False
        self.place += 1
        return True

    def _count(self) -> int:
        marker = self.marker()
        if marker not in _STRUCTS or marker in b"dD":
            message = f"no length where one was expected, at {self.place - 1}"
            raise UbjsonError(message)
        return int(self._number(marker))

    def _number(self, marker: bytes) -> int | float:
        form = _STRUCTS[marker]
        found: int | float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return found

    def _string(self) -> str:
        return self._take(self._count()).decode("utf-8", "replace")

    def value(self, marker: bytes, depth: int) -> Any:
        """Return the value that starts with ``marker``, which was read already."""
        if depth > _DEPTH:
            message = "nested too deeply"
            raise UbjsonError(message)
        if marker in _STRUCTS:
            return self._number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        match marker:
            case b"S":
                return self._string()
            case b"C":
                return self._take(1).decode("latin-1")
            case b"[":
                return self._array(depth)
            case b"{":
                return self._object(depth)
        message = f"unknown marker {marker!r} at {self.place - 1}"
        raise UbjsonError(message)

    def _head(self) -> tuple[bytes | None, int | None]:
        """Return the type and the count that a container promises."""
        kind = self._take(1) if self._next_is(b"$") else None
        if self._next_is(b"#"):
            return kind, self._count()
        if kind is not None:
            message = f"a type without a count, at {self.place}"
            raise UbjsonError(message)
        return None, None

    def _array(self, depth: int) -> Any:
        kind, count = self._head()
        if count is None:
            found = []
            while (marker := self.marker()) != b"]":
                found.append(self.value(marker, depth + 1))
            return found
        if kind in _NUMBERS:
            form = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self._take(count * form.itemsize), form).astype(form.newbyteorder("="))
        # Each value takes a byte at least: a short file cannot promise a long list.
        if kind is None and count > len(self._data) - self.place:
            message = f"more values are promised than bytes are left, at {self.place}"
            raise UbjsonError(message)
        if kind in _CONSTANTS:
            message = f"an array of constants, at {self.place}"
            raise UbjsonError(message)
        return [self.value(kind or self.marker(), depth + 1) for _ in range(count)]

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._head()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self._next_is(b"}"):
                break
            key = self._string()
            found[key] = self.value(kind or self.marker(), depth + 1)
        return found
