"""What class a text names: ``1``, ``1.0`` and ``1 `` are the same one."""

import re

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_LARGEST_WHOLE = 2.0**53
_OPPOSITES = {"1": "0", "0": "1", "true": "false", "false": "true", "-1": "1"}
_BOOLEANS = {"true": "1", "false": "0"}


def class_label(text: str) -> str:
    """Return the class that a text names: numbers by their value, anything else as it stands without outer blanks."""
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        return stripped
    value = float(stripped)
    if abs(value) >= _LARGEST_WHOLE:
        return stripped
    return str(int(value)) if value == int(value) else repr(value)


def opposite_label(label: str) -> str | None:
    """Return the other class of a well-known pair (1 and 0, true and false), ``None`` for any other label."""
    return _OPPOSITES.get(class_label(label).lower() if label.strip().isalpha() else class_label(label))


def binary_label(text: str, positive: str, negative: str) -> str | None:
    """Return which of two classes a text names, ``None`` for neither; booleans stand for 1 and 0 and the reverse."""
    label = class_label(text)
    if label in {positive, negative}:
        return label
    lowered = label.lower()
    if {positive, negative} == {"0", "1"}:
        return _BOOLEANS.get(lowered)
    if {positive, negative} == {"true", "false"}:
        return lowered if lowered in _BOOLEANS else {"1": "true", "0": "false"}.get(label)
    return None
